"""Who may talk to the server, decided from two headers: keeps other sites' pages off the camera's events."""

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Return whether ``host``, a name or an address, is this machine only."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refusal(hosts: Sequence[str], origins: Sequence[str], bound_to: str) -> str | None:
    """Return why a request with these ``Host`` and ``Origin`` headers is refused, or None.

    A page of another site may open a WebSocket to any address: its ``Origin`` gives it away. A site that
    points its own name at 127.0.0.1 (DNS rebinding) passes that test, but not the one of ``Host``.
    """
    if len(hosts) != 1 or not (name := host_name(hosts[0])):
        return "the request needs one Host header"
    if is_loopback(bound_to) and not (is_loopback(name) or name == bound_to.lower()):
        return "this server answers only to localhost; start it with another --host to reach it by this name"
    if len(origins) > 1 or (origins and not _same_place(origins[0], hosts[0])):
        return "pages of other sites may not use this server"
    return None


def host_name(authority: str) -> str:
    """Return the host of ``host[:port]`` in lower case, without brackets; empty when it makes no sense."""
    try:
        return urlsplit(f"//{authority}").hostname or ""
    except ValueError:
        return ""


def _same_place(origin: str, host: str) -> bool:
    """Return whether the page comes from the host and port it talks to."""
    try:
        page = urlsplit(origin)
        here = urlsplit(f"{page.scheme}://{host}")
        default = {"http": 80, "https": 443}.get(page.scheme)
        return bool(page.hostname) and (page.hostname, page.port or default) == (here.hostname, here.port or default)
    except ValueError:
        return False
