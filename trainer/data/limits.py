"""Which lengths an utterance can have."""

from typing import Final

LONGEST_MS: Final = 5 * 60_000
"""Longer than this, five minutes, is no utterance but a mistake in the times."""


def odd_length(start_ms: int, end_ms: int) -> str | None:
    """Say what is odd about the length of an utterance by its times, or None if nothing is."""
    length = end_ms - start_ms
    if length <= 0:
        return f"{length / 1000:g} s long by its times"
    if length > LONGEST_MS:
        return f"{length / 60_000:.1f} minutes long by its times"
    return None
