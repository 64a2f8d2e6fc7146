"""A voice is told against what its speaker said before, whatever engine computes."""

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Literal

import numpy as np
import pytest
import torch
from tiny_bundle import tiny_bundle, with_whisper
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.media.spectrogram import sound_input
from models.networks.calibration import probabilities
from models.networks.speech_encoder import VoiceExtractor
from models.runtime.runtime import Branch, Runtime
from models.runtime.torch_engine import TorchEngine
from models.speaker_baseline import SpeakerBaseline
from stream.dialog.absence import Absences
from stream.dialog.emotions import Emotions
from stream.dialog.pending import PendingUtterance
from stream.dialog.session_context import SessionContext
from stream.dialog.shared_dialog import SharedDialog
from stream.dialog.voices import Voices
from stream.settings import DialogSettings
from stream.speakers.who import OneSpeaker
from stream.speech.segmenter import Segment
from stream.speech.transcript import Transcript
from stream.vision.face_analyzer import Seen
from wire import events


def sound(seed: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(16_000)).astype(np.float32)


@pytest.fixture(scope="module")
def knowing() -> Bundle:
    """A bundle whose voice branch knows of baselines."""
    return with_whisper(tiny_bundle(), baseline=True)


@pytest.fixture(scope="module")
def runtime(knowing: Bundle) -> Iterator[Runtime]:
    with Runtime(knowing, TorchEngine(knowing)) as started:
        yield started


def voices(runtime: Runtime, dialog: SharedDialog | None = None, person: str = "", *, enabled: bool = True) -> Voices:
    context = SessionContext(dialog or SharedDialog(4), person=person)
    return Voices(runtime, context, session="", enabled=enabled)


def said(runtime: Runtime, seed: int) -> Branch:
    heard = runtime.audio(sound(seed)).result(PATIENCE_S)
    assert heard is not None
    return heard


def test_a_first_utterance_is_heard_as_a_strangers(runtime: Runtime) -> None:
    heard = said(runtime, 0)
    told = voices(runtime).told(heard, "Ann")
    assert (told.branch, told.baseline) == (heard, 0)


def test_later_ones_are_told_against_what_was_said_before_as_in_training(knowing: Bundle, runtime: Runtime) -> None:
    own = voices(runtime)
    for seed in range(3):
        own.learn(own.told(said(runtime, seed), "Ann"), "Ann")
    told = own.told(said(runtime, 3), "Ann")
    assert told.baseline == 3
    assert isinstance(knowing.audio, VoiceExtractor)
    network, temperature = knowing.audio, knowing.config.temperatures.audio
    assert network.voice.baseline is not None
    reference = network.voice.baseline.reference()
    expected, baseline = None, SpeakerBaseline.unheard(reference)
    for seed in range(4):
        statistics = network.statistics(torch.from_numpy(sound_input("whisper", [sound(seed)])))
        offset, count = torch.from_numpy(baseline.offset(reference))[None], torch.tensor([[float(baseline.count)]])
        expected = network.voice(statistics, offset, count)
        baseline = baseline.update(statistics[0].numpy(), probabilities(expected[1].numpy(), temperature)[0])
    assert expected is not None
    assert told.branch.embedding == pytest.approx(expected[0][0].numpy(), abs=1e-4)
    stranger = said(runtime, 3)
    assert np.abs(told.branch.embedding - stranger.embedding).max() > 1e-3
    assert told.branch.statistics == pytest.approx(stranger.statistics)


def test_what_is_not_kept_is_not_learned(runtime: Runtime) -> None:
    own = voices(runtime)
    for seed in range(3):
        assert own.told(said(runtime, seed), "Ann").baseline == 0


def test_participants_of_a_room_have_their_own_over_several_sessions(runtime: Runtime) -> None:
    room = SharedDialog(4)
    ann, ben = voices(runtime, room, "1"), voices(runtime, room, "2")
    ann.learn(ann.told(said(runtime, 0), "Ann"), "Ann")
    assert ben.told(said(runtime, 1), "Ben").baseline == 0
    assert voices(runtime, room, "1").told(said(runtime, 1), "Ann").baseline == 1, "who comes back goes on"
    assert voices(runtime, room, "1").told(said(runtime, 1), "Cleo").baseline == 0, "somebody else speaks"
    assert voices(runtime, SharedDialog(4), "1").told(said(runtime, 1), "Ann").baseline == 0, "in another call"


def test_it_can_be_switched_off(runtime: Runtime) -> None:
    own = voices(runtime, enabled=False)
    own.learn(own.told(said(runtime, 0), "Ann"), "Ann")
    assert own.told(said(runtime, 1), "Ann").baseline == 0


Baseline = Literal["live", "always", "never"]


@pytest.mark.parametrize(
    ("setting", "live", "told"),
    [("live", True, [0, 1]), ("live", False, [0, 0]), ("always", False, [0, 1]), ("never", True, [0, 0])],
)
def test_a_session_tells_on_how_many_utterances_a_baseline_rests(
    runtime: Runtime, setting: Baseline, live: bool, told: list[int]
) -> None:
    emitted: list[events.Event] = []
    emotions = Emotions(
        runtime,
        SessionContext(SharedDialog(4)),
        lambda *_: Seen(None, None),
        Absences(emitted.append),
        emitted.append,
        DialogSettings(speaker_baseline=setting),
        session="",
        who=OneSpeaker("Ann"),
        live=live,
    )
    for number in range(2):
        segment = Segment(number, 1000.0 * number, 1000.0 * number + 900, sound(number))
        heard: Future[Transcript] = Future()
        heard.set_result(Transcript("so happy", (), "en"))
        pending = PendingUtterance(segment, heard, runtime.audio(segment.samples), 0.0, 0.0, 0.0, final=True)
        emotions.recognize(pending)
        emotions.keep(pending)
    assert [event.baseline_utterances for event in emitted if isinstance(event, events.Emotion)] == told


@pytest.mark.parametrize("whisper", [True, False])
def test_older_bundles_hear_everybody_as_strangers(bundle: Bundle, whisper: bool) -> None:
    older = with_whisper(bundle) if whisper else bundle
    with Runtime(older, TorchEngine(older)) as runtime:
        own = voices(runtime)
        own.learn(own.told(said(runtime, 0), "Ann"), "Ann")
        told = own.told(said(runtime, 1), "Ann")
    assert (told.baseline, told.branch.statistics) == (0, None)
