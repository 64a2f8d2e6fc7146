"""What each form of the adaptive-margin triplet loss does to real embeddings: FER2013's faces and acted speech.

    python benchmarks/triplet_losses.py --data FOLDER [--modalities visual audio] [--batches N] [--start-from PATH]

``FOLDER`` holds FER2013 and the speech corpora as the trainer reads them. The extractor is trained for a few batches
by equation 14 alone, no classification, with each form in turn: from the same weights, random or those of a bundle or
a checkpoint, on the same batches. It is judged on FER2013 dev and on held-out speakers, by its neighbours, by a linear
probe and by the distances of pairs. The row "none" has the covariance and variance losses alone: what the other rows
differ from it by is the triplet loss's doing.
"""

import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm
from written import script_parser

from models.bundle import load_bundle
from models.files.whole_file import write_whole
from models.networks.extractor import EmotionExtractor
from models.networks.losses import TRIPLET_FORMS, ExtractorLossWeights, TripletForm, embedding_loss, mine_triplets
from trainer.config import starter_config
from trainer.corpora import Corpora
from trainer.data.faces import FaceSet
from trainer.fit.checkpoint import load_checkpoint
from trainer.fit.devices import half_precision
from trainer.fit.metrics import accuracy, unweighted_accuracy
from trainer.stages.audio import AudioSettings, AudioStage, Sounds, sound_outputs
from trainer.stages.extractor import TripletMining
from trainer.stages.face import VisualSettings, VisualStage, face_outputs
from trainer.stages.probes import Embedded, knn_predictions, linear_predictions, pair_distances, subsample

NONE: Final = "none"
FORMS: Final = (NONE, *TRIPLET_FORMS)
REPELS_BELOW: Final = 0.520
ATTRACTS_ABOVE: Final = 0.307
"""Where the printed margin turns the gradients round: of positives nearer, and of negatives farther than this."""
_JUDGED_TRIPLETS: Final = 20_000
_JUDGED_EXAMPLES: Final = 100  # of whose triplets the losses are taken; they grow with the cube
_HEADER: Final = (
    "triplet loss", "k-NN", "k-NN, unweighted", "linear probe", "d_ap", "d_an", "d_ap < d_an",
    "corrected", "published", "facenet", "seconds",
)  # fmt: skip

Settings = TypeVar("Settings", VisualSettings, AudioSettings)


@dataclass(frozen=True)
class Options:
    """What is run."""

    batches: int
    batch: int
    seed: int
    size: int
    rate: float
    mining: TripletMining
    examples: int
    start_from: Path | None


@dataclass(frozen=True)
class EmbeddingScores:
    """An embedding on dev.

    Attributes:
        knn: accuracy of 20 neighbours among training examples, by cosine.
        knn_unweighted: the same, the recall averaged over labels.
        linear_probe: accuracy of a logistic regression on training examples.
        d_ap: mean Euclidean distance of unit vectors over all pairs of one label.
        d_an: over all pairs of two labels.
        order: chance that a pair of one label is nearer than a pair of two.
        repelled: share of the pairs of one label that the printed loss pushes apart.
        attracted: share of the pairs of two labels that it pulls together.
        losses: each form's mean over the same triplets, none mined.
    """

    knn: float
    knn_unweighted: float
    linear_probe: float
    d_ap: float
    d_an: float
    order: float
    repelled: float
    attracted: float
    losses: dict[str, float]


@dataclass(frozen=True)
class TrainingResult:
    """Where one training led, or the start."""

    modality: str
    form: str
    judged: EmbeddingScores
    seconds: float


class ExtractorData(ABC):
    """One extractor and its data."""

    name: str
    network: str
    """Its name in a bundle."""

    def __init__(self, data: Corpora, options: Options) -> None:
        self.data, self.options = data, options

    @abstractmethod
    def stage(self, form: str) -> VisualStage | AudioStage:
        """Return a stage of one form."""

    @abstractmethod
    def embed(self, model: nn.Module) -> tuple[Embedded, Embedded]:
        """Return the embeddings of some dev and of some training examples."""


class FaceData(ExtractorData):
    """FER2013."""

    name, network = "visual", "face"

    def stage(self, form: str) -> VisualStage:
        """Return a visual stage on small faces."""
        settings = replace(VisualSettings.paper(), small_epochs=1, small_size=self.options.size)
        return VisualStage(self.data.faces_train, self.data.faces_dev, of_form(settings, form, self.options))

    def embed(self, model: nn.Module) -> tuple[Embedded, Embedded]:
        """Return the embeddings of small faces."""
        return self._embed(model, self.data.faces_dev), self._embed(model, self.data.faces_train)

    def _embed(self, model: nn.Module, faces: FaceSet) -> Embedded:
        rows = subsample(len(faces.labels), self.options.examples, self.options.seed)
        some = FaceSet(faces.pixels[rows], faces.labels[rows], faces.classes)
        return Embedded(face_outputs(model, some, self.options.size).embeddings, some.labels)


