"""What is to be seen at a moment, from the events until then."""

import pytest

from stream.overlay.state import OverlayState
from stream.overlay.view import ShownFace, ShownUtterance, View
from wire import events
from wire.events import NOT_SURE, Latency

LATENCY = Latency(endpoint_ms=0, transcript_ms=0, features_ms=0, fusion_ms=0, total_ms=0)


def started(utterance: int) -> events.SpeechStarted:
    return events.SpeechStarted(utterance=utterance, speaker="Ana", start_ms=utterance * 1000)


def partial(utterance: int, text: str) -> events.TranscriptPartial:
    return events.TranscriptPartial(utterance=utterance, speaker="Ana", start_ms=utterance * 1000, text=text)


def emotion(utterance: int, label: str = "joy", revision: int = 0, *, final: bool = True) -> events.Emotion:
    return events.Emotion(
        utterance=utterance,
        revision=revision,
        final=final,
        speaker="Ana",
        start_ms=utterance * 1000,
        end_ms=utterance * 1000 + 500,
        text=f"words of {utterance}",
        label=label,
        probabilities={"neutral": 0.2, label: 0.8},
        modalities=["text"],
        latency=LATENCY,
    )


def faces(*boxes: tuple[float, float, float, float], interval_ms: int = 200, known: bool = True) -> events.Faces:
    expression = {"neutral": 0.1, "joy": 0.9} if known else {}
    told = [events.FaceBox(id=number, box=box, expression=expression) for number, box in enumerate(boxes)]
    return events.Faces(time_ms=0, width=640, height=360, interval_ms=interval_ms, faces=told)


@pytest.fixture
def state() -> OverlayState:
    return OverlayState(fade_s=8)


def test_what_is_uncertain_is_shown_as_not_sure(state: OverlayState) -> None:
    state.apply(emotion(1).model_copy(update={"uncertain": True}), 0)
    view = state.view(0)
    assert view.rows == (ShownUtterance("Ana", "words of 1", NOT_SURE),)
    assert view.bars == (("neutral", 0.2), ("joy", 0.8))


def test_what_is_told_while_one_speaks_is_provisional_and_leaves_newer_words(state: OverlayState) -> None:
    so_far = emotion(1, final=False).model_copy(update={"speaking": True})
    state.apply(so_far, 0)
    assert state.view(0).rows == (ShownUtterance("Ana", "words of 1", "joy", provisional=True),)
    state.apply(partial(1, "words of 1 and more"), 100)
    state.apply(so_far.model_copy(update={"revision": 1, "label": "fear"}), 200)
    assert state.view(200).rows == (ShownUtterance("Ana", "words of 1 and more", "fear", provisional=True),)
    state.apply(emotion(1, "anger", 2), 300)
    assert state.view(300).rows == (ShownUtterance("Ana", "words of 1", "anger"),)


def test_nothing_is_known_at_first(state: OverlayState) -> None:
    assert state.view(0) == View()


def test_utterance_goes_from_speech_to_words_to_a_provisional_and_a_final_emotion(state: OverlayState) -> None:
    state.apply(started(1), 1000)
    assert state.view(1000).rows == (ShownUtterance("Ana", ""),)
    state.apply(partial(1, "words"), 1500)
    assert state.view(1500).rows == (ShownUtterance("Ana", "words"),)
    state.apply(emotion(1, final=False), 1800)
    assert state.view(1800).rows == (ShownUtterance("Ana", "words of 1", "joy", provisional=True),)
    state.apply(emotion(1, "fear", 1), 2000)
    view = state.view(2000)
    assert view.rows == (ShownUtterance("Ana", "words of 1", "fear"),)
    assert view.bars == (("neutral", 0.2), ("fear", 0.8))


def test_resumed_speech_takes_the_emotion_back(state: OverlayState) -> None:
    state.apply(emotion(1, final=False), 0)
    state.apply(events.UtteranceResumed(utterance=1), 10)
    assert state.view(10).rows == (ShownUtterance("Ana", "words of 1"),)


def test_what_was_no_speech_goes(state: OverlayState) -> None:
    state.apply(started(1), 0)
    state.apply(events.UtteranceDiscarded(utterance=1, reason="no words"), 10)
    assert state.view(10) == View()


def test_older_revision_changes_nothing(state: OverlayState) -> None:
    state.apply(emotion(1, "joy", revision=2), 0)
    state.apply(emotion(1, "fear", revision=1), 10)
    assert state.view(10).rows[0].label == "joy"


def test_final_utterance_fades(state: OverlayState) -> None:
    state.apply(emotion(1), 1000)
    assert state.view(8999).rows
    assert not state.view(9000).rows


def test_without_fading_it_stays_until_others_come() -> None:
    state = OverlayState(fade_s=0)
    state.apply(emotion(1), 0)
    assert state.view(1e9).rows
    state.apply(emotion(2), 1e9)
    state.apply(emotion(3), 1e9)
    assert [row.text for row in state.view(1e9).rows] == ["words of 2", "words of 3"]


def test_later_revision_of_what_has_faded_does_not_bring_it_back(state: OverlayState) -> None:
    state.apply(emotion(1), 0)
    state.apply(emotion(1, "fear", revision=1), 9000)
    assert not state.view(9000).rows


