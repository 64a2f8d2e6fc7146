"""What other precisions and engines change of a bundle's answers and of its dev scores, network by network.

    python benchmarks/precision.py --data DATA [--bundle BUNDLE] [--case ENGINE:PRECISION]... [--clips N]

Against torch in float32, on MELD dev's utterances, clips of held-out speakers and FER2013 dev faces, one at a time, and
on MELD dev's dialogs with a voice and a face drawn for each utterance by its label. The fusion is given the same
embeddings everywhere; in the row ``all`` it is given those of the engine itself. int8 networks must have been made
with ``m2fnet export`` before. Scores are weighted F1 in per cent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import numpy as np
from engines import started
from rich.console import Console
from rich.progress import track
from written import script_parser

from models.bundle import Bundle, load_bundle
from models.bundle_config import NetworkName, find_bundle
from models.networks.calibration import probabilities
from models.runtime.engine import Engine
from trainer.config import starter_config
from trainer.corpora import Corpora
from trainer.evaluation.text_tables import terminal_table
from trainer.fit.metrics import Ints, weighted_f1
from trainer.fit.outputs import Floats
from trainer.starter.requests import (
    LabelledEmbeddings,
    Requests,
    dialog_requests,
    face_requests,
    some,
    text_requests,
    voice_requests,
)

REFERENCE: Final = "torch:float32"
CASES: Final = ("torch:bfloat16", "openvino:float32", "openvino:bfloat16", "openvino:int8", "onnxruntime:float32")
SEED: Final = 0


@dataclass(frozen=True, eq=False)
class Answers:
    """An engine's logits ``(rows, classes)`` by network, and the embeddings ``(rows, dim)`` of its branches."""

    logits: dict[str, Floats]
    embeddings: dict[NetworkName, Floats]


class Questions:
    """The dev requests of a bundle.

    Args:
        clips: of speech and of faces, at most.
    """

    def __init__(self, bundle: Bundle, data: Corpora, clips: int) -> None:
        self._bundle, self._data = bundle, data
        heard = np.array(some(range(len(data.sounds_dev.labels)), clips, SEED), np.int64)
        seen = np.array(some(range(len(data.faces_dev.labels)), clips, SEED), np.int64)
        self.branches: dict[NetworkName, Requests] = {
            "text": text_requests(bundle, data.dev.dialogs),
            "audio": voice_requests(bundle, data.sounds_dev, heard),
            "face": face_requests(bundle, data.faces_dev, seen),
        }

    def dialogs(self, embeddings: Mapping[NetworkName, Floats]) -> Requests:
        """Return the fusion's requests, made of such embeddings; what is drawn is always the same."""
        heard, seen = (
            LabelledEmbeddings(embeddings[name], asked.labels, [name] * len(asked.labels))
            for name, asked in self.branches.items()
            if name != "text"
        )
        config = self._bundle.config.fusion
        return dialog_requests(self._data.dev.dialogs, embeddings["text"], heard, seen, config, SEED)

    def ask(self, engine: Engine, title: str, same: Mapping[NetworkName, Floats] | None) -> Answers:
        """Return an engine's answers.

        Args:
            engine: which.
            title: of the progress.
            same: the embeddings that the fusion is given; None: its own.
        """
        logits: dict[str, Floats] = {}
        embeddings: dict[NetworkName, Floats] = {}
        for name, asked in self.branches.items():
            outputs = [engine.run(name, inputs) for inputs in track(asked.inputs, f"{title}, {name}")]
            logits[name] = np.concatenate([output["logits"] for output in outputs])
            embeddings[name] = np.concatenate([output["embedding"] for output in outputs])
        logits["all"] = fused(engine, self.dialogs(embeddings))
        logits["fusion"] = logits["all"] if same is None else fused(engine, self.dialogs(same))
        return Answers(logits, embeddings)

    def labels(self, row: str) -> Ints:
        """Return the labels of a row of the table; the fusion's are those of the utterances."""
        return self.branches.get(cast("NetworkName", row), self.branches["text"]).labels


def fused(engine: Engine, dialogs: Requests) -> Floats:
    """Return the fusion's logits of every utterance."""
    return np.concatenate([engine.run("fusion", inputs)["logits"][0] for inputs in dialogs.inputs])


def rows(questions: Questions, expected: Answers, actual: Answers, case: str) -> list[tuple[str, ...]]:
    """Return the table's rows of one case."""
    found: list[tuple[str, ...]] = []
    for name, logits in actual.logits.items():
        before, now, labels = probabilities(expected.logits[name]), probabilities(logits), questions.labels(name)
        score, reference = (100 * weighted_f1(labels, each.argmax(axis=1)) for each in (now, before))
        agreement = 100 * float((now.argmax(axis=1) == before.argmax(axis=1)).mean())
        found.append(
            (
                name,
                case,
                str(len(labels)),
                f"{np.abs(now - before).max():.4f}",
                f"{np.abs(now - before).mean():.5f}",
                f"{agreement:.1f}%",
                f"{score:.2f}",
                f"{score - reference:+.2f}",
            )
        )
    return found


def main() -> None:
    """Print the table."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", help="a bundle's folder; none: the starter")
    parser.add_argument("--case", action="append", help=f"none: {', '.join(CASES)}")
    parser.add_argument("--clips", type=int, default=1000, help="of speech and of faces")
    parser.add_argument("--runs", type=Path, default=Path("runs/starter"), help="where decoded sound is kept")
    options = parser.parse_args()
    bundle = load_bundle(find_bundle(options.bundle))
    questions = Questions(bundle, Corpora(starter_config(options.data), options.runs / "cache"), options.clips)
    expected = questions.ask(started(REFERENCE, bundle, 0), REFERENCE, None)
    found = []
    for case in options.case or CASES:
        actual = questions.ask(started(case, bundle, 0), case, expected.embeddings)
        found += sorted(rows(questions, expected, actual, case), key=lambda each: each[0] == "all")
    headings = ("network", "engine", "inputs", "max diff", "mean diff", "same label", "score", "change")
    table = terminal_table(headings, found, left=["engine"])
    Console(width=120, highlight=False).print(table)
    if options.write:
        data = f"MELD dev, {options.clips} clips of held-out speakers, {options.clips} FER2013 dev faces"
        options.write.write_figures([table], data=data, seed=str(SEED))


if __name__ == "__main__":
    main()