class VoiceData(ExtractorData):
    """The speech corpora, dev being held-out speakers."""

    name = network = "audio"

    def stage(self, form: str) -> AudioStage:
        """Return an audio stage."""
        settings = of_form(AudioSettings.paper(), form, self.options)
        return AudioStage(self.data.sounds_train, self.data.sounds_dev, settings)

    def embed(self, model: nn.Module) -> tuple[Embedded, Embedded]:
        """Return the embeddings of whole clips."""
        return self._embed(model, self.data.sounds_dev), self._embed(model, self.data.sounds_train)

    def _embed(self, model: nn.Module, sounds: Sounds) -> Embedded:
        rows = subsample(len(sounds.labels), self.options.examples, self.options.seed)
        some = Sounds.of([sounds.samples[row] for row in rows], sounds.labels[rows])
        return Embedded(sound_outputs(model, some.samples).embeddings, some.labels)


MODALITIES: Final = {kind.name: kind for kind in (FaceData, VoiceData)}


def of_form(settings: Settings, form: str, options: Options) -> Settings:
    """Return the paper's settings of a stage with one form of the triplet loss."""
    changed = replace(settings, fit=replace(settings.fit, seed=options.seed), batch=options.batch, rate=options.rate)
    if form == NONE:
        return replace(changed, loss_weights=ExtractorLossWeights(triplet=0))
    return replace(changed, triplet_form=cast(TripletForm, form), mining=options.mining)


def start_weights(modality: ExtractorData, path: Path | None) -> dict[str, Tensor] | None:
    """Return the weights of a bundle's network or of a training checkpoint; None: the random ones of the seed.

    Raises:
        SystemExit: the bundle has another network there.
    """
    if path is None:
        return None
    if path.is_file():
        weights: dict[str, Tensor] = load_checkpoint(path)["model"]
        return weights
    networks = load_bundle(path).networks()
    network = next((networks[name] for name in networks if name == modality.network), None)
    if not isinstance(network, EmotionExtractor):
        message = f"{path} has no ResNet18 as its {modality.network} branch: give --start-from a checkpoint, or nothing"
        raise SystemExit(message)
    return network.state_dict()


