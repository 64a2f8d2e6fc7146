"""What a comparison calls the same, and what it does not."""

from collections.abc import Callable

import pytest

from stream.recording.compare import differences, is_computed
from wire import events
from wire.events import Event

LATENCY = events.Latency(endpoint_ms=1, transcript_ms=2, features_ms=3, fusion_ms=4, total_ms=5)
EMOTION = events.Emotion(
    session="a",
    seq=3,
    utterance=0,
    revision=0,
    final=True,
    speaker="Ann",
    start_ms=0,
    end_ms=900,
    text="so it is",
    label="joy",
    probabilities={"neutral": 0.25, "joy": 0.75},
    modalities=["audio"],
    latency=LATENCY,
)
FACES = events.Faces(
    session="a",
    time_ms=40,
    width=64,
    height=48,
    interval_ms=200,
    faces=[events.FaceBox(id=1, box=(1, 2, 3, 4), expression={"joy": 1.0})],
)
STARTED = events.SpeechStarted(session="a", utterance=0, speaker="Ann", start_ms=0)
ENGINE = events.Warning(session="a", code="engine.ready", message="it is")
TOLD: list[Event] = [STARTED, FACES, EMOTION, ENGINE]


def face(**changed: object) -> events.Faces:
    return FACES.model_copy(update={"faces": [FACES.faces[0].model_copy(update=changed)]})


def test_figures_of_the_machine_may_differ() -> None:
    again = [
        STARTED.model_copy(update={"seq": 9}),
        FACES.model_copy(update={"interval_ms": 900}),
        EMOTION.model_copy(update={"latency": LATENCY.model_copy(update={"total_ms": 77}), "seq": 1}),
    ]
    assert differences(TOLD, again, whole=True) == [], "what a machine says of its engine is not computed from media"


def test_probabilities_may_differ_by_a_ten_thousandth() -> None:
    close = EMOTION.model_copy(update={"probabilities": {"neutral": 0.25009, "joy": 0.74991}})
    assert differences([EMOTION], [close], whole=True) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda: [STARTED, FACES], "emotion, of utterance 0, revision 0 is missing"),
        (lambda: [STARTED, EMOTION, FACES], "the order is another: emotion, of utterance 0, revision 0 comes"),
        (lambda: [*TOLD, FACES], "faces, at 40 ms, the 2. was not recorded"),
        (lambda: [STARTED, FACES, EMOTION.model_copy(update={"label": "anger"})], "label is 'anger', recorded 'joy'"),
        (lambda: [STARTED, FACES, EMOTION.model_copy(update={"text": "no"})], "text is 'no', recorded 'so it is'"),
        (
            lambda: [STARTED, FACES, EMOTION.model_copy(update={"probabilities": {"neutral": 0.2502, "joy": 0.7498}})],
            "the probability of joy is 0.749800, recorded 0.750000",
        ),
        (
            lambda: [STARTED, FACES, EMOTION.model_copy(update={"probabilities": {"joy": 1.0}})],
            "the emotions are joy, recorded neutral, joy",
        ),
        (lambda: [STARTED, face(id=2), EMOTION], "the faces are [2], recorded [1]"),
        (lambda: [STARTED, face(box=(1, 2, 3, 5)), EMOTION], "face 1 is 1.00 pixels elsewhere"),
        (lambda: [STARTED, face(expression={"joy": 0.9}), EMOTION], "the probability of joy is 0.900000"),
        (lambda: [STARTED.model_copy(update={"session": "b"}), FACES, EMOTION], "session b: speech.started"),
    ],
)
def test_anything_else_is_a_difference(change: Callable[[], list[Event]], told: str) -> None:
    assert any(told in line for line in differences(TOLD, change(), whole=True))


def test_of_a_recording_that_was_cut_off_the_last_events_may_be_missing() -> None:
    assert differences([STARTED], TOLD, whole=False) == []
    assert differences(TOLD, [STARTED], whole=False) != []


def test_only_what_sessions_compute_is_compared() -> None:
    told = [
        *TOLD,
        events.Warning(code="transcript.failed", message=""),
        events.SpeechStarted(utterance=0, speaker="", start_ms=0),
    ]
    assert [is_computed(event) for event in told] == [True, True, True, False, True, True]
    assert not is_computed(events.SessionClosed(reason="client", totals=events.Totals()))
