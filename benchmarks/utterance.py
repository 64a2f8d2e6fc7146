"""What an utterance costs with one bundle or precision and with others, network by network, in one run.

    python benchmarks/utterance.py [BUNDLE[:PRECISION]]... [--engine ENGINE] [--threads N] [--seconds S]

An utterance is 32 tokens, 3 s of voice (told against its speaker's baseline too, where the bundle does that), 8 faces,
and a fusion of 16 utterances. The cases take turns, so that what else the machine does falls on all alike. Figures are
the medians of the time and of the processor's time, ratios are to the first case. Processor time tells more where other
work runs: take one thread then, since those that wait for each other work too. int8 networks must have been made with
``m2fnet export`` before.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from engines import Question, Times, questions, started, take_turns
from rich.console import Console
from rich.table import Table
from written import script_parser

from models.bundle import Bundle, load_bundle
from models.bundle_config import find_bundle
from models.runtime.engine import ServedName
from models.runtime.network_inputs import examples
from trainer.evaluation.text_tables import terminal_table

FACES: Final = 8
PARTS: Final[dict[str, tuple[ServedName, ...]]] = {
    "text, 32 tokens": ("text",),
    "voice, 3 s": ("audio", "voice"),
    f"{FACES} faces": ("face",),
    "fusion, 16 utterances": ("fusion",),
}


class Case:
    """A bundle on an engine, ``BUNDLE[:PRECISION]``, and what it is asked about one utterance."""

    def __init__(self, case: str, engine: str, threads: int) -> None:
        name, _, precision = case.partition(":")
        self.title = f"{Path(name).name}, {precision or 'auto'}"
        bundle = load_bundle(find_bundle(name))
        self._questions = {question.network: question for question in asked(bundle)}
        self._engine = started(f"{engine}:{precision}", bundle, threads)

    def answer(self, networks: Sequence[ServedName]) -> None:
        """Run those of the networks that the bundle has."""
        for name in networks:
            if question := self._questions.get(name):
                self._engine.run(name, question.batch(FACES if name == "face" else 1))


def asked(bundle: Bundle) -> Iterator[Question]:
    """Yield one row of what each network is asked of an utterance."""
    yield from questions(bundle)
    if bundle.config.knows_baselines:
        names = ("statistics", "offset", "count")
        rows = (example[:1] for example in examples("voice", bundle.config))
        yield Question("voice against its baseline", "voice", dict(zip(names, rows, strict=True)))


def measured(cases: Sequence[Case], seconds: float) -> dict[str, Times]:
    """Return for each part, and for all of them, the medians ``(cases, 2)``, time and processor time in ms."""
    found: dict[str, Times] = {}
    for part, networks in PARTS.items():
        calls = [partial(case.answer, networks) for case in cases]
        found[part] = np.array([np.median(times, axis=0) for times in take_turns(calls, seconds)])
    return {**found, "all": np.sum(list(found.values()), axis=0)}


def table(cases: Sequence[Case], medians: dict[str, Times], clock: int, title: str) -> Table:
    """Return the medians of one clock, and how many times the first case's each is."""
    rows = []
    for part, times in medians.items():
        of_clock = times[:, clock]
        rows.append((part, *(f"{spent:.1f}; {spent / of_clock[0]:.2f}" for spent in of_clock)))
    return terminal_table(("network", *(case.title for case in cases)), rows, title=title)


def main() -> None:
    """Print the tables."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("cases", nargs="*", default=["starter:float32", "starter:int8"], metavar="BUNDLE[:PRECISION]")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--threads", type=int, default=0, help="0: let the engine choose")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each network")
    options = parser.parse_args()
    cases = [Case(each, options.engine, options.threads) for each in options.cases]
    medians = measured(cases, options.seconds)
    tables = [
        table(cases, medians, 0, "p50 ms; ratio to the first"),
        table(cases, medians, 1, "p50 ms of the processor; ratio to the first"),
    ]
    for each in tables:
        Console(width=160, highlight=False).print(each)
    if options.write:
        options.write.write_figures(tables, data="random inputs", seed="0")


if __name__ == "__main__":
    main()
