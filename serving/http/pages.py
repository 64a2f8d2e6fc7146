"""What plain HTTP gets from the server's port: the pages of web/, health figures, dialogs, or a reason why not."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate
from hashlib import blake2s
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from models.threads import note_broken
from serving.http.access import Places, is_cross_origin, refusal
from serving.http.authenticator import Authenticator, Refused
from serving.http.exports import EXPORTS, ExportError, FindPast, export_answer
from serving.http.forwarded import Forwarded, Proxies
from serving.http.headers import MAY_ASK, METHODS, cross_origin_headers, security_headers
from stream.settings import ServerSettings
from wire.addresses import EVENTS, STREAM

WEB: Final = Path(__file__).resolve().parents[2] / "web"
PAGES: Final = {"/": "index.html", "/call": "call.html", "/overlay": "overlay.html", "/dashboard": "dashboard.html"}
CONTENT_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".mp4": "video/mp4",
}


Answer = Callable[[], Response]


class Pages:
    """Answers every request that opens no WebSocket.

    Args:
        settings: where the server is, and who may use it.
        authenticator: asks for the token, where there is one.
        public: what is answered to everybody besides the files of web/, by path; called in the event loop.
        answers: the same for who has shown the token, where there is one.
        find_past: returns what is remembered of a room or session, which is exported; called from any thread.
    """

    def __init__(
        self,
        settings: ServerSettings,
        authenticator: Authenticator,
        *,
        public: Mapping[str, Answer],
        answers: Mapping[str, Answer],
        find_past: FindPast,
    ) -> None:
        self._places = Places.of(settings)
        self._proxies = Proxies(settings.proxies)
        self._prefix = settings.path_prefix
        self._frame_ancestors = settings.frame_ancestors
        self._authenticator = authenticator
        self._public = public
        self._answers = answers
        self._find_past = find_past

    async def respond(self, connection: ServerConnection, request: Request) -> Response | None:
        """Return the answer to a request; None lets a WebSocket open.

        The prefix of a proxy is taken off the request's path, for whoever reads it after this.
        """
        peer = str((connection.remote_address or ("",))[0])
        forwarded = self._proxies.told(peer, request.headers)
        try:
            response = await self._answer(request, forwarded)
        except Refused as refused:
            response = plain(refused.status, refused.text)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others get their answers
            note_broken("task", "request", error)
            response = plain(HTTPStatus.INTERNAL_SERVER_ERROR, "this could not be answered; the server's log says why")
        if response is not None:
            self._protect(request, response, forwarded)
            if request.method == "HEAD":
                response.body = b""
        return response

    async def _answer(self, request: Request, forwarded: Forwarded) -> Response | None:
        self._require_ours(request, forwarded)
        if request.method == "OPTIONS":
            return may_ask()
        if request.method not in {"GET", "HEAD"}:
            raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, f"only {METHODS} are answered here")
        prefix = forwarded.prefix or self._prefix
        moved = take_off(prefix, request)
        return moved or await self._found(request, prefix)

    async def _found(self, request: Request, prefix: str) -> Response | None:
        path = urlsplit(request.path).path
        if path in {STREAM, EVENTS} and is_upgrade(request):
            return None
        await self._authenticator.admit_request(request, public=self._is_public(path))
        if path in {STREAM, EVENTS}:
            needs = plain(HTTPStatus.UPGRADE_REQUIRED, f"{path} is a WebSocket; docs/protocol.md tells how to use it")
            needs.headers["Upgrade"] = "websocket"
            return needs
        if path.startswith(EXPORTS):
            return await asyncio.to_thread(exported, request.path, self._find_past)
        if found := (self._answers if self._authenticator.knows(request) else self._public).get(path):
            return found()
        response = await page(path, self._answers, prefix)
        return unless_known(request, response) if response.status_code == HTTPStatus.OK else response

    def _require_ours(self, request: Request, forwarded: Forwarded) -> None:
        """Raise :class:`Refused` for what another site's page asks for, or what nobody answers here."""
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if why := refusal(hosts, origins, self._places, forwarded.scheme):
            raise Refused(HTTPStatus.FORBIDDEN, why)

    def _is_public(self, path: str) -> bool:
        """Return whether a request needs no token; the WebSockets ask for it themselves."""
        return path in {STREAM, EVENTS} or path in self._public or page_file(path) is not None

    def _protect(self, request: Request, response: Response, forwarded: Forwarded) -> None:
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        host = hosts[0] if len(hosts) == 1 else ""
        response.headers.update(security_headers(host, self._frame_ancestors))
        match response.status_code:
            case HTTPStatus.UNAUTHORIZED:
                response.headers["WWW-Authenticate"] = 'Bearer realm="M2FNet Live"'
            case HTTPStatus.METHOD_NOT_ALLOWED:
                response.headers["Allow"] = METHODS
        schemes = self._places.schemes(host, forwarded.scheme)
        if response.status_code != HTTPStatus.FORBIDDEN and is_cross_origin(origins, host, schemes):
            response.headers.update(cross_origin_headers(origins[0]))
        response.headers["Vary"] = "Origin"


