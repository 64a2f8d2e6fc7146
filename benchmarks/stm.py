"""Transcripts with times: STM files."""

from pathlib import Path


def stm_rows(path: Path) -> list[tuple[float, float, str]]:
    """Return when each turn begins and ends, in seconds, and its words, in the order of the file."""
    rows = [line.split(maxsplit=5) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(float(start), float(end), words) for *_, start, end, words in rows]
