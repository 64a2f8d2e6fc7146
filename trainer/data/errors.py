"""The one error of the readers."""

from pathlib import Path


class DatasetError(Exception):
    """A corpus is missing, laid out wrongly or holds something outside its label set; says where and what to do."""


def require(path: Path, what: str) -> Path:
    """Return ``path`` if it exists, or raise :class:`DatasetError` naming what was looked for."""
    if not path.exists():
        message = f"{what} not found at {path}; check --data (or M2FNET_DATA), which must hold it there"
        raise DatasetError(message)
    return path
