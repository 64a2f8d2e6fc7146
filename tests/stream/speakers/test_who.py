"""Who is told to speak, from the sound on: the same whatever the chunks, and put right by later evidence."""

from concurrent.futures import Future

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from voices_of import DIM, unit

from models.runtime.schedule import Priority
from stream.media import SAMPLES_PER_MS, Samples
from stream.speakers.clustering import ClusteringRules
from stream.speakers.diarizer import Diarizer
from stream.speakers.names import SpeakerNames
from stream.speakers.tracker import Embedding, SpeakerTracker
from stream.speakers.who import SpeakersByVoice
from stream.speech.sound import Sound

RULES = ClusteringRules(alike=0.5, alike_narrow=0.5, evidence=2.0, most=6)
Turns = list[tuple[int, int]]  # who, for how many tenths of a second
TURNS = st.lists(st.tuples(st.integers(0, 2), st.integers(12, 40)), min_size=1, max_size=6)


def speech(turns: Turns) -> Sound:
    """Return sound whose samples say whose they are."""
    pieces = [np.full(tenths * 100 * SAMPLES_PER_MS, (who + 1) / 8, np.float32) for who, tenths in turns]
    return Sound(np.concatenate(pieces), 0.0)


class Microphone:
    """A session's ear, with the voices of :func:`speech`."""

    def __init__(self, *, failing: bool = False) -> None:
        self.failures: list[Exception] = []
        self.counts: list[int] = []
        self.priorities: list[Priority] = []
        self._failing = failing
        tracker = SpeakerTracker(self._embed, Diarizer(RULES, 0.2, 400), self.failures.append)
        self.who = SpeakersByVoice(tracker, SpeakerNames("Ana", {}), self.counts.append)

    def _embed(self, samples: Samples, priority: Priority) -> Embedding:
        self.priorities.append(priority)
        future: Embedding = Future()
        if self._failing:
            future.set_exception(RuntimeError("no engine"))
            return future
        shares = [float((np.round(samples * 8) == who + 1).mean()) for who in range(DIM)]
        future.set_result(unit(np.array([shares])).astype(np.float32))
        return future

    def hear(self, sound: Sound, start_ms: float, end_ms: float, step_ms: float = 100.0) -> list[float]:
        """Return where the speaker was told to change in one utterance."""
        self.who.begin(start_ms)
        begin_ms, changes = start_ms, []
        for now_ms in np.arange(start_ms, end_ms, step_ms).tolist():
            changed_ms = self.who.follow(begin_ms, now_ms, sound.between)
            if changed_ms is not None:
                changes.append(changed_ms)
                begin_ms = changed_ms
                self.who.begin(begin_ms)
        self.who.end(end_ms, sound.between)
        return changes


def said(microphone: Microphone, turns: Turns) -> list[str]:
    """Return who is told to say each turn, each an utterance of its own, as it is told in the end."""
    sound, now_ms, told = speech(turns), 0.0, {}
    for number, (_, tenths) in enumerate(turns):
        end_ms = now_ms + 100 * tenths
        microphone.hear(sound, now_ms, end_ms)
        told[number] = microphone.who.of(number, now_ms, end_ms)
        told |= microphone.who.moved()
        now_ms = end_ms
    return [told[number] for number in range(len(turns))]


def test_one_alone_is_the_participant() -> None:
    assert said(Microphone(), [(2, 30), (2, 20)]) == ["Ana", "Ana"]


def test_a_second_voice_gives_both_a_letter_and_what_was_told_before_moves() -> None:
    microphone = Microphone()
    assert said(microphone, [(0, 40), (1, 40), (0, 20)]) == ["Ana · A", "Ana · B", "Ana · A"]
    assert microphone.counts == [1, 2]
    assert microphone.who.moved() == {}, "told once"


@settings(max_examples=40, deadline=None)
@given(TURNS)
def test_in_the_end_each_utterance_is_whose_it_is(turns: Turns) -> None:
    spoken = {who: sum(tenths - 10 for each, tenths in turns if each == who) for who, _ in turns}
    if min(spoken.values()) * 0.1 < RULES.evidence + 0.5:
        return  # too little is known of somebody
    told = said(Microphone(), turns)
    names = {}
    for (who, _), name in zip(turns, told, strict=True):
        assert names.setdefault(who, name) == name
    assert len(set(names.values())) == len(names)


@settings(max_examples=30, deadline=None)
@given(TURNS, st.sampled_from([20.0, 50.0, 130.0, 700.0]))
def test_chunks_make_no_difference(turns: Turns, step_ms: float) -> None:
    sound = speech(turns)
    fine, coarse = Microphone(), Microphone()
    for microphone, step in ((fine, 10.0), (coarse, step_ms)):
        microphone.who.begin(0.0)
        for now_ms in [*np.arange(0.0, sound.end_ms, step).tolist(), sound.end_ms]:
            microphone.who.follow(0.0, now_ms, sound.between)
        microphone.who.end(sound.end_ms, sound.between)
    names = [each.who.of(0, 0.0, sound.end_ms) for each in (fine, coarse)]
    assert names[0] == names[1]
    assert fine.who.changes(0.0, sound.end_ms) == coarse.who.changes(0.0, sound.end_ms)


def test_the_change_of_known_speakers_is_found_while_they_speak() -> None:
    microphone = Microphone()
    turns = [(0, 40), (1, 40), (0, 30), (1, 30)]
    sound = speech(turns)
    for number, start_ms in enumerate((0.0, 4_000.0)):
        microphone.hear(sound, start_ms, start_ms + 4_000)
        microphone.who.of(number, start_ms, start_ms + 4_000)
    changes = microphone.hear(sound, 8_000.0, 14_000.0)
    assert len(changes) == 1
    assert abs(changes[0] - 11_000) < 300
    assert microphone.who.of(2, 8_000.0, changes[0]) == "Ana · A"
    assert microphone.who.of(3, changes[0], 14_000.0) == "Ana · B"


def test_what_goes_on_is_less_urgent_than_what_has_ended() -> None:
    microphone = Microphone()
    microphone.hear(speech([(0, 36)]), 0.0, 3_580.0)
    assert set(microphone.priorities[:-1]) == {"frame"}
    assert microphone.priorities[-1] == "utterance"


def test_where_nothing_can_be_heard_it_is_the_participant_and_said_why() -> None:
    microphone = Microphone(failing=True)
    assert said(microphone, [(0, 30), (1, 30)]) == ["Ana", "Ana"]
    assert microphone.failures


def test_what_is_too_short_for_a_voice_is_of_whoever_spoke_before() -> None:
    microphone = Microphone()
    said(microphone, [(0, 40), (1, 40)])
    assert microphone.who.of(9, 8_000.0, 8_100.0) == "Ana · B"


def test_what_was_no_utterance_moves_no_more() -> None:
    microphone = Microphone()
    sound = speech([(0, 40), (1, 40)])
    microphone.hear(sound, 0.0, 4_000.0)
    microphone.who.of(0, 0.0, 4_000.0)
    microphone.who.forget(0)
    microphone.hear(sound, 4_000.0, 8_000.0)
    microphone.who.of(1, 4_000.0, 8_000.0)
    assert 0 not in microphone.who.moved()
