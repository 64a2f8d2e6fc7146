"""What M2FNet's attention adds: it, plain concatenation and recurrent networks on the same features of MELD's dialogs.

    python benchmarks/fusion_comparison.py --data FOLDER [--bundle B] [--clips-per-label N] [--epochs N] [--seeds N]

``FOLDER`` holds ``meld``, ``fer2013`` and the speech corpora. The text embeddings are those of MELD's own words.
MELD's sound and images are not at hand: each utterance gets a voice and a face of its label from other corpora,
or, at a rate between 0 and ``--mismatch`` drawn for each dialog, of another; the labels stay MELD's. The pairing is
drawn once, for training from training clips and faces, for dev from those of other speakers and people. So the
figures compare networks with each other, not with the paper.

Every training has a folder under ``--runs``, and one that is there is not repeated. The table and the figures
behind it are left there as ``results.md`` and ``results.json``. Epochs are chosen on dev, and temperatures fitted
on it, as MELD's test split is not used here. One core takes about a quarter of an hour for a seed with MiniLM's
embeddings and twice that with MPNet's; ``--only bc-LSTM`` and the like take a part.
"""

import argparse
import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
import torch
from pydantic import TypeAdapter
from torch import Tensor
from tqdm import tqdm
from written import script_parser

from baselines import BASELINES, majority_predictions
from models.bundle import Bundle, load_bundle
from models.bundle_config import find_bundle
from models.files.whole_file import write_whole
from models.labels import LABELS
from models.media.spectrogram import sound_input
from models.networks.calibration import fit_temperature
from trainer.data.conversation import Dialog
from trainer.data.faces import FaceSet
from trainer.data.fer2013 import load_fer2013
from trainer.data.meld import load_meld
from trainer.data.speech import load_speech
from trainer.dialogs.drawn import paired_example
from trainer.dialogs.feature_bank import FeatureBank
from trainer.dialogs.features import DialogFeatures, truth
from trainer.dialogs.logits import after_next_logits, full_logits, moment_logits
from trainer.dialogs.pairing import PairingSettings, pair_dialog
from trainer.evaluation.modalities import shown, subsets
from trainer.evaluation.render import percent
from trainer.evaluation.scores import Scores, score
from trainer.evaluation.text_tables import markdown_table
from trainer.fit.cache import cached
from trainer.fit.loop import FitSettings, fit
from trainer.fit.metrics import Ints
from trainer.fit.outputs import Floats
from trainer.stages.audio import Sounds
from trainer.stages.face import face_outputs
from trainer.stages.fusion import M2FNET, FusionSettings, FusionStage, NetworkKind, Regime
from trainer.stages.text import examples, text_outputs
from trainer.starter.requests import word_dialogs

Split = Literal["train", "dev"]
_SPLITS: Final[tuple[Split, ...]] = get_args(Split)
_VIEWS: Final = {"moment": moment_logits, "after next": after_next_logits, "full": full_logits}
_SETTINGS: Final = TypeAdapter(FusionSettings)
_ALL: Final = ((("text", "audio", "face"), 1.0),)


@dataclass(frozen=True)
class Contender:
    """One row: a network and what it may know of the other utterances."""

    name: str
    kind: NetworkKind
    regime: Regime


CONTENDERS: Final = (
    Contender("text, linear", BASELINES["text_linear"], "causal"),
    Contender("concatenation", BASELINES["concatenation"], "causal"),
    Contender("bc-LSTM, past only", BASELINES["bc_lstm"], "causal"),
    Contender("bc-LSTM", BASELINES["bc_lstm"], "full"),
    Contender("DialogueRNN, past only", BASELINES["dialogue_rnn"], "causal"),
    Contender("DialogueRNN", BASELINES["dialogue_rnn"], "full"),
    Contender("M2FNet, causal", M2FNET, "causal"),
    Contender("M2FNet, prefix", M2FNET, "prefix"),
    Contender("M2FNet, full", M2FNET, "full"),
)


