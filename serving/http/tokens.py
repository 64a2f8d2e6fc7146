"""The secret that lets a client in: where it comes from, how it is compared, how guessing it is made slow."""

import os
import secrets
import stat
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl

from models.user_error import UserError
from stream.settings import ServerSettings
from wire.addresses import KEY_SUBPROTOCOL, SUBPROTOCOL
from wire.control import MAX_TOKEN

VARIABLE: Final = "M2FNET_TOKEN"
SHORTEST: Final = 16
TOKEN_NAMES: Final = frozenset({"token", "access_token"})
KEY_NAMES: Final = frozenset({"key"})
NOT_IN_ADDRESS: Final = (
    "a token does not belong in an address, because addresses are logged: give it in the header 'Authorization: "
    'Bearer TOKEN\', to a WebSocket also as the first message {"type": "auth", "token": "TOKEN"}, '
    "to a page behind #token="
)
KEY_NOT_IN_ADDRESS: Final = (
    "a key does not belong in an address, because addresses are logged: offer it as a subprotocol of the WebSocket, "
    f"'Sec-WebSocket-Protocol: {SUBPROTOCOL}, {KEY_SUBPROTOCOL}KEY'"
)
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 3.0
REMEMBERED_S: Final = 60.0
REMEMBERED: Final = 16


class TokenError(UserError, ValueError):
    """There is no token to be had from where it was said to be; the text says what to do and never quotes it."""


class Token:
    """Compares what a client gives; the time it takes says nothing about how much of it was right."""

    def __init__(self, text: str) -> None:
        self._digest = _digest(text)

    def matches(self, given: str) -> bool:
        """Return whether this is the token."""
        return compare_digest(self._digest, _digest(given))


@dataclass(frozen=True)
class ChosenToken:
    """The token of a server; ``generated`` if nobody had set one, so that its users must be told."""

    text: str
    generated: bool

    def __repr__(self) -> str:  # a dataclass would show the secret in tracebacks
        return f"ChosenToken(generated={self.generated})"


def choose_token(
    settings: ServerSettings, *, exposed: bool, environment: Mapping[str, str] = os.environ
) -> ChosenToken | None:
    """Return the token that was set, or a new one where other machines may come and none was; else None.

    Raises:
        TokenError: it can't be read, is too short to be safe, or can't stand in a header.
    """
    text = _token_that_was_set(settings, environment)
    if text is None:
        return ChosenToken(secrets.token_urlsafe(), generated=True) if exposed else None
    if not (text.isascii() and text.isprintable() and " " not in text):
        message = "the token may only have printable ASCII characters without spaces, so that it fits into a header"
        raise TokenError(message)
    if not SHORTEST <= len(text) <= MAX_TOKEN:
        message = f"the token needs {SHORTEST} to {MAX_TOKEN} characters, not {len(text)}; python -c 'import secrets; "
        raise TokenError(message + "print(secrets.token_urlsafe())' makes one")
    return ChosenToken(text, generated=False)


def bearer(authorization: Sequence[str]) -> str | None:
    """Return the token of the ``Authorization`` headers of a request, None where there is none of this kind."""
    if len(authorization) != 1:
        return None
    scheme, _, token = authorization[0].strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def is_in_address(query: str, names: Collection[str] = TOKEN_NAMES) -> bool:
    """Return whether the query of an address holds a token, or another secret of these names."""
    try:
        return any(name.lower() in names for name, _ in parse_qsl(query, keep_blank_values=True))
    except ValueError:
        return False


class Guesses:
    """How long the answer to a wrong token is kept back: the longer, the more there were in the last minute.

    Pure; times are seconds of any clock. Who has the right token never waits.
    """

    def __init__(self) -> None:
        self._wrong_at_s: deque[float] = deque(maxlen=REMEMBERED)

    def wrong(self, now_s: float) -> float:
        """Count a wrong token and return the delay of its answer in seconds."""
        while self._wrong_at_s and now_s - self._wrong_at_s[0] > REMEMBERED_S:
            self._wrong_at_s.popleft()
        self._wrong_at_s.append(now_s)
        return min(LONGEST_DELAY_S, FIRST_DELAY_S * float(2 ** (len(self._wrong_at_s) - 1)))


def is_readable_by_others(file: Path) -> bool:
    """Return whether other users of this machine may read a file; False where the system does not tell so."""
    return os.name == "posix" and bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _token_that_was_set(settings: ServerSettings, environment: Mapping[str, str]) -> str | None:
    """Return the token of the settings, of their file, or of the environment."""
    if settings.token is not None:
        return settings.token.get_secret_value()
    if settings.token_file is None:
        return environment.get(VARIABLE) or None  # set to nothing is not set
    try:
        return settings.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        message = f"server.token_file: {settings.token_file}: {error.strerror or error}"
        raise TokenError(message) from None
    except UnicodeDecodeError:
        message = f"server.token_file: {settings.token_file}: not a text file with a token"
        raise TokenError(message) from None


def _digest(text: str) -> bytes:
    return sha256(text.encode(errors="surrogatepass")).digest()
