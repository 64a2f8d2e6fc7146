"""What the report tells, ready to be written down: pure, a result in, words and drawings out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stream.exports.report.drawing import Drawing, curves, speakers_of, timeline
from stream.exports.report.look import MODALITIES, percent, sign, time, tone, visible
from stream.exports.report.sign_paths import Paths
from stream.exports.results import AnalysisResult, UtteranceResult
from wire.events import NOT_SURE


@dataclass(frozen=True, slots=True)
class Felt:
    """An emotion with its probability, or its share of the time."""

    label: str
    sign: Paths | None
    tone: str
    share: str
    value: float


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """One speaker: how much was said, how sure the emotions are, and their share of the speaking time."""

    name: str
    utterances: int
    spoken: str
    confidence: str
    mostly: Felt
    shares: tuple[Felt, ...]
    drawing: Drawing


@dataclass(frozen=True, slots=True)
class RowView:
    """One utterance in the transcript; ``perhaps`` is its likeliest emotion where that is not sure, else empty."""

    id: int
    start: str
    end: str
    speaker: str
    text: str
    felt: Felt
    perhaps: str
    others: str
    rests_on: str


@dataclass(frozen=True, slots=True)
class DialogView:
    """One dialog or file."""

    name: str
    duration: str
    speakers: tuple[SpeakerView, ...]
    lines: tuple[Drawing, ...]
    rows: tuple[RowView, ...]
    warnings: tuple[str, ...]


def kinds(said: Iterable[UtteranceResult], labels: Sequence[str]) -> tuple[str, ...]:
    """Return what utterances are shown to feel: the emotions, and that it is not sure where one of them is not."""
    return (*labels, NOT_SURE) if any(utterance.uncertain for utterance in said) else tuple(labels)


def dialog_view(result: AnalysisResult, labels: Sequence[str]) -> DialogView:
    """Return a result as the report tells it; ``labels`` are the emotions in their order."""
    said = result.utterances
    return DialogView(
        name=visible(result.file),
        duration=time(result.duration_ms),
        speakers=tuple(_speaker(said, name, labels) for name in speakers_of(said)),
        lines=tuple(timeline(said)),
        rows=tuple(_row(utterance, labels) for utterance in said),
        warnings=tuple(dict.fromkeys(visible(warning.message) for warning in result.warnings)),
    )


def felt(shown: str, value: float) -> Felt:
    """Return an emotion, or what is not sure, with a probability or share."""
    return Felt(visible(shown), sign(shown), tone(shown), percent(value), value)


def _speaker(said: Sequence[UtteranceResult], name: str, labels: Sequence[str]) -> SpeakerView:
    own = [utterance for utterance in said if utterance.speaker == name]
    lengths = [max(utterance.end_ms - utterance.start_ms, 1) for utterance in own]
    spent = dict.fromkeys(kinds(said, labels), 0)
    for utterance, length in zip(own, lengths, strict=True):
        spent[utterance.shown] = spent.get(utterance.shown, 0) + length
    shares = tuple(felt(shown, length / sum(lengths)) for shown, length in spent.items())
    return SpeakerView(
        name=visible(name),
        utterances=len(own),
        spoken=time(sum(lengths)),
        confidence=percent(sum(utterance.confidence for utterance in own) / len(own)),
        mostly=max(shares, key=lambda share: share.value),
        shares=shares,
        drawing=curves(said, name, labels),
    )


def _row(said: UtteranceResult, labels: Sequence[str]) -> RowView:
    probabilities = (f"{visible(label)} {percent(said.probabilities.get(label, 0.0))}" for label in labels)
    return RowView(
        id=said.id,
        start=time(said.start_ms),
        end=time(said.end_ms),
        speaker=visible(said.speaker),
        text=visible(said.text),
        felt=felt(said.shown, said.confidence),
        perhaps=visible(said.label) if said.uncertain else "",
        others=", ".join(probabilities),
        rests_on=", ".join(MODALITIES[modality] for modality in said.modalities),
    )