def test_utterance_of_which_nothing_more_is_heard_goes(state: OverlayState) -> None:
    state.apply(partial(1, "interrupted"), 0)
    assert state.view(19_000).rows
    assert not state.view(20_000).rows


def test_late_emotion_belongs_to_its_own_utterance(state: OverlayState) -> None:
    state.apply(partial(1, "first"), 1000)
    state.apply(started(2), 2000)
    state.apply(partial(2, "second"), 2500)
    state.apply(emotion(1), 2600)
    assert state.view(2600).rows == (ShownUtterance("Ana", "words of 1", "joy"), ShownUtterance("Ana", "second"))


def test_only_the_newest_is_shown_before_it_has_words(state: OverlayState) -> None:
    state.apply(started(1), 0)
    state.apply(started(2), 10)
    assert len(state.view(10).rows) == 1


def test_old_utterances_are_forgotten(state: OverlayState) -> None:
    for utterance in range(100):
        state.apply(emotion(utterance), 0)
    assert len(state._lines) == 8


def test_face_has_its_likeliest_expression(state: OverlayState) -> None:
    state.apply(faces((0, 0, 10, 10)), 0)
    assert state.view(0).faces == (ShownFace((0, 0, 10, 10), "joy"),)
    state.apply(faces((0, 0, 10, 10), known=False), 200)
    assert state.view(200).faces == (ShownFace((0, 0, 10, 10), None),)


def test_box_glides_to_its_new_place(state: OverlayState) -> None:
    state.apply(faces((0, 0, 10, 10)), 0)
    state.apply(faces((30, 0, 40, 10)), 200)
    lefts = [state.view(now).faces[0].box[0] for now in (200, 250, 300, 350, 400)]
    assert lefts == [0, 10, 20, 30, 30]


def test_faces_that_are_gone_are_not_drawn(state: OverlayState) -> None:
    state.apply(faces((0, 0, 10, 10)), 0)
    state.apply(faces(), 200)
    assert state.view(200).faces == ()


@pytest.mark.parametrize(("interval_ms", "longest_ms"), [(200, 1500), (2000, 4000)])
def test_faces_of_an_old_frame_are_not_drawn(state: OverlayState, interval_ms: int, longest_ms: int) -> None:
    state.apply(faces((0, 0, 10, 10), interval_ms=interval_ms), 0)
    assert state.view(longest_ms).faces
    assert not state.view(longest_ms + 1).faces


def test_what_says_nothing_to_be_drawn_is_passed_over(state: OverlayState) -> None:
    state.apply(events.Warning(code="faces.failed", message="no"), 0)
    assert state.view(0) == View()


def test_who_turns_out_to_have_spoken_is_named(state: OverlayState) -> None:
    state.apply(emotion(1), 0)
    state.apply(emotion(1, revision=1).model_copy(update={"speaker": "Ana · B"}), 10)
    assert [row.speaker for row in state.view(20).rows] == ["Ana · B"]


def said_by(face: int | None, utterance: int, label: str = "joy") -> events.Emotion:
    return emotion(utterance, label).model_copy(update={"face": face})


LEFT, RIGHT = (10, 10, 90, 90), (210, 10, 290, 90)


def texts(rows: tuple[ShownUtterance, ...]) -> list[str]:
    return [row.text for row in rows]


def test_of_several_faces_each_has_its_own_words_and_the_one_that_spoke_last_is_marked(state: OverlayState) -> None:
    state.apply(faces(LEFT, RIGHT), 0)
    state.apply(said_by(0, 1), 0)
    state.apply(said_by(1, 2, "fear"), 100)
    view = state.view(100)
    assert [face.speaking for face in view.faces] == [False, True]
    assert [(words.face.box, texts(words.rows)) for words in view.by_face] == [
        (LEFT, ["words of 1"]),
        (RIGHT, ["words of 2"]),
    ]
    assert view.by_face[1].bars == (("neutral", 0.2), ("fear", 0.8))
    assert view.rows == ()


def test_of_what_goes_on_it_is_not_known_who_says_it(state: OverlayState) -> None:
    state.apply(faces(LEFT, RIGHT), 0)
    state.apply(said_by(0, 1), 0)
    state.apply(started(2), 100)
    view = state.view(100)
    assert [texts(words.rows) for words in view.by_face] == [["words of 1"]]
    assert texts(view.rows) == [""]


@pytest.mark.parametrize("face", [None, 7])
def test_a_face_that_is_not_told_or_has_gone_is_not_marked(state: OverlayState, face: int | None) -> None:
    state.apply(faces(LEFT, RIGHT), 0)
    state.apply(emotion(1), 0)
    state.apply(said_by(face, 2), 100)
    view = state.view(100)
    assert not any(shown.speaking for shown in view.faces)
    assert (view.by_face, texts(view.rows)) == ((), ["words of 1", "words of 2"])


def test_a_face_alone_leaves_the_words_where_they_are(state: OverlayState) -> None:
    state.apply(faces(LEFT), 0)
    state.apply(said_by(0, 1), 0)
    view = state.view(0)
    assert view.faces[0].speaking
    assert (view.by_face, texts(view.rows)) == ((), ["words of 1"])
