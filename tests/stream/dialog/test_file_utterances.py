"""A file's utterances depend on its sound alone: not on when what was asked for is there, nor on what fails."""

import itertools
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest
from scripted_speech import ScriptedSpeech, happy
from speech_clips import ONE_SENTENCE, silence

from models.bundle import Bundle
from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.dialog.file_utterances import FileUtterances
from stream.media import AudioChunk, Samples
from stream.settings import Settings
from stream.speakers.who import OneSpeaker
from stream.speech.job_queue import AsrJob, PackJob
from stream.speech.transcript import Transcript

SETTINGS = Settings()
SENTENCES = 9
Heard = list[tuple[float, float, str]]


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def talk() -> Samples:
    return np.tile(np.concatenate([read_sound(ONE_SENTENCE), silence(1.0)]), SENTENCES)


class LateSpeech(ScriptedSpeech):
    """Hears "so happy" in each sound, of every third only when it is heard alone, and answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Callable[[], None]] = []
        self.packs = 0

    def submit(self, job: AsrJob) -> Future[Transcript]:
        heard = happy(job.start_ms, len(job.samples) / 16)
        self.waiting.append(lambda: job.future.set_result(heard))
        return job.future

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        self.packs += 1
        heard = [
            None if number % 3 == 1 else happy(sound.start_ms, sound.duration_ms)
            for number, sound in enumerate(job.pack.sounds)
        ]
        self.waiting.append(lambda: job.future.set_result(heard))
        return job.future

    def answer(self) -> None:
        waiting, self.waiting = self.waiting, []
        for done in waiting:
            done()


class Eager(LateSpeech):
    """Answers at once."""

    def submit(self, job: AsrJob) -> Future[Transcript]:
        future = super().submit(job)
        self.answer()
        return future

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        future = super().submit_pack(job)
        self.answer()
        return future


def utterances(runtime: Runtime, speech: ScriptedSpeech) -> FileUtterances:
    return FileUtterances(speech, runtime, SETTINGS, lambda _: None, who=OneSpeaker("Ann"), session="a file")


def told(cut: FileUtterances) -> Heard:
    found = []
    while cut.pending:
        head = cut.pending.first
        found.append((head.segment.start_ms, head.segment.end_ms, head.transcript.result().text))
        cut.pending.done()
    return found


def chunks(talk: Samples) -> Iterator[AudioChunk]:
    for at in range(0, len(talk), 1_600):
        yield AudioChunk(at / 16, talk[at : at + 1_600])


def at_once(runtime: Runtime, talk: Samples) -> Heard:
    cut = utterances(runtime, Eager())
    for chunk in chunks(talk):
        cut.push(chunk)
    cut.end()
    return told(cut)


def test_each_sentence_is_an_utterance_with_its_words(runtime: Runtime, talk: Samples) -> None:
    found = at_once(runtime, talk)
    assert [text for *_, text in found] == ["so happy"] * SENTENCES
    assert all(end <= begin for (_, end, _), (begin, *_) in itertools.pairwise(found))


@pytest.mark.parametrize("seed", range(4))
def test_when_words_are_there_changes_nothing(runtime: Runtime, talk: Samples, seed: int) -> None:
    speech, chance = LateSpeech(), random.Random(seed)  # noqa: S311 - only the moments are drawn
    cut = utterances(runtime, speech)
    for chunk in chunks(talk):
        if chance.random() < 0.05 or speech.packs > 2:
            speech.answer()
        cut.push(chunk)
        cut.poll()
    for _ in range(2 * SENTENCES):
        speech.answer()
        cut.poll()
    speech.answer()
    eager = utterances(runtime, Eager())
    for chunk in chunks(talk):
        eager.push(chunk)
    before_end = told(eager)
    assert told(cut)[: len(before_end)] == before_end


def test_a_window_that_could_not_be_heard_costs_no_word(runtime: Runtime, talk: Samples) -> None:
    class Failing(Eager):
        def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
            job.future.set_exception(RuntimeError("no memory is left"))
            return job.future

    cut = utterances(runtime, Failing())
    for chunk in chunks(talk):
        cut.push(chunk)
    cut.end()
    assert told(cut) == at_once(runtime, talk)


def test_what_was_asked_for_is_taken_back(runtime: Runtime, talk: Samples) -> None:
    speech = LateSpeech()
    cut = utterances(runtime, speech)
    for chunk in chunks(talk):
        cut.push(chunk)
        if speech.packs:
            break
    asked = [each.together for each in cut._asked]
    cut.cancel()
    assert asked
    assert all(future.cancelled() for future in asked)
