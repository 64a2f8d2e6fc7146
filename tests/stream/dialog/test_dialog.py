from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.text_input import Turn
from stream.dialog.dialog import Dialog, DialogUtterance, Reach, Reading


def said(identity: int, start_ms: float, words: str = "", speaker: str = "A") -> DialogUtterance:
    return DialogUtterance(identity, speaker, start_ms, start_ms + 500, words)


def test_utterances_stand_in_the_order_of_their_start() -> None:
    dialog = Dialog(4).with_utterance(said(1, 2000)).with_utterance(said(0, 1000, speaker="B"))
    assert [item.id for item in dialog.utterances] == [0, 1]


def test_trying_an_utterance_leaves_the_dialog_as_it_was() -> None:
    dialog = Dialog(4).with_utterance(said(0, 0))
    dialog.with_utterance(said(1, 1000))
    assert len(dialog.utterances) == 1


def test_the_same_utterance_is_replaced_and_one_of_another_session_is_not() -> None:
    dialog = Dialog(4).with_utterance(said(0, 0, "one")).with_utterance(said(0, 0, "two"))
    assert [item.words for item in dialog.utterances] == ["two"]
    assert len(dialog.with_utterance(replace(said(0, 0), session="b")).utterances) == 2


def test_what_is_absent_is_none_in_the_window() -> None:
    voice = np.ones(3, np.float32)
    window = Dialog(4).with_utterance(DialogUtterance(0, "A", 0, 1, "hi", audio=voice)).window()
    assert window.audio == [voice]
    assert window.text == window.face == window.scene == [None]


def test_words_are_read_anew_when_somebody_is_added_beside_them_and_not_when_one_leaves_the_window() -> None:
    dialog, reach, text = Dialog(3), Reach(past=1, future=0), np.ones(3, np.float32)
    for identity, start in ((0, 0), (1, 2000)):
        dialog = dialog.keeping(said(identity, start, "so"), reach)
    for item in dialog.utterances:
        assert item.reading is not None
        dialog = dialog.reading(item.key, item.reading, text)
    assert [item.unread for item in dialog.utterances] == [False, False]
    dialog = dialog.keeping(said(2, 1000, "no"), reach)
    assert [item.unread for item in dialog.utterances] == [False, True, True]
    assert dialog.utterances[2].reading == Reading((Turn("A", "no"), Turn("A", "so")), 1)
    dialog = dialog.keeping(said(3, 3000, "what"), reach)
    assert [(item.id, item.unread) for item in dialog.utterances] == [(2, True), (1, True), (3, True)]


def test_words_that_were_read_in_a_context_of_the_past_are_not_taken() -> None:
    dialog, reach = Dialog(3).keeping(said(1, 2000, "so"), Reach(1, 0)), Reach(past=1, future=0)
    before = dialog.utterances[0].reading
    assert before is not None
    dialog = dialog.keeping(said(0, 1000, "no"), reach)
    assert dialog.reading(("", 1), before, np.ones(3, np.float32)).utterances[1].text is None


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1e5)), max_size=40), st.integers(1, 8))
def test_the_window_rolls_and_stays_in_order(utterances: list[tuple[int, float]], size: int) -> None:
    dialog = Dialog(size)
    for identity, start in utterances:
        dialog = dialog.with_utterance(said(identity, start))
    starts = [item.start_ms for item in dialog.utterances]
    assert len(starts) <= size
    assert starts == sorted(starts)
    assert len({item.id for item in dialog.utterances}) == len(starts)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 9), st.floats(0, 1e5)), max_size=30), st.integers(1, 6))
def test_what_is_kept_are_the_newest_and_what_is_tried_is_always_there(
    utterances: list[tuple[str, int, float]], size: int
) -> None:
    dialog = Dialog(size)
    for session, identity, start in utterances:
        utterance = replace(said(identity, 0), session=session, room_start_ms=start)
        tried = dialog.with_utterance(utterance)
        assert tried.utterances[tried.index(utterance)].key == utterance.key
        assert len(tried.utterances) <= size
        dialog = dialog.keeping(utterance)
        places = [item.place_ms for item in dialog.utterances]
        assert places == sorted(places)
        assert len({item.key for item in dialog.utterances}) == len(places) <= size
