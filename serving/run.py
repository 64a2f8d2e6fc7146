"""Running the live server: its port, its models and its sources, from the start to a signal that ends it."""

import asyncio
import errno
import logging
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from functools import partial
from typing import Final, NoReturn

from pydantic import SecretStr

from models.threads import watched_thread
from models.user_error import UserError
from serving.http.access import Places, is_loopback
from serving.http.tls import renewing_context
from serving.http.tokens import ChosenToken, choose_token, is_readable_by_others
from serving.live import LiveServer, Plan
from serving.rooms.requests import clean_name
from serving.sessions.worker import Emit
from serving.telemetry import logs
from stream.dialog.session_context import SessionContext
from stream.live_models import LiveModels
from stream.pipeline import Drivable
from stream.recording.record import Facts, Recorder, SessionRecord, require_writable
from stream.recording.session import RecordedSession
from stream.session import Session
from stream.settings import ServerSettings, Settings
from stream.sources.open import open_local, require_files
from wire.errors import ErrorCode, ProtocolError

log = logging.getLogger("m2fnet.server")

MODELS_CLOSE_S: Final = 5.0  # the longest stretch of speech takes less


class ServeError(UserError):
    """The server can't start; the message says why and what to do."""


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise :class:`ServeError` in one line that says what to do."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found, key=lambda info: info[0] != socket.AF_INET)
        return socket.create_server(address, family=family)
    except (OSError, UnicodeError) as error:
        raise ServeError(_why_not(host, port, error)) from None


def _why_not(host: str, port: int, error: OSError | UnicodeError) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return f"port {port} of {host} is taken; stop what uses it, or choose another with --port"
        case PermissionError():
            return f"port {port} needs more rights; choose one above 1023 with --port"
        case _:
            return f"can't listen on {host}: {error}; --host takes an address or name of this machine"


def address_of(sock: socket.socket, scheme: str = "http", prefix: str = "") -> str:
    """Return the address of the page, as a browser on this machine opens it."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"{scheme}://[{host}]:{port}{prefix}/" if ":" in host else f"{scheme}://{host}:{port}{prefix}/"


def run(
    settings: Settings,
    *,
    camera: str | None = None,
    microphone: str | None = None,
    sources: Sequence[str] = (),
    room: str | None = None,
    wait_for_watcher: bool = False,
    exit_when_done: bool = False,
    on_ready: Callable[[str], None] | None = None,
) -> int:
    """Serve until Ctrl-C or SIGTERM and return the exit code; problems are told in one line on standard error.

    Args:
        settings: everything that can be set.
        camera: index or path; with ``microphone`` the two are one session.
        microphone: name or index, or ``default``.
        sources: files and addresses, each its own session.
        room: makes all of these participants of one room.
        wait_for_watcher: start these only when somebody watches.
        exit_when_done: stop when all of these have ended; the exit code is 1 if one of them failed.
        on_ready: gets the address of the page once it can be opened; a token that was made is in its fragment, which
            browsers send nowhere.
    """
    logs.configure(settings.server)
    try:
        opened = open_local(settings, camera, microphone, sources)
        require_files(opened)
        guarded, token = with_token(settings)
        tls = tls_of(settings.server)
        if settings.server.record is not None:
            require_writable(settings.server.record)
        # The port first: it is taken at once or never, the models take seconds.
        with listen(settings.server.host, settings.server.port) as sock:
            models = _load(settings)
            try:
                _warn_of_risks(settings.server)
                address = address_of(sock, "https" if tls else "http", settings.server.path_prefix)
                ready = partial(_ready, models, address, token, on_ready or _print_address)
                plan = Plan(opened, room and room_name(room), wait_for_watcher, exit_when_done, ready)
                with _recorder(settings, models) as recorder:
                    failures = asyncio.run(_serve(guarded, models, sock, plan, recorder, tls))
            finally:
                closed = _close(models)
        log.info("stopped", extra={"event": "server.stopped"})
        code = _tell_failures(failures) if exit_when_done else 0
        if models.runtime.is_building or not closed:
            _end_process(code)
    except UserError as error:
        print(f"m2fnet serve: {error}", file=sys.stderr)  # noqa: T201 - a command's last word to its user
        return 1
    except KeyboardInterrupt:  # while the models were loading
        return 0
    return code


def _tell_failures(failures: Sequence[str]) -> int:
    """Tell why sources did not end as they should, and return the exit code: 1 if there was one."""
    for failure in failures:
        print(f"m2fnet serve: {failure}", file=sys.stderr)  # noqa: T201 - a command's last word to its user
    return 1 if failures else 0


def room_name(text: str) -> str:
    """Return the name of a room; raise :class:`ServeError` for one that can't be."""
    try:
        return clean_name(text, ErrorCode.ROOM_INVALID)
    except ProtocolError as error:
        message = f"--room {text!r}: {error}"
        raise ServeError(message) from None


