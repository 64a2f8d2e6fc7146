"""A live session on real speech: real speech detection and recognition, random emotion weights."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from speech_clips import ONE_SENTENCE, TWO_SPEAKERS, noise, silence
from waiting import PATIENCE_S, wait_until

from models.bundle import Bundle
from models.media.sound import read_sound
from models.runtime.engine import Array, Outputs, ServedName
from models.runtime.fallback import Candidate, FallbackEngine
from models.runtime.readiness import require_time
from models.runtime.runtime import Runtime
from models.runtime.switching import SwitchingEngine
from models.runtime.torch_engine import TorchEngine
from stream.live_models import LiveModels
from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, AudioChunk, Samples, VideoFrame
from stream.session import Session
from stream.settings import Settings
from stream.speech.repetition import bare
from stream.speech.transcriber import Transcriber
from wire import events
from wire.events import Event

pytestmark = pytest.mark.slow

SETTINGS = Settings()
CHUNK = 1_600
_SPEECH_STARTS = 9_000  # samples of silence before the sentence


@pytest.fixture(scope="module")
def models(bundle: Bundle) -> Iterator[LiveModels]:
    loaded = LiveModels(Runtime(bundle, TorchEngine(bundle)), Transcriber(SETTINGS.transcriber), SETTINGS.vision)
    yield loaded
    loaded.close()


class Talk:
    """A live session, and the sound that has gone into it so far."""

    def __init__(self, models: LiveModels) -> None:
        self.told: list[Event] = []
        self.session = Session(models, SETTINGS, self.told.append, speaker="Ann", live=True)
        self._position = 0

    def hear(self, samples: Samples) -> None:
        for start in range(0, len(samples), CHUNK):
            piece = samples[start : start + CHUNK]
            self.session.push(AudioChunk(self._position / SAMPLES_PER_MS, piece))
            self._position += len(piece)

    def hear_until_likely_end(self, samples: Samples) -> None:
        for start in range(0, len(samples), 512):
            self.hear(samples[start : start + 512])
            if self.session._utterances.pending:
                return
        self.hear_until_likely_end(silence(0.5))

    def wait_for_early_result(self) -> None:
        early = self.session._utterances.pending.early
        assert early is not None
        early.transcript.result(PATIENCE_S)
        self.session.poll()

    def kinds(self) -> list[str]:
        return [event.type for event in self.told]

    def emotions(self) -> list[events.Emotion]:
        return [event for event in self.told if isinstance(event, events.Emotion)]


class Failing(TorchEngine):
    """An engine that starts and then loses its device."""

    broken = False

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        if self.broken:
            message = "the device is gone"
            raise RuntimeError(message)
        return super().run(network, inputs)


def test_an_engine_that_fails_in_a_session_is_replaced_and_told_once(bundle: Bundle, models: LiveModels) -> None:
    engine = FallbackEngine(
        [Candidate("failing", Failing), Candidate("torch", TorchEngine)], bundle, lambda: bundle, required=True
    )
    with Runtime(bundle, engine) as runtime:
        talk = Talk(replace(models, runtime=runtime))
        talk.hear(silence(0.2))
        assert not talk.told
        Failing.broken = True
        talk.hear(np.concatenate([read_sound(ONE_SENTENCE), silence(1.0)]))
        talk.session.finish()
    warnings = [event for event in talk.told if isinstance(event, events.Warning)]
    assert [(event.code, event.message) for event in warnings] == [
        ("engine.replaced", "RuntimeError: the device is gone; torch-cpu is used instead of failing")
    ]
    assert len(talk.emotions()) >= 1, "what the engine failed on was computed again"


@pytest.mark.parametrize("works", [True, False])
def test_a_session_goes_on_while_its_engine_is_built_and_is_told_how_that_ends(
    bundle: Bundle, models: LiveModels, sentence: Samples, *, works: bool
) -> None:
    gate = threading.Event()

    def build(loaded: Bundle) -> TorchEngine:
        require_time("building it")
        assert gate.wait(PATIENCE_S)
        if not works:
            message = "the disk is full"
            raise OSError(message)
        return TorchEngine(loaded)

    engine = SwitchingEngine([Candidate("built", build), Candidate("torch", TorchEngine)], bundle, lambda: bundle)
    with Runtime(bundle, engine) as runtime:
        talk = Talk(replace(models, runtime=runtime))
        talk.hear(np.concatenate([sentence, silence(1.0)]))
        gate.set()
        engine._thread.join(PATIENCE_S)
        talk.hear(np.concatenate([sentence, silence(1.0)]))
        totals = talk.session.finish()
    codes = [event.code for event in talk.told if isinstance(event, events.Warning)]
    assert codes == ["engine.building", "engine.ready" if works else "engine.replaced"]
    assert len({emotion.utterance for emotion in talk.emotions() if emotion.final}) == totals.utterances >= 2
    assert not [event for event in talk.told if isinstance(event, events.Error)]


@pytest.fixture
def talk(models: LiveModels) -> Iterator[Talk]:
    started = Talk(models)
    yield started
    started.session.finish()


@pytest.fixture(scope="module")
def sentence() -> Samples:
    return read_sound(ONE_SENTENCE)


def revisions(emotions: Sequence[events.Emotion]) -> list[int]:
    return [emotion.revision for emotion in emotions]


def test_an_early_emotion_is_confirmed_unchanged(talk: Talk, sentence: Samples) -> None:
    talk.hear_until_likely_end(sentence)
    talk.wait_for_early_result()
    early = talk.emotions()
    assert revisions(early) == [0]
    assert not early[0].final
    talk.hear(silence(1))
    confirmed = talk.emotions()[-1]
    assert revisions(talk.emotions()) == [0, 1]
    assert confirmed.final
    assert confirmed.probabilities == early[0].probabilities
    assert (confirmed.text, confirmed.start_ms, confirmed.end_ms) == (early[0].text, early[0].start_ms, early[0].end_ms)
    assert confirmed.latency.total_ms >= confirmed.latency.endpoint_ms > 0


def test_an_early_emotion_is_withdrawn_when_speech_goes_on(talk: Talk, sentence: Samples) -> None:
    talk.hear_until_likely_end(sentence)
    talk.wait_for_early_result()
    assert revisions(talk.emotions()) == [0]
    talk.hear(sentence[_SPEECH_STARTS:])
    assert "utterance.resumed" in talk.kinds()
    totals = talk.session.finish()
    last = talk.emotions()[-1]
    assert last.final
    assert last.utterance == 0
    assert totals.utterances >= 1


def test_an_emotion_is_told_while_one_speaks_and_settled_afterwards(talk: Talk) -> None:
    sound = np.concatenate([read_sound(TWO_SPEAKERS), silence(1.0)])
    for start in range(0, len(sound), CHUNK):
        talk.hear(sound[start : start + CHUNK])
        wait_until(lambda: not talk.session._utterances._partials.hearing or bool(talk.session.poll()))
        wait_until(lambda: talk.session._while_speaking._work is None or bool(talk.session.poll()))
    totals = talk.session.finish()
    spoken = [emotion for emotion in talk.emotions() if emotion.speaking]
    settled = {emotion.utterance: emotion for emotion in talk.emotions() if emotion.final}
    assert {emotion.utterance for emotion in spoken} <= settled.keys()
    assert all(settled[emotion.utterance].revision > emotion.revision for emotion in spoken)
    assert len(spoken) >= sound.size / SAMPLE_RATE / 3, "about every second"
    assert sum(bool(emotion.text) for emotion in spoken) > len(spoken) / 2
    assert (totals.utterances, totals.skipped_provisional) == (len(settled), 0)


def test_finishing_tells_what_is_still_being_said(talk: Talk, sentence: Samples) -> None:
    talk.hear(sentence[: int(len(sentence) * 0.8)])
    totals = talk.session.finish()
    assert totals.utterances == 1
    assert talk.emotions()[-1].final
    assert talk.session.finish() == totals, "a second call changes nothing"


def test_noise_is_no_utterance_and_frames_without_faces_are_told(talk: Talk) -> None:
    talk.session.push(VideoFrame(0.0, np.zeros((240, 320, 3), np.uint8)))
    talk.hear(noise(2, 0.05))
    totals = talk.session.finish()
    assert totals.utterances == 0
    faces = [event for event in talk.told if isinstance(event, events.Faces)]
    assert [(event.width, event.height, event.faces) for event in faces] == [(320, 240, [])]
    assert totals.analyzed_frames == 1


def test_a_recogniser_that_fails_leaves_voice_alone_and_says_so(
    models: LiveModels, talk: Talk, sentence: Samples, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The transcript is absent behind its mask; the failure is never taken for silence."""

    def broken(*_: object, **__: object) -> None:
        message = "the engine is gone"
        raise RuntimeError(message)

    assert isinstance(models.transcriber, Transcriber)
    whisper = models.transcriber._whisper
    monkeypatch.setattr(whisper, "hear", broken)
    monkeypatch.setattr(whisper, "hear_again", broken)
    talk.hear(np.concatenate([sentence, silence(1)]))
    talk.session.finish()
    assert talk.emotions()[-1].modalities == ["audio"]
    assert any(isinstance(event, events.Warning) and event.code == "transcript.failed" for event in talk.told)


