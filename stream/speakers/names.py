"""What the speakers of one microphone are called. Pure."""

from string import ascii_uppercase
from typing import Final

UNNAMED: Final = "Speaker"
"""What a participant is called, with a number where there are several, who has given no name."""


class SpeakerNames:
    """Names speakers: as the participant while there is one, then by letters, in the order in which they are named.

    Args:
        participant: whose microphone it is.
        enrolled: names of those whose voices are known, by number.
    """

    def __init__(self, participant: str, enrolled: dict[int, str]) -> None:
        self._participant, self._given = participant, dict(enrolled)
        self._letters: dict[int, str] = {}
        number = participant.removeprefix(UNNAMED).strip()
        self._before = (
            f"{UNNAMED} " if participant.startswith(UNNAMED) and not number.strip("0123456789") else f"{participant} · "
        )

    def name(self, speaker: int, *, alone: bool) -> str:
        """Return the name of a speaker; ``alone``: nobody else has been heard."""
        if speaker in self._given:
            return self._given[speaker]
        letter = self._letters.setdefault(speaker, _letter(len(self._letters)))
        return self._participant if alone else self._before + letter


def _letter(count: int) -> str:
    return ascii_uppercase[count] if count < len(ascii_uppercase) else f"#{count + 1}"
