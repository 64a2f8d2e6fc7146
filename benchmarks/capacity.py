"""How many participants this machine carries: more and more of them, until it falls behind.

    python benchmarks/capacity.py [--clip FILE] [--most N] [--frames FPS] [--engine NAME] [--png OUT] [--json OUT]

The clip is played by 1, 2, 3 … participants (benchmarks/live.py), each with a server of its own, starting one after the
other over the length of the clip, as the people of a call don't all speak at once. It ends where the 95th percentile of
the time from the end of speech to the first emotion, as the client sees it, exceeds the bound, or where anything is
dropped. Utterances that were cut from speech that went on don't count: that a sentence has ended is known only when
the next has begun, on any machine. The clients run on the same machine and take their share of it, which is shown.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from live import LiveReport, measure_clip, positive, server_parser, settings_of
from live_client import compose, record
from live_server import ServerError
from rich.console import Console
from rich.table import Table
from written import write_json

from commands.measured import machine
from m2fnet_client import ClientError
from trainer.evaluation.text_tables import terminal_table

BOUND_MS: Final = 1_500.0
FRAMES_PER_SECOND: Final = 15.0


@dataclass(frozen=True)
class Point:
    """What so many participants took; latencies in milliseconds, shares of all cores."""

    participants: int
    p50_ms: float
    p95_ms: float
    utterances: int
    dropped: int
    faces_per_s: float
    server_share: float
    client_share: float
    memory_mib: float

    @staticmethod
    def of(report: LiveReport) -> "Point":
        """Return the figures of one playing."""
        waited = [emotion.client_ms for emotion in report.emotions if emotion.in_silence]
        p50, p95 = np.percentile(waited, [50, 95]).tolist() if waited else (float("nan"), float("nan"))
        return Point(
            report.participants,
            p50,
            p95,
            len(waited),
            report.dropped_audio_chunks + report.dropped_video_frames + report.lost_events,
            report.faces_per_s,
            report.load.server_share,
            report.load.client_share,
            report.load.peak_bytes / 2**20,
        )

    @property
    def carried(self) -> bool:
        """Return whether the machine kept up."""
        return not self.dropped and self.p95_ms <= BOUND_MS


def climb(path: Path, most: int, frames_per_second: float, settings: Sequence[str]) -> Iterator[Point]:
    """Yield the figures of 1, 2, 3 … participants, the first that were too many included."""
    clip = compose(record(path, frames_per_second), 1)
    for participants in range(1, most + 1):
        limits = [f"server.max_sessions={participants}", *settings]
        point = Point.of(measure_clip(path, clip, participants, limits, staggered=True))
        print(f"{participants}: p95 {point.p95_ms:.0f} ms, dropped {point.dropped}", file=sys.stderr, flush=True)
        yield point
        if not point.carried:
            return


def load_table(points: Sequence[Point]) -> Table:
    """Return the table of all numbers of participants."""
    headings = ("participants", "p50", "p95", "dropped", "faces/s each", "server", "clients", "memory")
    rows = [
        (
            str(point.participants),
            f"{point.p50_ms:.0f} ms",
            f"{point.p95_ms:.0f} ms",
            str(point.dropped),
            f"{point.faces_per_s:.1f}",
            f"{point.server_share:.0%}",
            f"{point.client_share:.0%}",
            f"{point.memory_mib:.0f} MiB",
        )
        for point in points
    ]
    return terminal_table(headings, rows)


def told(points: Sequence[Point]) -> str:
    """Return how many were carried."""
    return f"carried: {most_carried(points)}"


def most_carried(points: Sequence[Point]) -> int:
    """Return how many participants were carried at most."""
    return max((point.participants for point in points if point.carried), default=0)


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw the latencies over the number of participants."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - of the train extra; only the plot needs it

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    counts = [point.participants for point in points]
    for name, values in (("p50", [p.p50_ms for p in points]), ("p95", [p.p95_ms for p in points])):
        axes.plot(counts, values, marker="o", label=name)
    axes.axhline(BOUND_MS, color="grey", linestyle="--", label="bound")
    axes.set(xlabel="participants", ylabel="end of speech to emotion (ms)", xticks=counts, ylim=(0, None))
    axes.legend()
    figure.savefig(path, dpi=120)


def arguments() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = server_parser(__doc__, __file__)
    parser.add_argument("--most", type=positive, default=16, metavar="N", help="end there at the latest (16)")
    parser.add_argument("--frames", type=float, default=FRAMES_PER_SECOND, metavar="FPS", help="each offers (15)")
    parser.add_argument("--png", type=Path, metavar="OUT", help="draw the curve there")
    return parser.parse_args()


def main() -> None:
    """Measure and print."""
    options = arguments()
    try:
        points = list(climb(options.clip, options.most, options.frames, settings_of(options)))
    except (ClientError, ServerError, OSError) as error:
        sys.exit(f"capacity.py: {error}")
    heading = f"{options.clip.name}, {options.frames:g} frames/s offered, bound {BOUND_MS:.0f} ms at p95"
    parts = [heading, load_table(points), told(points)]
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(*parts, "; ".join(machine().values()), sep="\n")
    if options.write:
        options.write.write_figures(parts, data=options.clip.name)
    if options.png:
        draw(points, options.png)
    if options.json:
        write_json(options.json, {"points": [asdict(point) for point in points]})


if __name__ == "__main__":
    main()
