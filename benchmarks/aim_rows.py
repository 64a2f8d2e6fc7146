"""Figures with what they are to be, as the benchmarks show them. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.table import Table

from trainer.evaluation.text_tables import terminal_table


@dataclass(frozen=True)
class Row:
    """One figure and what it is to be: at most the aim, or at least."""

    what: str
    value: float
    aim: float
    unit: str = ""
    least: bool = False

    @property
    def met(self) -> bool:
        """Return whether it is."""
        return self.value >= self.aim if self.least else self.value <= self.aim

    @property
    def cells(self) -> list[str]:
        """Return what a table shows."""
        sign = "≥" if self.least else "≤"
        return [
            self.what,
            f"{self.value:,.4g} {self.unit}",
            f"{sign} {self.aim:,g} {self.unit}",
            "yes" if self.met else "NO",
        ]


def aims_table(rows: Iterable[Row]) -> Table:
    """Return the table of some figures."""
    return terminal_table(["what", "reached", "aim", "met"], [row.cells for row in rows])
