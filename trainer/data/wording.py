"""How the words of transcripts are written."""

from typing import Final

_TYPOGRAPHY: Final = str.maketrans(
    {
        "\u2018": "'", "\u2019": "'", "\x92": "'", "\u201c": '"', "\u201d": '"',
        "\u2026": "...", "\u2013": "-", "\u2014": "-",
    }
)  # fmt: skip


def clean_text(text: str) -> str:
    """Return the text with plain quotes and dashes and single blanks, as a speech recogniser writes it."""
    return " ".join(text.translate(_TYPOGRAPHY).split())