@dataclass(frozen=True)
class DrawnSource:
    """Where features come from.

    Attributes:
        data: the corpora.
        bundle: its branches say what an embedding is.
        per_label: how many voices and faces of each label, in each split.
        count: how many of each split's dialogs; none: all.
        cache: a folder.
    """

    data: Path
    bundle: Bundle
    per_label: int
    count: int | None
    cache: Path

    @property
    def key(self) -> str:
        """Return a name for everything that the embeddings depend on."""
        made_of = f"{self.bundle.config.model_dump_json()} {self.per_label} {self.count}"  # has the weights' hashes
        return hashlib.sha256(made_of.encode()).hexdigest()[:12]

    def embeddings(self) -> dict[str, Tensor]:
        """Return what the branches say: for each split its texts, and voices and faces with labels and corpora."""
        return dict(cached(self.cache / f"embeddings-{self.key}.safetensors", self._embed))

    def _embed(self) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        for split in _SPLITS:
            parts = {"text": self._texts(split), **self._voices(split), **self._faces(split)}
            found |= {f"{split}.{name}": torch.from_numpy(np.ascontiguousarray(part)) for name, part in parts.items()}
        return found

    def dialogs(self, split: Split) -> tuple[Dialog, ...]:
        """Return MELD's dialogs."""
        return load_meld(self.data / "meld", split, media=False).dialogs[: self.count]

    def _texts(self, split: Split) -> Floats:
        bundle = self.bundle
        rows = examples(self.dialogs(split), bundle.config.text.context, bundle.tokenizer.separator)
        return text_outputs(bundle.text, bundle.tokenizer, rows).embeddings

    @torch.inference_mode()
    def _voices(self, split: Split) -> dict[str, Floats | Ints]:
        audio = self.bundle.audio
        if audio is None:
            raise SystemExit(f"{self.bundle.config.name} has no audio branch: name another with --bundle")  # noqa: EM102, TRY003
        clips = load_speech(self.data, split)
        chosen = [clips[row] for row in some(np.array([clip.label for clip in clips], np.int64), self.per_label)]
        sounds = Sounds.decode(chosen, self.cache)
        heard = partial(sound_input, self.bundle.config.audio.kind)
        bar = tqdm(sounds.samples, desc=f"{split} voices")
        said = [audio(torch.from_numpy(heard([one])))[0] for one in bar]
        corpora = np.unique(sounds.corpora, return_inverse=True)[1]
        return {"voices": torch.cat(said).numpy(), "voice_labels": sounds.labels, "voice_corpora": corpora}

    def _faces(self, split: Split) -> dict[str, Floats | Ints]:
        if self.bundle.face is None:
            raise SystemExit(f"{self.bundle.config.name} has no face branch: name another with --bundle")  # noqa: EM102, TRY003
        faces = load_fer2013(self.data / "fer2013", split)
        rows = some(faces.labels, self.per_label)
        chosen = FaceSet(faces.pixels[rows], faces.labels[rows])
        return {"faces": face_outputs(self.bundle.face, chosen).embeddings, "face_labels": chosen.labels}


def some(labels: Ints, per_label: int) -> Ints:
    """Return rows with at most so many of each label, drawn at random but always the same."""
    order = np.random.default_rng(0).permutation(len(labels))
    return np.sort(np.concatenate([order[labels[order] == label][:per_label] for label in np.unique(labels)]))


def paired(source: DrawnSource, embeddings: dict[str, Tensor], split: Split, mismatch: float) -> list[DialogFeatures]:
    """Return the dialogs of a split with their words, and a voice and a face for every utterance."""
    part = {name.removeprefix(f"{split}."): tensor.numpy() for name, tensor in embeddings.items() if split in name}
    corpora = [str(corpus) for corpus in part["voice_corpora"]]
    voices = FeatureBank.of(part["voices"][:, None], part["voice_labels"], corpora)
    faces = FeatureBank.of(part["faces"][:, None], part["face_labels"], ["fer2013"] * len(part["faces"]))
    settings = PairingSettings(max_mismatch=mismatch, expressive_share=0, drop_one=0, patterns=_ALL)
    generator = np.random.default_rng(_SPLITS.index(split))
    return [
        paired_example(said, pair_dialog(said.labels, settings, generator), voices, faces, generator)
        for said in word_dialogs(source.dialogs(split), part["text"])
    ]


class Comparison:
    """The trainings of all contenders on one set of features."""

    def __init__(self, train: Sequence[DialogFeatures], dev: Sequence[DialogFeatures], folder: Path) -> None:
        self.train, self.dev, self.folder = train, dev, folder

    def run(self, contender: Contender, settings: FusionSettings) -> dict[str, Scores]:
        """Return one training's scores by view and, at the regime's own view, by modalities."""
        settings = replace(settings, regime=contender.regime)
        key = hashlib.sha256(_SETTINGS.dump_json(settings)).hexdigest()[:8]
        folder = self.folder / f"{contender.name.replace(', ', '-').replace(' ', '-')}-{key}-seed{settings.fit.seed}"
        result = folder / "scores.json"
        if not result.exists():
            stage = FusionStage(self.train, self.dev, len(LABELS), settings, contender.kind)
            fit(stage, settings.fit, folder)
            scores = {name: one.model_dump() for name, one in self._scores(stage).items()}
            write_whole(result, json.dumps(scores))
        return {name: Scores.model_validate(one) for name, one in json.loads(result.read_text()).items()}

    def _scores(self, stage: FusionStage) -> dict[str, Scores]:
        own = moment_logits if stage.settings.regime == "prefix" else full_logits
        wanted = {name: (view, self.dev) for name, view in _VIEWS.items()}
        wanted["own view"] = (own, self.dev)
        for chosen in subsets(("text", "audio", "face")):
            wanted[shown(chosen)] = (own, [dialog.only(chosen) for dialog in self.dev])
        return {name: self._score(stage, view, dialogs) for name, (view, dialogs) in wanted.items()}

    def _score(self, stage: FusionStage, view: Callable[..., Floats], dialogs: Sequence[DialogFeatures]) -> Scores:
        logits = view(stage.model, dialogs, stage.config, stage.kind.collate)
        return score(truth(self.dev), logits, LABELS, fit_temperature(logits, truth(self.dev)))

    def majority(self) -> Scores:
        """Return what always naming the most frequent emotion gives."""
        predicted = majority_predictions(self.train, self.dev)
        return score(truth(self.dev), np.eye(len(LABELS), dtype=np.float32)[predicted], LABELS)


