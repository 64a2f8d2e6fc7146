"""The rows of the paper's tables 2 to 5, and which of them were asked for.

==  =====================================================================================
 2  which modalities the network has
 3  which half of the visual modality it has beside text and audio: the face, the scene, both
 4  1 to 6 encoders of each modality
 5  1 to 6 fusion layers
==  =====================================================================================
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final

from trainer.dialogs.features import Modality
from trainer.evaluation.modalities import expanded
from trainer.evaluation.scores import EvaluationError
from trainer.stages.fusion import FusionSettings

TABLES: Final[dict[int, str]] = {
    2: "modalities",
    3: "halves of the visual modality, beside text and audio",
    4: "encoders of each modality",
    5: "fusion layers",
}
_DEPTHS: Final = range(1, 7)


@dataclass(frozen=True)
class AblationRow:
    """One row of a table.

    Attributes:
        table: 2 to 5.
        name: what sets it apart, such as ``text+audio`` or ``3``.
        modalities: what the network is given.
        encoders: as many of each modality; None: as in the settings.
        fusion_layers: likewise.
    """

    table: int
    name: str
    modalities: tuple[Modality, ...]
    encoders: int | None = None
    fusion_layers: int | None = None

    @property
    def key(self) -> str:
        """Return the name by which ``--rows`` asks for it, such as ``2:text+audio``."""
        return f"{self.table}:{self.name}"

    def settings(self, base: FusionSettings) -> FusionSettings:
        """Return the row's settings."""
        return replace(
            base,
            encoders=self.encoders or base.encoders,
            fusion_layers=self.fusion_layers or base.fusion_layers,
        )


def all_rows() -> list[AblationRow]:
    """Return the rows of all four tables, in order."""
    sets = [some for size in (1, 2, 3) for some in combinations(("text", "audio", "visual"), size)]
    everything = expanded(["text", "audio", "visual"])
    halves = {"face": ["face"], "scene": ["scene"], "face+scene": ["face", "scene"]}
    return [
        *(AblationRow(2, "+".join(some), expanded(some)) for some in sets),
        *(AblationRow(3, name, expanded(["text", "audio", *parts])) for name, parts in halves.items()),
        *(AblationRow(4, str(depth), everything, encoders=depth) for depth in _DEPTHS),
        *(AblationRow(5, str(depth), everything, fusion_layers=depth) for depth in _DEPTHS),
    ]


def chosen_rows(tables: Sequence[int] = (), rows: Sequence[str] = ()) -> list[AblationRow]:
    """Return the rows of some tables, or some rows by their keys; all if neither is named.

    Raises:
        EvaluationError: there is no such table or row.
    """
    known = all_rows()
    wanted = {row.key for row in known if not tables or row.table in tables}
    names = [name.replace(" ", "") for name in rows]
    if missing := sorted({f"table {table}" for table in tables if table not in TABLES}):
        message = f"there is no {', '.join(missing)}: the tables are {', '.join(map(str, TABLES))}"
        raise EvaluationError(message)
    if missing := [name for name in names if name not in wanted]:
        message = f"there is no row {missing[0]}: the rows are {', '.join(sorted(wanted))}"
        raise EvaluationError(message)
    return [row for row in known if row.key in (names or wanted)]