def answer(status: HTTPStatus, body: bytes, content_type: str) -> Response:
    """Return a complete HTTP answer; the connection is closed after it."""
    headers = Headers(
        {
            "Date": formatdate(usegmt=True),
            "Connection": "close",
            "Content-Length": str(len(body)),
            "Content-Type": content_type,
            "Cache-Control": "no-cache",
        }
    )
    return Response(status.value, status.phrase, headers, body)


def may_ask() -> Response:
    """Return what a browser is told that asks whether a page may send a request."""
    headers = {"Date": formatdate(usegmt=True), "Connection": "close", "Allow": METHODS} | MAY_ASK
    return Response(HTTPStatus.NO_CONTENT.value, HTTPStatus.NO_CONTENT.phrase, Headers(headers))


def take_off(prefix: str, request: Request) -> Response | None:
    """Take a prefix off the path of a request, where a proxy has left it there.

    Returns:
        Where to ask instead when there is nothing behind the prefix, or None.
    """
    path, mark, query = request.path.partition("?")
    if prefix and path == prefix:
        moved = plain(HTTPStatus.PERMANENT_REDIRECT, f"the page is at {prefix}/")
        moved.headers["Location"] = f"{prefix}/{mark}{query}" if query.isprintable() else f"{prefix}/"
        return moved
    if path.startswith(f"{prefix}/"):
        request.path = request.path.removeprefix(prefix)
    return None


def plain(status: HTTPStatus, text: str) -> Response:
    """Return an answer in plain words."""
    return answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")


def as_json(body: str) -> Response:
    """Return an answer of JSON."""
    return answer(HTTPStatus.OK, body.encode(), "application/json")


def exported(target: str, find_past: FindPast) -> Response:
    """Return the answer that holds a dialog as a file."""
    try:
        export = export_answer(target, find_past)
    except ExportError as error:
        return plain(error.status, str(error))
    response = answer(HTTPStatus.OK, export.body, export.content_type)
    response.headers["Content-Disposition"] = export.disposition
    return response


async def page(path: str, others: Iterable[str] = (), prefix: str = "") -> Response:
    """Return the answer that holds a file of web/; if there is none, it names what can be asked for instead.

    Pages name everything relative to themselves, as ``./``; below a prefix that is known they get whole paths, because
    some proxies show the first page also without the slash at its end.
    """
    file = page_file(path)
    if file is None:
        there = ", ".join(f"{prefix}{name}" for name in (*PAGES, *others, STREAM))
        return plain(HTTPStatus.NOT_FOUND, f"there is nothing here; try {there} or {prefix}{EVENTS}")
    content = await asyncio.to_thread(file.read_bytes)
    if prefix and file.suffix == ".html":
        content = content.replace(b'="./', f'="{prefix}/'.encode())
    return answer(HTTPStatus.OK, content, CONTENT_TYPES[file.suffix])


def unless_known(request: Request, response: Response) -> Response:
    """Mark an answer by what it holds, and leave its body out where the browser says that it has just that."""
    mark = f'"{blake2s(response.body, digest_size=16).hexdigest()}"'
    response.headers["ETag"] = mark
    known = ",".join(request.headers.get_all("If-None-Match")).split(",")
    if mark not in (one.strip().removeprefix("W/") for one in known):
        return response
    for name in ("Content-Length", "Content-Type"):
        del response.headers[name]
    return Response(HTTPStatus.NOT_MODIFIED.value, HTTPStatus.NOT_MODIFIED.phrase, response.headers)


def page_file(path: str) -> Path | None:
    """Return the file of web/ that a request's path names, or None; nothing outside of web/ is ever named."""
    if path not in PAGES and not path.startswith("/web/"):
        return None
    name = PAGES.get(path) or unquote(path.removeprefix("/web/"))
    try:
        file = (WEB / name).resolve()
        return file if file.is_relative_to(WEB) and file.suffix in CONTENT_TYPES and file.is_file() else None
    except (OSError, ValueError):  # too long a name, or one with a NUL
        return None


def is_upgrade(request: Request) -> bool:
    """Return whether the request asks for a WebSocket."""
    return any(value.lower() == "websocket" for value in request.headers.get_all("Upgrade"))
