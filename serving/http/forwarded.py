"""What a reverse proxy says of the address that the browser asked it for; only proxies that are known are believed."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Final

from websockets.datastructures import Headers

from stream.settings import path_prefix

SCHEMES: Final = {"http": "http", "ws": "http", "https": "https", "wss": "https"}


@dataclass(frozen=True)
class Forwarded:
    """The address as the browser knows it.

    Attributes:
        scheme: ``http`` or ``https``, None where nobody says.
        prefix: what stands before the server's own paths, like ``/emo``; empty where nothing does.
    """

    scheme: str | None = None
    prefix: str = ""


class Proxies:
    """Reads ``X-Forwarded-Proto`` and ``X-Forwarded-Prefix``.

    Args:
        networks: where the proxies are.
    """

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ip_network(network) for network in networks]

    def told(self, peer: str, headers: Headers) -> Forwarded:
        """Return what is said of a request from ``peer``; nothing where that is no proxy, or what makes no sense."""
        if not self._has(peer):
            return Forwarded()
        scheme = SCHEMES.get(_first(headers, "X-Forwarded-Proto").lower())
        try:
            return Forwarded(scheme, path_prefix(_first(headers, "X-Forwarded-Prefix")))
        except ValueError:
            return Forwarded(scheme)

    def _has(self, peer: str) -> bool:
        try:
            address = ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return any(address in network for network in self._networks)


def _first(headers: Headers, name: str) -> str:
    """Return what the proxy next to the browser said; proxies behind it add what they saw, after a comma."""
    return ",".join(headers.get_all(name)).partition(",")[0].strip()