def _load(settings: Settings) -> LiveModels:
    return LiveModels.load(settings, build_in_background=settings.runtime.build_in_background)


def _close(models: LiveModels) -> bool:
    """Stop the models and return whether they have; one that hangs is waited for only for :data:`MODELS_CLOSE_S`."""
    closed = threading.Event()

    def close() -> None:
        models.close()
        closed.set()

    thread = watched_thread("closing", close, lambda _: None)  # that it is not closed says enough
    thread.start()
    thread.join(MODELS_CLOSE_S)
    return closed.is_set()


def _end_process(code: int) -> NoReturn:
    """End although a library is busy in a thread, which it could not bear that Python takes away under it."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _ready(models: LiveModels, address: str, token: ChosenToken | None, on_ready: Callable[[str], None]) -> None:
    engine, asr = models.figures.engine.name, models.figures.asr_name
    extra = {"event": "server.ready", "engine": engine, "asr_model": asr}
    log.info("open %s (engine %s, speech model %s)", address, engine, asr, extra=extra)
    # A token is told to who runs the server, never to the log.
    on_ready(f"{address}#token={token.text}" if token is not None and token.generated else address)


def _print_address(address: str) -> None:
    """Tell the address where nobody else does."""
    print(address, file=sys.stderr)  # noqa: T201 - it may hold a token, which must not be in the log


def _recorder(settings: Settings, models: LiveModels) -> AbstractContextManager[Recorder | None]:
    folder = settings.server.record
    if folder is None:
        return nullcontext()
    log.info("all sessions are recorded in %s", folder)
    now = models.figures
    return closing(Recorder(folder, Facts(now.bundle, models.runtime.weights_hash, now.asr_name)))


async def _serve(
    settings: Settings,
    models: LiveModels,
    sock: socket.socket,
    plan: Plan,
    recorder: Recorder | None,
    tls: ssl.SSLContext | None,
) -> list[str]:
    """Serve until it is to end, and return why sources of this machine failed."""

    def make_session(
        settings: Settings, emit: Emit, speaker: str, context: SessionContext, record: SessionRecord | None
    ) -> Drivable:
        if record is not None:
            return RecordedSession(models, settings, emit, speaker=speaker, context=context, record=record)
        return Session(models, settings, emit, speaker=speaker, live=True, context=context)

    return await LiveServer(settings, models, make_session, recorder).serve(sock, _stop_on_signals(), plan, tls)


def _stop_on_signals() -> asyncio.Event:
    """Return an event that Ctrl-C and SIGTERM set; a second one of them ends the process at once."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)

    with suppress(NotImplementedError):  # Windows: Ctrl-C raises KeyboardInterrupt instead
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, on_signal)
    return stop


def with_token(settings: Settings) -> tuple[Settings, ChosenToken | None]:
    """Return the settings with the token that clients must know, if there is to be one."""
    token = choose_token(settings.server, exposed=Places.of(settings.server).exposed)
    secret = None if token is None else SecretStr(token.text)
    limits = settings.server.model_copy(update={"token": secret, "token_file": None})
    return settings.model_copy(update={"server": limits}), token


def tls_of(settings: ServerSettings) -> ssl.SSLContext | None:
    """Return what the server encrypts with, None where it does not."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    return renewing_context(settings.tls_certificate, settings.tls_key)


def _warn_of_risks(settings: ServerSettings) -> None:
    """Tell what whoever runs the server may not have meant."""
    if not is_loopback(settings.host) and settings.tls_certificate is None:
        log.warning("%s can be reached from other machines, and nothing is encrypted: who is on the way", settings.host)
        log.warning("sees and hears all. Set server.tls_certificate and tls_key, or see docs/security.md for a proxy.")
    for file in (settings.token_file, settings.tls_key):
        if file is not None and is_readable_by_others(file):
            log.warning("%s can be read by other users of this machine; chmod 600 changes it", file)
