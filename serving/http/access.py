"""Who may talk to the server, decided from two headers: keeps other sites' pages off the camera's events."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from stream.settings import ServerSettings

SCHEMES: Final = ("http", "https")


@dataclass(frozen=True)
class Places:
    """Where this server is, and where pages that use it may be.

    Attributes:
        bound_to: the host it listens on.
        hosts: its names besides, in lower case; if there are some, it answers to no others.
        origins: other sites whose pages may use it.
        encrypts: whether it speaks TLS itself.
    """

    bound_to: str
    hosts: Collection[str] = ()
    origins: Collection[str] = ()
    encrypts: bool = False

    @classmethod
    def of(cls, settings: ServerSettings) -> "Places":
        """Return what the settings say of it."""
        return cls(settings.host, settings.hosts, settings.origins, settings.tls_certificate is not None)

    @property
    def exposed(self) -> bool:
        """Whether other machines may come: directly, or by a proxy that passes on a name they know."""
        return not all(is_loopback(host) for host in (self.bound_to, *self.hosts))

    def is_named(self, name: str) -> bool:
        """Return whether a request may call this server so."""
        if not self.hosts and not is_loopback(self.bound_to):
            return True
        return is_loopback(name) or name in {self.bound_to.lower(), *self.hosts}

    def schemes(self, host: str, forwarded: str | None = None) -> Sequence[str]:
        """Return what our own pages may begin with, called by this ``Host``, where a proxy ``forwarded`` a scheme.

        Whether a proxy that says nothing has ended TLS can't be known, but that there is none where a browser on this
        machine calls it by a name of this machine.
        """
        if forwarded is not None:
            return (forwarded,)
        if self.encrypts:
            return ("https",)
        return ("http",) if is_loopback(host_name(host)) else SCHEMES


def is_loopback(host: str) -> bool:
    """Return whether ``host``, a name or an address, is this machine only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(
    hosts: Sequence[str], origins: Sequence[str], places: Places, forwarded_scheme: str | None = None
) -> str | None:
    """Return why a request with these ``Host`` and ``Origin`` headers is refused, or None.

    A page of another site may open a WebSocket to any address: its ``Origin`` gives it away. A site that
    points its own name at 127.0.0.1 (DNS rebinding) passes that test, but not the one of ``Host``.
    """
    if len(hosts) != 1 or not (name := host_name(hosts[0])):
        return "the request needs one Host header"
    if not places.is_named(name):
        if places.hosts:
            return "this server does not answer to this name; server.hosts has those it answers to"
        return (
            "this server answers only to localhost; start it with another --host, or with server.hosts, for this name"
        )
    schemes = places.schemes(hosts[0], forwarded_scheme)
    if len(origins) > 1 or (origins and not _may_use(origins[0], hosts[0], schemes, places)):
        return "pages of other sites may not use this server"
    return None


def is_cross_origin(origins: Sequence[str], host: str, schemes: Collection[str] = SCHEMES) -> bool:
    """Return whether a request that was not refused comes from a page of another site; ``schemes`` are our own."""
    return bool(origins) and not _same_place(origins[0], host, schemes)


def host_name(authority: str) -> str:
    """Return the host of ``host[:port]`` in lower case, without brackets; empty when it makes no sense."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _may_use(origin: str, host: str, schemes: Collection[str], places: Places) -> bool:
    return origin.lower() in places.origins or _same_place(origin, host, schemes)


def _same_place(origin: str, host: str, schemes: Collection[str]) -> bool:
    """Return whether the page comes from the host and port it talks to, and by one of the schemes."""
    try:
        page = urlsplit(origin)
        if page.scheme not in schemes:
            return False
        here = urlsplit(f"{page.scheme}://{host}")
        default = {"http": 80, "https": 443}.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (here.hostname, here.port or default)
    except ValueError:
        return False
