"""Events of a dialog as sessions publish them, for the tests of what is exported."""

from models.labels import LABELS
from wire import events

LATENCY = events.Latency(endpoint_ms=0, transcript_ms=0, features_ms=0, fusion_ms=0, total_ms=0)


def probabilities(label: str, share: float = 0.4) -> dict[str, float]:
    return {name: share if name == label else (1 - share) / (len(LABELS) - 1) for name in LABELS}


def emotion(
    utterance: int,
    start_ms: int,
    *,
    session: str = "",
    room: str = "",
    speaker: str = "Ann",
    text: str = "Hello there.",
    label: str = "joy",
    uncertain: bool = False,
    room_start_ms: int = 0,
    revision: int = 0,
    final: bool = True,
) -> events.Emotion:
    """Return the emotion of an utterance of a second."""
    return events.Emotion(
        room=room,
        session=session,
        utterance=utterance,
        revision=revision,
        final=final,
        speaker=speaker,
        start_ms=start_ms,
        end_ms=start_ms + 1000,
        room_start_ms=room_start_ms if room else start_ms,
        text=text,
        label=label,
        uncertain=uncertain,
        probabilities=probabilities(label),
        modalities=["text", "audio"],
        latency=LATENCY,
    )


def created(session: str, speaker: str, room: str = "") -> events.SessionCreated:
    return events.SessionCreated(
        room=room, session=session, labels=list(LABELS), speaker=speaker, engine="torch", bundle="starter"
    )


def closed(session: str, duration_ms: int, room: str = "") -> events.SessionClosed:
    return events.SessionClosed(
        room=room, session=session, reason="client", totals=events.Totals(duration_ms=duration_ms)
    )


def room_of_two() -> list[events.Event]:
    """Return what a room told in which Ben came 10 s after Ann, and spoke between two utterances of hers."""
    return [
        created("a", "Ann", "standup"),
        events.ClockOffset(room="standup", session="a", offset_ms=0),
        emotion(0, 1_000, session="a", room="standup", room_start_ms=1_000, text="Good morning."),
        created("b", "Ben", "standup"),
        events.ClockOffset(room="standup", session="b", offset_ms=10_000.4),
        emotion(1, 20_000, session="a", room="standup", room_start_ms=20_000, text="Are you there?", label="fear"),
        emotion(
            0, 5_000, session="b", room="standup", speaker="Ben", room_start_ms=15_000, text="Hi, Ann.", revision=3
        ),
    ]
