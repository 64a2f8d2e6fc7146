"""What must be said beside the scores: what was skipped, and what is absent."""

from collections.abc import Sequence
from typing import Final

from trainer.data.conversation import Skipped
from trainer.features.media import MediaFault, tally

_SHOWN: Final = 5


def skipped_notes(skipped: Sequence[Skipped], total: int, what: str) -> tuple[str, ...]:
    """Return a note that counts what was skipped of so many, and names the first few with the reason."""
    if not skipped:
        return ()
    return (f"{len(skipped)} of {total} {what} were skipped: {_named([(one.name, one.why) for one in skipped])}",)


def fault_notes(faults: Sequence[MediaFault], total: int) -> tuple[str, ...]:
    """Return a note on the utterances whose media could not be used; they count, without that modality."""
    if not faults:
        return ()
    named = _named([(one.name, one.why) for one in faults])
    return (f"media of some of the {total} utterances could not be used ({tally(faults)}): {named}",)


def _named(found: Sequence[tuple[str, str]]) -> str:
    rest = len(found) - _SHOWN
    return ", ".join(f"{name} ({why})" for name, why in found[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