def spread(found: Sequence[Scores], figure: str) -> str:
    """Return the mean of one figure, and its sample deviation where there are several seeds, in per cent."""
    values = [getattr(one, figure) for one in found]
    return percent(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else None)


Results = dict[str, list[dict[str, Scores]]]


def network_table(results: Results, majority: Scores) -> str:
    """Return the table of all networks."""
    headings = ["network", "weighted F1", "macro F1", "accuracy", "ECE before", "ECE after", "wF1 at the moment",
                "wF1 after the next", "wF1 full context"]  # fmt: skip
    rows = [["majority", *(spread([majority], name) for name in ("weighted_f1", "macro_f1", "accuracy")), *[""] * 5]]
    for name, runs in results.items():
        own = [run["own view"] for run in runs]
        cells = [spread(own, name) for name in ("weighted_f1", "macro_f1", "accuracy", "ece_before", "ece")]
        rows.append([name, *cells, *(spread([run[view] for run in runs], "weighted_f1") for view in _VIEWS)])
    return markdown_table(headings, rows)


def modality_table(results: Results) -> str:
    """Return the grid of modalities, weighted F1 at each regime's own view."""
    chosen = {name: runs for name, runs in results.items() if name.startswith("M2FNet")}
    names = [shown(one) for one in subsets(("text", "audio", "face"))]
    rows = [[name, *(spread([run[name] for run in runs], "weighted_f1") for runs in chosen.values())] for name in names]
    return markdown_table(["modalities", *chosen], rows)


def report(results: Results, comparison: Comparison) -> str:
    """Return both tables in Markdown."""
    return f"{network_table(results, comparison.majority())}\n\n{modality_table(results)}\n"


def every_run(comparison: Comparison, settings: FusionSettings, seeds: int, only: str) -> Iterator[Results]:
    """Yield what there is after each training, the contenders in turn."""
    results: Results = {}
    for seed in range(seeds):
        for contender in CONTENDERS:
            if only.lower() in contender.name.lower():
                seeded = replace(settings, fit=replace(settings.fit, seed=seed))
                results.setdefault(contender.name, []).append(comparison.run(contender, seeded))
                yield results


def options() -> argparse.Namespace:
    """Return what the command line says."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", help="a bundle's folder; none: the starter")
    parser.add_argument("--runs", type=Path, default=Path("runs/fusion-comparison"))
    parser.add_argument("--clips-per-label", type=int, default=300, help="voices and faces embedded, of each split")
    parser.add_argument("--mismatch", type=float, default=PairingSettings().max_mismatch)
    parser.add_argument("--dialogs", type=int, help="take only so many of each split, to try it out")
    parser.add_argument("--only", default="", help="only networks with this in their name, such as M2FNet")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--dialog-dropout", type=float, default=0.15)
    parser.add_argument("--utterance-dropout", type=float, default=0.05)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    return parser.parse_args()


def main() -> None:
    """Train what is missing and print the tables."""
    given = options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(given.threads)
    source = DrawnSource(
        given.data, load_bundle(find_bundle(given.bundle)), given.clips_per_label, given.dialogs, given.runs / "cache"
    )
    embeddings = source.embeddings()
    train, dev = (paired(source, embeddings, split, given.mismatch) for split in _SPLITS)
    folder = given.runs / f"{source.key}-mismatch{given.mismatch:g}"
    settings = FusionSettings(
        fit=FitSettings(epochs=given.epochs, select="weighted_f1", ema_decay=0.99, bf16=True),
        dialog_dropout=given.dialog_dropout,
        utterance_dropout=given.utterance_dropout,
    )
    comparison = Comparison(train, dev, folder)
    for results in every_run(comparison, settings, given.seeds, given.only):
        write_whole(folder / "results.md", report(results, comparison))
        write_whole(folder / "results.json", json.dumps(dumped(results), indent=2))
    print(report(results, comparison))
    if given.write:
        given.write.write_figures([report(results, comparison)], data="MELD dev", seed=f"0 to {given.seeds - 1}")


def dumped(results: Results) -> dict[str, list[dict[str, Any]]]:
    """Return the results as JSON has them."""
    return {
        name: [{key: one.model_dump() for key, one in run.items()} for run in runs] for name, runs in results.items()
    }


if __name__ == "__main__":
    main()
