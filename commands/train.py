"""``m2fnet train``: the stages, one by one or all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from commands.common import (
    STARTER_RUNS,
    Config,
    Data,
    Runs,
    Seed,
    Set,
    Verbose,
    err,
    group,
    read_settings,
    told,
    transcriber,
)
from commands.data import train_data
from commands.evaluate import show_report
from commands.outputs import Root

if TYPE_CHECKING:
    from trainer.config import TrainConfig
    from trainer.dialogs.features import Modality
    from trainer.fit.metrics import Metrics


class BranchName(StrEnum):
    """A branch of the starter bundle (Typer takes no list of literals)."""

    TEXT = "text"
    VISUAL = "visual"
    AUDIO = "audio"


_MODALITIES: "Final[dict[BranchName, Modality]]" = {
    BranchName.TEXT: "text",
    BranchName.VISUAL: "face",
    BranchName.AUDIO: "audio",
}
StageName = Literal["text", "audio", "visual", "scene", "features", "fusion"]

train = group("Train on conversations, all stages or one; or the starter bundle.")
train.command("data")(train_data)


@train.command("starter")
def train_starter(
    data: Data,
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder the bundle is written to.")] = STARTER_RUNS
    / "bundle",
    runs: Runs = STARTER_RUNS,
    stage: Annotated[
        Literal["text", "visual", "audio", "fusion"] | None,
        typer.Option(help="Train this stage alone, and what it needs, and write no bundle."),
    ] = None,
    keep: Annotated[
        list[BranchName] | None,
        typer.Option(help="Take this branch from the bundle --keep-from as it is; may be given several times."),
    ] = None,
    keep_from: Annotated[
        str | None, typer.Option(help="The bundle that branches are kept of: a folder, or the starter if unset.")
    ] = None,
    seed: Seed = 0,
    config: Config = None,
    set_: Set = None,
    verbose: Verbose = False,
) -> None:
    """Train the four stages, write the bundle, and print what it reaches on the dev splits.

    What was interrupted goes on from its last checkpoint in --runs. The words of the speech corpora are those the
    speech recogniser of the settings hears.

    Examples:
        m2fnet train starter --data DATA

        m2fnet train starter --data DATA --out my-bundle --runs runs/second --seed 1

        m2fnet train starter --data DATA --stage text

        m2fnet train starter --data DATA --keep text --keep audio
    """
    with told(verbose=verbose):
        settings = read_settings(config, set_ or [])
        from models.bundle import load_bundle  # noqa: PLC0415 - see the module's docstring
        from models.bundle_config import find_bundle  # noqa: PLC0415 - see the module's docstring
        from trainer.config import starter_config  # noqa: PLC0415 - see the module's docstring
        from trainer.pipeline import train_starter as train_all  # noqa: PLC0415 - see the module's docstring
        from trainer.training import ConversationTraining, kept_branches  # noqa: PLC0415 - see the module's docstring

        chosen = starter_config(data).with_seed(seed)
        names = [_MODALITIES[one] for one in keep or ()]
        kept = kept_branches(load_bundle(find_bundle(keep_from)), names, chosen) if keep else {}
        if stage is not None:
            training = ConversationTraining(chosen, runs, kept)
            getattr(training, stage)
            show_metrics({stage: training.metrics[stage]})
            return
        show_report(train_all(chosen, runs, out, transcriber(settings), kept))
        err.print(f"wrote {out}", highlight=False)


def show_metrics(metrics: "Mapping[str, Metrics]") -> None:
    """Print what stages reach on dev."""
    for stage, reached in metrics.items():
        for metric, value in reached.items():
            typer.echo(f"{stage}  {metric}  {value:.4f}")


def run_stage(name: StageName, options: "StageOptions") -> None:
    """Train one stage on conversations, and what it needs of others, and print what they reach."""
    with told(verbose=options.verbose):
        from trainer.fit.devices import processes  # noqa: PLC0415 - see the module's docstring
        from trainer.training import ConversationTraining  # noqa: PLC0415 - see the module's docstring

        config = options.config()
        training = ConversationTraining(config, options.folder(config))
        if name == "features":
            for extraction in (training.train_features, training.dev_features):
                typer.echo(extraction.summary())
        else:
            getattr(training, name)
        if processes().is_main_process:
            show_metrics(training.metrics)


@dataclass(frozen=True)
class StageOptions:
    """What the commands that train on conversations are given."""

    file: Path | None
    words: Sequence[str]
    root: Path | None
    runs: Path | None
    seed: int | None
    verbose: bool

    def config(self) -> "TrainConfig":
        """Return the configuration.

        Raises:
            ConfigError: the file can't be read, or a key or value isn't allowed.
        """
        from trainer.config import load_train_config  # noqa: PLC0415 - see the module's docstring

        root = [] if self.root is None else [f"dataset.root={self.root}"]
        config = load_train_config(self.file, [*self.words, *root])
        return config if self.seed is None else config.with_seed(self.seed)

    def folder(self, config: "TrainConfig") -> Path:
        """Return where checkpoints, logs and caches go."""
        return self.runs or Path("runs") / config.output.name


StageRuns = Annotated[
    Path | None,
    typer.Option("--runs", file_okay=False, help="Folder of checkpoints, logs and caches; runs/NAME if unset."),
]
StageSeed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random, for all stages.")]


_PURPOSES: Final[dict[StageName, str]] = {
    "text": "Train the text encoder on the conversations' transcripts.",
    "audio": "Train the audio extractor on the conversations' sound, or on the corpora that speech.datasets names.",
    "visual": "Train the visual extractor on faces: expressions, as FER2013's, or identities (faces.datasets).",
    "scene": "Train the scene extractor on whole images of the conversations.",
    "features": "Turn every utterance into features by the trained extractors; what is on disk is not made again.",
    "fusion": "Train the fusion on the features; what it needs is trained first where it is not yet.",
}


def _add_stage(name: StageName, purpose: str) -> None:
    """Add the command of one stage: all take the same."""
    example = f"m2fnet train {name} --config configs/meld.yaml --root MELD.Raw"

    @train.command(name, help=f"{purpose}\n\nExample:\n    {example}")
    def run(
        config: Config = None,
        set_: Set = None,
        root: Root = None,
        runs: StageRuns = None,
        seed: StageSeed = None,
        verbose: Verbose = False,
    ) -> None:
        """Train the stage."""
        run_stage(name, StageOptions(config, set_ or [], root, runs, seed, verbose))


for _name, _purpose in _PURPOSES.items():
    _add_stage(_name, _purpose)


@train.command("all")
def train_all(
    config: Config = None,
    set_: Set = None,
    root: Root = None,
    runs: StageRuns = None,
    out: Annotated[
        Path | None, typer.Option(file_okay=False, help="Folder the bundle is written to; RUNS/bundle if unset.")
    ] = None,
    seed: StageSeed = None,
    verbose: Verbose = False,
) -> None:
    """Train everything there are data for, and write a bundle that `m2fnet serve` loads.

    Started by `torchrun --nproc-per-node 4 cli.py train all …` it trains in as many processes.

    Examples:
        m2fnet train all --config configs/meld.yaml --root MELD.Raw --out my-bundle

        m2fnet train all --config configs/iemocap-live.yaml --root IEMOCAP --set fusion.regime=causal --seed 1
    """
    options = StageOptions(config, set_ or [], root, runs, seed, verbose)
    with told(verbose=verbose):
        from trainer.fit.devices import processes  # noqa: PLC0415 - see the module's docstring
        from trainer.pipeline import train_bundle  # noqa: PLC0415 - see the module's docstring

        chosen = options.config()
        folder = out or options.folder(chosen) / "bundle"
        training = train_bundle(chosen, options.folder(chosen), folder)
        if processes().is_main_process:
            show_metrics(training.metrics)
            for name, why in training.data.absent.items():
                err.print(f"without {name}: {why}", highlight=False, markup=False)
            err.print(f"wrote {folder}", highlight=False, markup=False)