def test_words_that_are_not_believed_are_absent_and_said_so_once(models: LiveModels) -> None:
    talk = Talk(models)
    for _ in range(2):  # backwards it is no language that the model knows
        talk.hear(np.concatenate([read_sound(TWO_SPEAKERS)[::-1], silence(1.0)]))
    totals = talk.session.finish()
    emotions = [emotion for emotion in talk.emotions() if emotion.final]
    assert [emotion.text for emotion in emotions] == [""] * totals.utterances
    assert all(emotion.modalities == ["audio"] for emotion in emotions)
    assert [event.code for event in talk.told if isinstance(event, events.Warning)] == ["transcript.doubtful"]
    assert totals.doubted_transcripts == totals.utterances >= 2
    assert totals.rejected_transcripts == 0


def test_very_quiet_speech_is_heard_and_said_to_be_quiet(models: LiveModels, sentence: Samples) -> None:
    talk = Talk(models)
    talk.hear(np.concatenate([sentence * np.float32(10 ** (-50 / 20)), silence(1.0)]))
    talk.session.finish()
    assert "white" in talk.emotions()[-1].text.lower()
    assert [event.code for event in talk.told if isinstance(event, events.Warning)] == ["sound.quiet"]


def test_a_microphones_offset_and_rumble_change_neither_words_nor_emotion(
    models: LiveModels, sentence: Samples
) -> None:
    clean, shifted = Talk(models), Talk(models)
    sound = np.concatenate([0.5 * sentence, silence(1.0)])
    rumble = 0.2 * np.sin(2 * np.pi * 5 * np.arange(len(sound)) / SAMPLE_RATE)
    clean.hear(sound)
    shifted.hear((sound + 0.2 + rumble).astype(np.float32))
    for talk in (clean, shifted):
        talk.session.finish()
    told, expected = ([e for e in talk.emotions() if e.final] for talk in (shifted, clean))
    # Each kind of processor rounds differently, and a comma may come or go with it.
    assert [bare(e.text) for e in told] == [bare(e.text) for e in expected] != []
    for one, other in zip(told, expected, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05)
