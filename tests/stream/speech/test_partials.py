"""What is heard of an utterance that goes on: never more than its last part, whatever a session's settings are."""

from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest
from scripted_speech import ScriptedSpeech
from speech_clips import ONE_SENTENCE

from models.bundle import Bundle
from models.media.sound import read_sound
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from stream.live_models import LiveModels
from stream.media import SAMPLE_RATE, AudioChunk
from stream.session import Session
from stream.settings import Settings
from stream.speech.transcript import Transcript, Word
from wire import events
from wire.events import Event
from wire.settings import SegmenterSettings

LONG = Settings(segmenter=SegmenterSettings(max_utterance_ms=600_000, confirmed_end_ms=5_000))
LONGEST = 20 * SAMPLE_RATE


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


def counted(future: Future[Transcript], heard: Transcript, _: bool) -> None:
    """Hear one word in every whole second, by its number."""
    start_ms, end_ms = heard.words[0].start_ms, heard.words[-1].end_ms
    seconds = range(-(-int(start_ms) // 1_000), int(end_ms) // 1_000)
    words = tuple(Word(f"w{second}", 1_000.0 * second, 1_000.0 * second + 500, 0.9) for second in seconds)
    future.set_result(Transcript(" ".join(word.text for word in words), words, "en"))


def test_partials_of_a_long_utterance_hear_its_last_part_and_tell_all_of_it(runtime: Runtime) -> None:
    told: list[Event] = []
    speech = ScriptedSpeech(counted)
    session = Session(LiveModels(runtime, speech, LONG.vision), LONG, told.append, speaker="Ann", live=True)
    sentence = read_sound(ONE_SENTENCE)
    samples = np.tile(sentence, 30 * SAMPLE_RATE // len(sentence) + 1)
    for at in range(0, len(samples), 1_600):
        session.push(AudioChunk(at / 16, samples[at : at + 1_600]))
    session.finish()
    partials = [length for partial, _, length in speech.asked if partial]
    assert max(partials) == LONGEST
    assert max(length for partial, _, length in speech.asked if not partial) > LONGEST, "the end is heard whole"
    last = [event for event in told if isinstance(event, events.TranscriptPartial)][-1]
    words = last.text.split()
    assert words == [f"w{number}" for number in range(int(words[0][1:]), int(words[-1][1:]) + 1)]
    assert len(words) > LONGEST / SAMPLE_RATE, "nothing that was told before is lost"
