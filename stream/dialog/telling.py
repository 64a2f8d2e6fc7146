"""The event that tells what was found of an utterance."""

from stream.dialog.recognizer import Recognition
from wire import events
from wire.events import Latency


def emotion(
    found: Recognition, revision: int, *, final: bool, latency: Latency, speaking: bool = False
) -> events.Emotion:
    """Return it; see :class:`wire.events.Emotion`."""
    utterance = found.utterance
    return events.Emotion(
        session=utterance.session,
        utterance=utterance.id,
        revision=revision,
        final=final,
        speaking=speaking,
        speaker=utterance.speaker,
        start_ms=round(utterance.start_ms),
        end_ms=round(utterance.end_ms),
        room_start_ms=round(utterance.place_ms),
        text=utterance.words,
        label=found.label,
        uncertain=found.uncertain,
        probabilities=found.probabilities,
        modalities=found.modalities,
        face=utterance.speaking_face,
        baseline_utterances=utterance.baseline,
        latency=latency,
    )


def of_revision(found: Recognition) -> Latency:
    """Return where the time went of what nobody waited for."""
    return Latency(endpoint_ms=0, transcript_ms=0, features_ms=found.features_ms, fusion_ms=found.fusion_ms, total_ms=0)
