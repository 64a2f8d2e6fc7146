"""What every answer tells the browser to keep a page from: other places, other scripts, other pages around it."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

METHODS: Final = "GET, HEAD, OPTIONS"
MAY_ASK: Final = {
    "Access-Control-Allow-Methods": METHODS,
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Allow-Private-Network": "true",
    "Access-Control-Max-Age": "600",
}

_AUTHORITY: Final = re.compile(r"[A-Za-z0-9.\-]+(:\d+)?|\[[0-9A-Fa-f:.]+\](:\d+)?")
# Only names that browsers know: they complain in the console about others.
_UNUSED: Final = ("accelerometer", "geolocation", "gyroscope", "hid", "midi", "payment", "serial", "usb")


def security_headers(host: str, frame_ancestors: Sequence[str] = ()) -> Mapping[str, str]:
    """Return the headers of an answer.

    Args:
        host: of the request, with its port: the only place where WebSockets may lead.
        frame_ancestors: origins whose pages may show ours in a frame.
    """
    headers = {
        "Content-Security-Policy": content_security_policy(host, frame_ancestors),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": permissions_policy(),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return headers if frame_ancestors else headers | {"X-Frame-Options": "DENY"}


def cross_origin_headers(origin: str) -> Mapping[str, str]:
    """Return the headers with which a page of ``origin``, another site, may read an answer."""
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": "Content-Disposition, WWW-Authenticate",
    }


def content_security_policy(host: str, frame_ancestors: Sequence[str] = ()) -> str:
    """Return the policy: nothing but our own files, no scripts or styles inside pages, no plugins, no forms."""
    # Some Safari versions don't count ws: and wss: of the same place as 'self'.
    sockets = f" ws://{host} wss://{host}" if _AUTHORITY.fullmatch(host) else ""
    rules = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data: blob:",
        "media-src": "'self' blob:",
        "font-src": "'self'",
        "connect-src": f"'self'{sockets}",
        "worker-src": "'self'",
        "manifest-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(frame_ancestors) or "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def permissions_policy() -> str:
    """Return the policy: camera and microphone for our own pages, of the rest what they don't use for nobody."""
    return ", ".join(["camera=(self)", "microphone=(self)", *(f"{name}=()" for name in _UNUSED)])