def train(stage: VisualStage | AudioStage, options: Options) -> None:
    """Take so many steps of Adam, every form on the same batches."""
    torch.manual_seed(options.seed)
    optimizer = torch.optim.Adam(stage.parameter_groups())
    batches = stage.batches(0, np.random.default_rng(options.seed))
    for batch in tqdm(islice(batches, options.batches), total=options.batches, leave=False):
        stage.model.train()
        with half_precision():
            loss = stage.loss(batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()


def judge(modality: ExtractorData, model: nn.Module) -> EmbeddingScores:
    """Measure an embedding on dev."""
    dev, train_ = modality.embed(model)
    neighbours = knn_predictions(dev, train_)
    pairs = pair_distances(dev)
    return EmbeddingScores(
        accuracy(dev.labels, neighbours),
        unweighted_accuracy(dev.labels, neighbours),
        accuracy(dev.labels, linear_predictions(dev, train_)),
        pairs.positive,
        pairs.negative,
        pairs.order,
        *turned_round(dev),
        form_losses(dev),
    )


def turned_round(dev: Embedded) -> tuple[float, float]:
    """Return the shares of pairs of one label, and of two, on which the printed loss pulls the wrong way."""
    unit = nn.functional.normalize(torch.from_numpy(dev.embeddings), dim=1)
    distances, labels = torch.cdist(unit, unit), torch.from_numpy(dev.labels)
    same = labels[:, None] == labels[None, :]
    pairs = ~torch.eye(len(labels), dtype=torch.bool)
    repelled = (distances[same & pairs] < REPELS_BELOW).float().mean()
    return float(repelled), float((distances[~same] > ATTRACTS_ABOVE).float().mean())


def form_losses(dev: Embedded) -> dict[str, float]:
    """Return each form's mean loss over random triplets of dev."""
    rows = subsample(len(dev.labels), _JUDGED_EXAMPLES, seed=0)
    embeddings, labels = torch.from_numpy(dev.embeddings[rows]), torch.from_numpy(dev.labels[rows])
    triplets = torch.stack(mine_triplets(embeddings, labels, "all"))
    chosen = torch.from_numpy(subsample(triplets.shape[1], _JUDGED_TRIPLETS, seed=0))
    weights = ExtractorLossWeights(1, 0, 0)
    return {form: float(embedding_loss(embeddings, triplets[:, chosen], weights, form)) for form in TRIPLET_FORMS}


def run(modality: ExtractorData, options: Options) -> Iterator[TrainingResult]:
    """Yield the start, then every form as its training ends."""
    weights = start_weights(modality, options.start_from)
    for form in ("start", *FORMS):
        begun = time.perf_counter()
        stage = modality.stage(NONE if form == "start" else form)
        if weights is not None:
            stage.network.load_state_dict(weights)
        if form != "start":
            train(stage, options)
        yield TrainingResult(modality.name, form, judge(modality, stage.model), time.perf_counter() - begun)


def table(rows: Sequence[TrainingResult]) -> str:
    """Return one modality's rows in Markdown, and what they say of the printed loss."""
    lines = [f"| {' | '.join(_HEADER)} |", f"|{' --- |' * len(_HEADER)}"]
    for row in rows:
        found = row.judged
        shares = (found.knn, found.knn_unweighted, found.linear_probe)
        cells = [row.form, *(f"{100 * share:.1f}" for share in shares), f"{found.d_ap:.3f}", f"{found.d_an:.3f}"]
        cells += [f"{100 * found.order:.1f}%", *(f"{found.losses[form]:.3f}" for form in TRIPLET_FORMS)]
        lines.append(f"| {' | '.join([*cells, f'{row.seconds:.0f}'])} |")
    return "\n".join([*lines, "", verdict(rows)])


def verdict(rows: Sequence[TrainingResult]) -> str:
    """Return in words which way the printed loss pulled, and where it led beside the corrected one."""
    judged = {row.form: row.judged for row in rows}
    begun = judged["start"]
    said = (
        f"At the start the printed loss pushes {100 * begun.repelled:.0f}% of the pairs of one label apart (d_ap < "
        f"{REPELS_BELOW:.3f}) and pulls {100 * begun.attracted:.0f}% of the pairs of two labels together (d_an > "
        f"{ATTRACTS_ABOVE:.3f})."
    )
    ends = [
        f"{form}: order {100 * (judged[form].order - begun.order):+.1f} points, k-NN "
        f"{100 * (judged[form].knn - begun.knn):+.1f}, its own loss {_own(begun, form)} -> {_own(judged[form], form)}"
        for form in TRIPLET_FORMS
        if form in judged
    ]
    return "\n".join([said, *(f"- {end}" for end in ends)])


def _own(judged: EmbeddingScores, form: str) -> str:
    return f"{judged.losses[form]:.3f}"


def main() -> None:
    """Run each form on each modality; print the tables and write the figures."""
    parser = script_parser(__doc__, __file__)
    parser.add_argument("--data", type=Path, required=True, help="folder of fer2013 and the speech corpora")
    parser.add_argument("--modalities", nargs="+", choices=MODALITIES, default=list(MODALITIES))
    parser.add_argument("--batches", type=int, default=64, help="steps of each training")
    parser.add_argument("--batch", type=int, default=64, help="examples of a step")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--size", type=int, default=64, help="width of a face")
    parser.add_argument("--rate", type=float, default=1e-4, help="of Adam; the paper's by default")
    parser.add_argument("--mining", choices=("all", "semi-hard", "hard", "offline"), default="semi-hard")
    parser.add_argument("--examples", type=int, default=1000, help="training and dev examples that are judged")
    parser.add_argument("--start-from", type=Path, help="a bundle or a checkpoint; random weights without it")
    parser.add_argument("--cache", type=Path, default=Path("runs/starter/cache"), help="where decoded sound is kept")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    given = vars(parser.parse_args())
    data = Corpora(starter_config(given.pop("data")), given.pop("cache"))
    names, out, block = given.pop("modalities"), given.pop("json"), given.pop("write")
    options, rows, tables = Options(**given), list[TrainingResult](), list[str]()
    for name in names:
        found: list[TrainingResult] = []
        for row in run(MODALITIES[name](data, options), options):
            found.append(row)
            print(name, row.form, asdict(row.judged), file=sys.stderr)
        rows += found
        tables.append(table(found))
        print(f"\n{name}, {options}\n\n{tables[-1]}\n", flush=True)
    if block:
        block.write_figures(tables, data=f"dev, {', '.join(names)}", seed=str(options.seed))
    if out is not None:
        figures = {"options": asdict(options), "rows": [asdict(row) for row in rows]}
        write_whole(out, json.dumps(figures, indent=2, default=str))


if __name__ == "__main__":
    main()
