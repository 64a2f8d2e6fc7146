"""The model card of a bundle trained on conversations: what it was made from, and what it reached on dev."""

from collections.abc import Iterator, Mapping
from textwrap import dedent

import yaml

from models.bundle import Bundle
from trainer.config import TrainConfig
from trainer.dialogs.features import Modality
from trainer.fit.loop import Metrics


def training_card(
    config: TrainConfig, bundle: Bundle, metrics: Mapping[str, Metrics], absent: Mapping[Modality, str]
) -> str:
    """Return MODEL_CARD.md.

    Args:
        config: of the training.
        bundle: what was trained.
        metrics: the dev metrics of each stage's best epoch.
        absent: modalities that the bundle lacks though they were asked for, and why.
    """
    labels, temperatures = bundle.config.labels, bundle.config.temperatures
    lacking = "".join(f"- {name} is absent: {why}\n" for name, why in absent.items())
    return _CARD.format(
        name=config.output.name,
        corpus=config.dataset.kind,
        labels=", ".join(labels),
        modalities=", ".join(bundle.config.modalities),
        lacking=lacking,
        rows="\n".join(_rows(metrics)),
        temperature=f"{temperatures.fused:.2f}",
        config=yaml.safe_dump(_public(config), sort_keys=False).rstrip(),
    )


def _rows(metrics: Mapping[str, Metrics]) -> Iterator[str]:
    for stage, reached in metrics.items():
        for metric, value in reached.items():
            yield f"| {stage} | {metric} | {100 * value:.1f} |"


def _public(config: TrainConfig) -> dict[str, object]:
    """Return the configuration without the folders of the machine it was trained on."""
    values = config.model_dump(mode="json")
    for section in ("dataset", "speech", "faces"):
        values[section].pop("root")
    return values


_CARD = dedent(
    """\
    # {name}

    A bundle of M2FNet Live, trained by `m2fnet train all` on conversations ({corpus}). It names the emotion of an
    utterance ({labels}) from: {modalities}.

    {lacking}
    ## Figures

    On dev, on which checkpoints and temperatures were also chosen. No test split was looked at;
    `m2fnet evaluate` does that.

    | stage | metric | % |
    | --- | --- | --- |
    {rows}

    The fusion's logits are divided by {temperature} where all modalities are there.

    ## Terms

    The data's terms count for the weights too: MELD and IEMOCAP are for research. Emotions of people must not be
    inferred at the workplace or in education in the European Union (Article 5(1)(f) of the AI Act, Regulation (EU)
    2024/1689), except for medical or safety reasons; no decision about a person should rest on this.

    ## Configuration

    ```yaml
    {config}
    ```
    """
)
