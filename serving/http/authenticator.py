"""Who is let in: by the token, and not too many from one address. Made and used in one event loop."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from websockets.http11 import Request

from serving.http.guarded_connection import GuardedConnection
from serving.http.tokens import KEY_NAMES, KEY_NOT_IN_ADDRESS, NOT_IN_ADDRESS, Guesses, Token, bearer, is_in_address
from serving.http.waiting import owner_of
from stream.settings import ServerSettings
from wire.control import parse_auth
from wire.errors import ErrorCode, ProtocolError

HOW: Final = 'Authorization: Bearer TOKEN in a header, or {"type": "auth", "token": "TOKEN"} as the first message'


def secret_in_address(request: Request) -> str | None:
    """Return what to do instead, where the address of a request holds what must not be logged; else None."""
    query = urlsplit(request.path).query
    if is_in_address(query):
        return NOT_IN_ADDRESS
    return KEY_NOT_IN_ADDRESS if is_in_address(query, KEY_NAMES) else None


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """What a plain request is answered instead of what it asks for."""

    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Authenticator:
    """Asks for the token of the settings, if there is one."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._token = Token(settings.token.get_secret_value()) if settings.token else None
        self._guesses = Guesses()
        self._by_owner: Counter[str] = Counter()

    def knows(self, request: Request) -> bool:
        """Return whether a request shows the token, or none is needed."""
        given = bearer(request.headers.get_all("Authorization"))
        return self._token is None or (given is not None and self._token.matches(given))

    async def admit_request(self, request: Request, *, public: bool) -> None:
        """Let a plain request in; ``public`` ones need no token.

        Raises:
            Refused: the token is missing or wrong, or it or a key is in the address.
        """
        if why := secret_in_address(request):
            raise Refused(HTTPStatus.BAD_REQUEST, why)
        if public or self.knows(request):
            return
        if bearer(request.headers.get_all("Authorization")) is None:
            raise Refused(
                HTTPStatus.UNAUTHORIZED, "this needs the server's token, in the header Authorization: Bearer TOKEN"
            )
        await self._delay()
        raise Refused(HTTPStatus.UNAUTHORIZED, "this is not the server's token")

    async def admit(self, socket: GuardedConnection) -> None:
        """Let a WebSocket in that shows the token, in its request or by its first message.

        Raises:
            ProtocolError: the token is missing, wrong or late, or it or a key is in the address.
            ConnectionClosed: the other end has gone.
        """
        request = socket.request
        assert request is not None  # noqa: S101 - it was answered
        if why := secret_in_address(request):
            raise ProtocolError(ErrorCode.QUERY_INVALID, why)
        if self._token is None:
            return
        given = bearer(request.headers.get_all("Authorization"))
        if given is None:
            given = await self._first_message(socket)
        if not self._token.matches(given):
            await self._delay()
            raise ProtocolError(ErrorCode.AUTH_FAILED, "this is not the server's token; ask who runs the server for it")

    @contextmanager
    def counted(self, socket: GuardedConnection) -> Iterator[None]:
        """Count a WebSocket among those of its address while it is open.

        Raises:
            ProtocolError: there are too many already.
        """
        owner = owner_of(str((socket.remote_address or ("",))[0]))
        limit = self._settings.max_connections_per_address
        if limit and self._by_owner[owner] >= limit:
            text = f"there are {limit} connections of your address already (server.max_connections_per_address)"
            raise ProtocolError(ErrorCode.ADDRESS_FULL, text)
        self._by_owner[owner] += 1
        try:
            yield
        finally:
            self._by_owner[owner] -= 1
            if not self._by_owner[owner]:
                del self._by_owner[owner]

    async def _first_message(self, socket: GuardedConnection) -> str:
        """Return the token of the first message."""
        within_s = self._settings.auth_timeout_s
        try:
            async with asyncio.timeout(within_s):
                message = await socket.first_message()
        except TimeoutError:
            text = f"no token came within {within_s:g} s; this server needs {HOW}"
            raise ProtocolError(ErrorCode.AUTH_LATE, text) from None
        given = parse_auth(message)
        if given is None:
            raise ProtocolError(ErrorCode.AUTH_REQUIRED, f"this server needs its token first: {HOW}")
        return given

    async def _delay(self) -> None:
        """Keep the answer to a wrong token back."""
        await asyncio.sleep(self._guesses.wrong(asyncio.get_running_loop().time()))
