"""What the paper reports (Chudasama et al., CVPR Workshops 2022, arXiv 2206.02187), in per cent.

Only what could be checked against a public source is here. The paper's text was not at hand when this was written:
the main results are those its abstract's page and surveys quote, and the rows of Table 2 with one modality are those
that DESIGN.md quotes. The cell of a table whose settings are those of the main result holds the main result. All
others are None, shown as ``?``; to be filled by who has the paper before them.
"""

from dataclasses import dataclass
from typing import Final, Literal

PaperCorpus = Literal["meld", "iemocap"]

SOURCE: Final = "M2FNet, arXiv 2206.02187; ? where the figure could not be checked against a public copy"


@dataclass(frozen=True)
class PaperScores:
    """Weighted F1 and accuracy on the test split, in per cent; None where not known."""

    weighted_f1: float | None = None
    accuracy: float | None = None


MAIN: Final[dict[PaperCorpus, PaperScores]] = {
    "meld": PaperScores(66.71, 67.85),
    "iemocap": PaperScores(69.86, 69.69),
}
"""The full network: text, audio, face and scene."""

ENCODERS: Final[dict[PaperCorpus, int]] = {"meld": 1, "iemocap": 5}
"""How many encoders of each modality the main result has (section 4.3)."""
FUSION_LAYERS: Final = 5
"""How many fusion layers it has, on both corpora."""

_SINGLE: Final[dict[PaperCorpus, dict[str, PaperScores]]] = {
    "meld": {"2:audio": PaperScores(39.6), "2:visual": PaperScores(32.4)},
    "iemocap": {},
}


def paper_scores(corpus: PaperCorpus, row: str) -> PaperScores:
    """Return what the paper reports for a row of its tables 2 to 5, named as in :mod:`trainer.evaluation.ablations`."""
    main_rows = {"2:text+audio+visual", "3:face+scene", f"4:{ENCODERS[corpus]}", f"5:{FUSION_LAYERS}"}
    if row in main_rows:
        return MAIN[corpus]
    return _SINGLE[corpus].get(row, PaperScores())
