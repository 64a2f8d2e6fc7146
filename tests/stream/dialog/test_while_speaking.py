"""Emotions told while somebody speaks, under any order of sound, words and results.

Sound, speech detection, endpointing, dialog and networks (with random weights) are the real ones; when words are heard,
and when a result that nobody waits for is there, is drawn.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_speech import ScriptedSpeech
from speech_clips import ONE_SENTENCE, silence
from tiny_bundle import tiny_bundle, with_whisper

from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.dialog.recognizer import Recognition
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.steps import Run
from stream.live_models import LiveModels
from stream.media import SAMPLES_PER_MS, AudioChunk, Samples
from stream.session import Session
from stream.settings import DialogSettings, Settings
from stream.speech.transcript import Transcript, Word
from wire import events
from wire.events import Event

CHUNK = 100 * SAMPLES_PER_MS
PIECE = 20 * SAMPLES_PER_MS
OPEN_MS = 1_000
WINDOW_MS = 32  # in which speech is decided
Deed = Literal["speech", "pause", "words", "nothing heard", "told", "given up", "poll"]
DEEDS: st.SearchStrategy[list[tuple[Deed, int]]] = st.lists(
    st.tuples(
        st.sampled_from(["speech", "pause", "words", "nothing heard", "told", "given up", "poll"]), st.integers(1, 14)
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def runtime() -> Iterator[Runtime]:
    bundle = with_whisper(tiny_bundle(), baseline=True)
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def voice() -> Samples:
    """Speech without its pauses, so that what pauses is drawn."""
    heard = read_sound(ONE_SENTENCE)
    pieces = heard[: len(heard) // PIECE * PIECE].reshape(-1, PIECE)
    return pieces[np.abs(pieces).max(axis=1) > 0.03].ravel()


@dataclass
class WhenSaid:
    """Lets results count when a test says so."""

    moment: Literal["told", "given up"] | None = None

    def is_over(self, run: Run[Recognition]) -> bool:
        if self.moment == "told":
            run.finish()
        elif self.moment == "given up":
            run.cancel()
        return self.moment is not None

    def concluded(self, _: Recognition | None, /) -> None:
        self.moment = None


@dataclass
class Talk:
    """A session that a test drives deed by deed."""

    runtime: Runtime
    voice: Samples
    interval_ms: int = OPEN_MS
    told: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waiting: list[tuple[Future[Transcript], Transcript]] = []
        self.pace, self.dialog, self._at, self._said = WhenSaid(), SharedDialog(16), 0, 0
        configured = Settings(dialog=DialogSettings(speaking_interval_ms=self.interval_ms))
        speech = ScriptedSpeech(lambda future, heard, _: self.waiting.append((future, heard)))
        models = LiveModels(self.runtime, speech, configured.vision)
        context = SessionContext(self.dialog)
        self.session = Session(
            models, configured, self.told.append, speaker="Ann", live=True, context=context, pace=self.pace
        )

    def do(self, deed: Deed, count: int) -> None:
        match deed:
            case "speech":
                for _ in range(count):
                    begin = self._said % (len(self.voice) - CHUNK)
                    self._said += CHUNK
                    self._hear(self.voice[begin : begin + CHUNK])
            case "pause":
                for _ in range(count):
                    self._hear(silence(0.1))
            case "words" | "nothing heard":
                self._answer(deed, count)
            case "told" | "given up":
                self.pace.moment = deed
                self.session.poll()
                self.pace.moment = None
            case "poll":
                self.session.poll()

    def finish(self) -> events.Totals:
        self.session.end()
        while self.waiting:
            self._answer("words", 1)
        return self.session.finish()

    def _hear(self, samples: Samples) -> None:
        self.session.push(AudioChunk(self._at / SAMPLES_PER_MS, samples))
        self._at += len(samples)

    def _answer(self, deed: Deed, count: int) -> None:
        for future, heard in self.waiting[:count]:
            if future.set_running_or_notify_cancel():
                future.set_result(sentences(heard) if deed == "words" else Transcript("", (), "en", "no words"))
        del self.waiting[:count]
        self.session.poll()


def sentences(heard: Transcript) -> Transcript:
    """Return two sentences in the place of what was heard."""
    start, end = heard.words[0].start_ms, heard.words[-1].end_ms
    texts = ["I", "am", "so", "happy.", "You", "are", "sad"]
    step = (end - start) / len(texts)
    words = tuple(Word(text, start + step * i, start + step * (i + 1), 0.9) for i, text in enumerate(texts))
    return Transcript(" ".join(texts), words, "en")


def talk(
    runtime: Runtime, voice: Samples, deeds: Sequence[tuple[Deed, int]], **more: int
) -> tuple[Talk, events.Totals]:
    going = Talk(runtime, voice, **more)
    for deed, count in deeds:
        going.do(deed, count)
    return going, going.finish()


def by_utterance(told: Sequence[Event]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = defaultdict(list)
    for event in told:
        if isinstance(event, events.Emotion | events.UtteranceResumed | events.UtteranceDiscarded):
            found[event.utterance].append(event)
    return found


def standing(event: Event) -> str:
    if isinstance(event, events.Emotion):
        return "speaking" if event.speaking else "final" if event.final else "early"
    return "resumed" if isinstance(event, events.UtteranceResumed) else "discarded"


def finals(told: Sequence[Event]) -> list[events.Emotion]:
    return [event for event in told if isinstance(event, events.Emotion) and event.final]


def same(one: events.Emotion, other: events.Emotion) -> bool:
    machine: dict[str, object] = {"revision": 0, "latency": other.latency, "probabilities": other.probabilities}
    close = pytest.approx(other.probabilities, abs=1e-5)
    return one.model_copy(update=machine) == other.model_copy(update=machine) and one.probabilities == close


@given(DEEDS)
@settings(max_examples=30)
def test_what_is_provisional_is_followed_by_what_is_not(
    runtime: Runtime, voice: Samples, deeds: list[tuple[Deed, int]]
) -> None:
    going, totals = talk(runtime, voice, deeds)
    for told in by_utterance(going.told).values():
        stood = [standing(event) for event in told]
        provisional = [index for index, each in enumerate(stood) if each == "speaking"]
        assert all({"final", "discarded", "resumed"} & set(stood[index:]) for index in provisional), stood
        assert not any(one in {"early", "final", "discarded"} and then == "speaking" for one, then in pairwise(stood))
        revisions = [event.revision for event in told if isinstance(event, events.Emotion)]
        assert all(one < then for one, then in pairwise(revisions))
        ends = [told[index].end_ms - told[index].start_ms for index in provisional]  # type: ignore[union-attr]
        assert all(end >= OPEN_MS - WINDOW_MS for end in ends)
        assert all(then - one >= OPEN_MS - WINDOW_MS for one, then in pairwise(ends))
    assert totals.utterances == len({each.utterance for each in finals(going.told)})


@given(DEEDS)
@settings(max_examples=12)
def test_it_changes_nothing_of_what_is_final(runtime: Runtime, voice: Samples, deeds: list[tuple[Deed, int]]) -> None:
    going, totals = talk(runtime, voice, deeds)
    silent, others = talk(runtime, voice, deeds, interval_ms=0)
    assert all(same(one, other) for one, other in zip(finals(going.told), finals(silent.told), strict=True))
    assert not any(standing(event) == "speaking" for told in by_utterance(silent.told).values() for event in told)
    assert totals.model_copy(update={"skipped_provisional": 0}) == others
    kept, without = going.dialog.now.utterances, silent.dialog.now.utterances
    assert [(said.id, said.words, said.end_ms) for said in kept] == [
        (said.id, said.words, said.end_ms) for said in without
    ]


def provisional(going: Talk) -> list[events.Emotion]:
    return [event for event in going.told if isinstance(event, events.Emotion) and event.speaking]


def test_it_is_told_from_a_second_on_and_renewed_every_second(runtime: Runtime, voice: Samples) -> None:
    going = Talk(runtime, voice)
    for _ in range(38):
        going.do("speech", 1)
        going.do("words", 9)
        going.do("told", 1)
    told = provisional(going)
    ends = [event.end_ms - event.start_ms for event in told if event.utterance == 0]
    assert ends[0] < OPEN_MS + 100
    assert all(OPEN_MS - WINDOW_MS <= then - one <= OPEN_MS + 100 + WINDOW_MS for one, then in pairwise(ends))
    assert all(event.text and event.modalities == ["text", "audio"] and not event.final for event in told)


def test_words_that_are_being_heard_are_waited_for_but_not_for_long(runtime: Runtime, voice: Samples) -> None:
    going = Talk(runtime, voice)
    for _ in range(20):
        going.do("speech", 1)
        going.do("told", 1)
    (first,) = provisional(going)
    assert (first.text, first.modalities) == ("", ["audio"])
    assert OPEN_MS + 100 - WINDOW_MS <= first.end_ms - first.start_ms <= OPEN_MS + 200


def test_what_is_not_done_when_the_next_is_due_is_left_out_and_counted(runtime: Runtime, voice: Samples) -> None:
    going, totals = talk(runtime, voice, [("speech", 14), ("speech", 14), ("speech", 14)])
    assert (len(provisional(going)), totals.skipped_provisional) == (0, 2)


def test_a_file_tells_none(runtime: Runtime, voice: Samples) -> None:
    told: list[Event] = []
    models = LiveModels(runtime, ScriptedSpeech(), Settings().vision)
    session = Session(models, Settings(), told.append, speaker="Ann", live=False)
    for at in range(0, 30 * CHUNK, CHUNK):
        session.push(AudioChunk(at / SAMPLES_PER_MS, voice[at : at + CHUNK]))
    session.finish()
    assert "speaking" not in {standing(event) for said in by_utterance(told).values() for event in said}
