"""Addresses without what is secret in them: for names, logs and statuses."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s'\"]*")


def redact_url(url: str) -> str:
    """Return ``url`` without user, password, query and fragment.

    Whatever stands before the last ``@`` goes, also behind a ``/``, ``?`` or ``#``: such a character in a password
    that was not percent-encoded would otherwise show the rest of it.
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url
    place = rest.rpartition("@")[2]
    shown = re.split(r"[?#]", place, maxsplit=1)[0]
    return f"{scheme}://{shown}" + ("?…" if shown != place else "")


def redact_text(text: str) -> str:
    """Return ``text`` with every address in it redacted."""
    return _ADDRESS.sub(lambda match: redact_url(match.group()), text)
