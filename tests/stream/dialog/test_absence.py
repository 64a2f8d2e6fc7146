"""What fails or hangs is absent, said so and counted, and the session goes on: real networks, of which some fail."""

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import numpy as np
import pytest
from scripted_speech import ScriptedSpeech
from speech_clips import ONE_SENTENCE, silence
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.media.sound import read_sound
from models.runtime.engine import Array, Outputs, ServedName
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from models.runtime.watchdog import HungError
from stream.exports.from_events import dialog_from_events
from stream.live_models import LiveModels
from stream.media import AudioChunk, Samples, VideoFrame
from stream.session import Session
from stream.settings import Settings
from stream.speech.transcript import Transcript
from wire import events
from wire.events import Event, Totals

SETTINGS = Settings()
_SECRET = "what Ana said"  # noqa: S105 - what nobody may be told


class Ailing(TorchEngine):
    """An engine some of whose networks fail, so many times, or do not answer."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.failures: dict[ServedName, int] = {}
        self.hanging: set[ServedName] = set()
        self.let = threading.Event()

    def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
        if network in self.hanging:
            assert self.let.wait(PATIENCE_S)
        if self.failures.get(network, 0) > 0:
            self.failures[network] -= 1
            raise RuntimeError(_SECRET)
        return super().run(network, inputs)


@pytest.fixture(scope="module")
def sentence() -> Samples:
    return np.concatenate([read_sound(ONE_SENTENCE), silence(1.0)])


@pytest.fixture
def engine(bundle: Bundle) -> Iterator[Ailing]:
    made = Ailing(bundle)
    yield made
    made.let.set()


class Talk:
    """A session to its end."""

    def __init__(self, runtime: Runtime, *sounds: Samples, live: bool, speech: ScriptedSpeech | None = None) -> None:
        self.told: list[Event] = []
        models = LiveModels(runtime, speech or ScriptedSpeech(), SETTINGS.vision)
        session = Session(models, SETTINGS, self.told.append, speaker="Ann", live=live)
        session.push(VideoFrame(0.0, np.zeros((64, 64, 3), np.uint8)))
        samples = np.concatenate(sounds)
        for at in range(0, len(samples), 1_600):
            session.push(AudioChunk(at / 16, samples[at : at + 1_600]))
        self.totals: Totals = session.finish()

    def final(self) -> list[events.Emotion]:
        return [event for event in self.told if isinstance(event, events.Emotion) and event.final]

    def codes(self) -> set[str]:
        return {event.code for event in self.told if isinstance(event, events.Warning)}


LIVE = pytest.mark.parametrize("live", [True, False], ids=["live", "file"])


@LIVE
@pytest.mark.parametrize(
    ("network", "code", "rest"),
    [("audio", "voice.failed", ["text"]), ("text", "text.failed", ["audio"])],
)
def test_a_network_that_fails_leaves_its_modality_absent_and_says_so(
    engine: Ailing,
    bundle: Bundle,
    sentence: Samples,
    network: ServedName,
    code: str,
    rest: list[str],
    *,
    live: bool,
) -> None:
    engine.failures[network] = 1_000
    with Runtime(bundle, engine) as runtime:
        talk = Talk(runtime, sentence, live=live)
        assert runtime.dropped[network, "failed"] >= 1
    (emotion,) = talk.final()
    assert (emotion.modalities, emotion.text) == (rest, "so happy")
    assert talk.codes() == {code}
    assert _SECRET not in str(talk.told)
    assert {warning.code for warning in dialog_from_events(talk.told, "a file").warnings} == {code}


@LIVE
def test_a_fusion_that_fails_once_is_tried_again(
    engine: Ailing, bundle: Bundle, sentence: Samples, *, live: bool
) -> None:
    engine.failures["fusion"] = 1
    with Runtime(bundle, engine) as runtime:
        talk = Talk(runtime, sentence, live=live)
    assert [emotion.modalities for emotion in talk.final()] == [["text", "audio"]]
    assert talk.codes() == set()


@LIVE
def test_an_utterance_whose_fusion_fails_is_discarded_with_a_warning_and_the_next_is_told(
    engine: Ailing, bundle: Bundle, sentence: Samples, *, live: bool
) -> None:
    engine.failures["fusion"] = 2
    with Runtime(bundle, engine) as runtime:
        talk = Talk(runtime, sentence, sentence, live=live)
    discarded = [event for event in talk.told if isinstance(event, events.UtteranceDiscarded)]
    assert [(event.utterance, event.reason) for event in discarded] == [(0, "failed")]
    assert [emotion.utterance for emotion in talk.final()] == [1]
    assert talk.codes() == {"emotion.failed"}
    assert (talk.totals.utterances, talk.totals.rejected_transcripts) == (1, 0)


@LIVE
def test_an_engine_that_hangs_lets_its_session_end(
    engine: Ailing, bundle: Bundle, sentence: Samples, *, live: bool
) -> None:
    engine.hanging = {"audio", "text", "fusion", "pnet"}
    with Runtime(bundle, engine, timeout_s=0.02) as runtime:
        talk = Talk(runtime, sentence, live=live)
        assert runtime.hangs
        assert sum(count for (_, reason), count in runtime.dropped.items() if reason == "timeout") >= 3
    assert [event.reason for event in talk.told if isinstance(event, events.UtteranceDiscarded)] == ["failed"]
    assert {"voice.failed", "text.failed", "emotion.failed"} <= talk.codes(), "an absence, and never silence"
    assert talk.final() == []
    assert not [thread for thread in threading.enumerate() if thread.name == "vision"]


def test_a_recogniser_that_does_not_answer_is_an_absent_text(bundle: Bundle, sentence: Samples) -> None:
    def answer(future: Future[Transcript], _heard: Transcript, _partial: bool) -> None:
        future.set_exception(HungError("speech recognition does not answer"))

    with Runtime(bundle, TorchEngine(bundle)) as runtime:
        talk = Talk(runtime, sentence, live=True, speech=ScriptedSpeech(answer))
    assert [(emotion.text, emotion.modalities) for emotion in talk.final()] == [("", ["audio"])]
    assert talk.codes() == {"transcript.failed"}
