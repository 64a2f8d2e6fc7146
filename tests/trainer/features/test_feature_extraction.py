"""The whole way from clips to features, on real faces and voices, beside what the live pipeline makes of them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_media import conversations, numbered_video, silent_video, tone, utterance
from tiny_bundle import IMAGE_DIM, TEXT_DIM, tiny_bundle
from tiny_corpora import tiny_iemocap, tiny_meld
from torch import Tensor, nn

from models.bundle import Bundle
from models.media.scene_image import SCENE_SIZE
from models.networks.extractor import EmotionExtractor
from models.networks.faces import FaceDetector, over_frames
from models.networks.mtcnn_networks import detection_networks, in_torch
from models.runtime.runtime import Runtime
from models.runtime.torch_engine import TorchEngine
from models.text_input import Turn
from stream.media import AudioChunk, VideoFrame
from stream.vision.face_analyzer import FaceAnalyzer
from trainer.data.conversation import Conversations
from trainer.data.iemocap import load_iemocap
from trainer.data.meld import load_meld
from trainer.features.extract import Extraction, FeatureSettings, extract_features
from trainer.features.extractors import Extractors
from trainer.features.media import Limits, decode

QUICK = FeatureSettings(frames=2)


@pytest.fixture(scope="module")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Conversations:
    return load_meld(tiny_meld(tmp_path_factory.mktemp("corpora") / "meld"), "dev")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def extraction(meld: Conversations, bundle: Bundle, cache: Path) -> Extraction:
    return extract_features(meld, bundle, cache, QUICK)


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as loaded:
        yield loaded


def test_every_utterance_of_real_clips_has_its_features(meld: Conversations, extraction: Extraction) -> None:
    assert [len(dialog.labels) for dialog in extraction.dialogs] == [len(dialog) for dialog in meld.dialogs]
    assert extraction.labels.tolist() == [item.label for item in meld.utterances]
    for dialog, said in zip(extraction.dialogs, meld.dialogs, strict=True):
        assert dialog.speakers == [item.turn.speaker for item in said]
        assert all(text is not None and text.shape == (TEXT_DIM,) for text in dialog.text)
        assert all(voice is not None and voice.shape == (IMAGE_DIM,) for voice in dialog.audio)
        assert all(face is not None and face.shape == (IMAGE_DIM,) for face in dialog.face)
        assert all(scene is None for scene in dialog.scene)
    assert set(extraction.branches) == {"text", "audio", "face"}
    assert extraction.branches["face"].output.logits.shape == (4, 7)
    assert extraction.summary() == "4 utterances: text 4, audio 4, face 4"


def test_the_words_are_read_as_live(meld: Conversations, extraction: Extraction, runtime: Runtime) -> None:
    for dialog, said in zip(extraction.dialogs, meld.dialogs, strict=True):
        turns = [item.turn for item in said]
        for index, text in enumerate(dialog.text):
            assert text == pytest.approx(runtime.text(turns, index).result().embedding, abs=1e-4)


def test_the_voice_is_heard_as_live(meld: Conversations, extraction: Extraction, runtime: Runtime) -> None:
    sound = decode(meld.utterances[0], Limits(), ["sound"]).sound
    assert sound is not None
    live = runtime.audio(sound).result().embedding
    assert extraction.dialogs[0].audio[0] == pytest.approx(live, abs=1e-4)


def test_the_faces_are_seen_as_live(meld: Conversations, extraction: Extraction, runtime: Runtime) -> None:
    frames = decode(meld.utterances[0], Limits(frames=2), ["images"]).frames
    faces = QUICK.faces
    detector = FaceDetector(faces, in_torch(detection_networks()))
    live = FaceAnalyzer(detector, runtime)
    for index, frame in enumerate(frames):
        live.keep(live.analyze(VideoFrame(100.0 * index, frame)))
    silence = AudioChunk(0, np.zeros(3_200, np.float32))
    assert extraction.dialogs[0].face[0] == pytest.approx(live.during(silence).face, abs=1e-4)


def test_the_scene_is_seen_as_live(meld: Conversations, bundle: Bundle, cache: Path) -> None:
    scene = EmotionExtractor(len(bundle.config.labels), IMAGE_DIM).eval().requires_grad_(False)
    config = bundle.config.model_copy(update={"networks": ("text", "audio", "face", "scene", "fusion")})
    seeing = replace(bundle, config=config, scene=scene)
    found = extract_features(meld, seeing, cache, QUICK, ["scene"]).branches["scene"].output.embeddings
    with Runtime(seeing, TorchEngine(seeing)) as runtime:
        images = decode(meld.utterances[0], Limits(frames=2), ["images"]).frames
        live = [branch for image in images if (branch := runtime.scene(image).result())]
    assert len(live) == 2
    assert found[0] == pytest.approx(over_frames([branch.embedding for branch in live]), abs=1e-4)


def test_what_is_asked_for_alone_is_the_same(
    meld: Conversations, bundle: Bundle, extraction: Extraction, cache: Path
) -> None:
    voice = extract_features(meld, bundle, cache, QUICK, ["audio"])
    assert set(voice.branches) == {"audio"}
    assert np.array_equal(voice.branches["audio"].output.embeddings, extraction.branches["audio"].output.embeddings)
    assert voice.dialogs[0].text == [None, None]


def test_another_text_in_the_context_is_read_anew(
    meld: Conversations, bundle: Bundle, extraction: Extraction, cache: Path
) -> None:
    first, *rest = meld.dialogs[0]
    changed = replace(first, turn=Turn(first.turn.speaker, "I am so sad."))
    other = replace(meld, dialogs=((changed, *rest), *meld.dialogs[1:]))
    dialogs = extract_features(other, bundle, cache, QUICK, ["text"]).dialogs
    assert not np.array_equal(dialogs[0].text[1], extraction.dialogs[0].text[1])  # type: ignore[arg-type] # both are there
    assert dialogs[1].text[1] == pytest.approx(extraction.dialogs[1].text[1], abs=1e-5)


def test_a_turn_without_words_has_no_text_and_keeps_its_place(bundle: Bundle, tmp_path: Path) -> None:
    silent, said = utterance("a"), utterance("b")
    both = conversations(replace(silent, turn=Turn("Anna", "")), said)
    found = extract_features(both, bundle, tmp_path)
    assert found.dialogs[0].text[0] is None
    assert found.dialogs[0].text[1] is not None
    assert found.branches["text"].rows.tolist() == [1]
    assert not found.faults


class Colours(nn.Module):
    """Stands for a scene network: the mean of each colour."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        assert images.shape[1:] == (3, SCENE_SIZE, SCENE_SIZE)
        return images.mean(dim=(2, 3)) * self.weight, images.mean(dim=(1, 2, 3))[:, None].expand(-1, 2)


def test_bad_clips_are_named_and_counted_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Faces are sought in images of bars: none is found, which is no fault."""
    good = numbered_video(tmp_path / "good.mp4", 1, sound=True)
    (tmp_path / "corrupt.mp4").write_bytes(good.read_bytes()[:900])
    split = conversations(
        utterance("good", video=good),
        utterance("corrupt", video=tmp_path / "corrupt.mp4"),
        utterance("mute", video=silent_video(tmp_path / "mute.mp4", 0.4)),
        utterance("blind", video=tone(tmp_path / "blind.wav", 0.4)),
        utterance("nothing", video=good, start_ms=200, end_ms=200),
        utterance("endless", video=good, start_ms=0, end_ms=300_000),
    )
    tiny = tiny_bundle()
    networks = replace(Extractors.of(tiny), scene=Colours())
    for _ in range(2):  # made, and read from the cache
        found = extract_features(split, networks, tmp_path / "cache", QUICK)
        assert found.branches["text"].rows.tolist() == [0, 1, 2, 3, 4, 5]
        assert found.branches["audio"].rows.tolist() == [0, 3]
        assert found.branches["scene"].rows.tolist() == [0, 2]
        assert "face" not in found.branches
        assert [(fault.name, fault.kind) for fault in found.faults] == [
            ("corrupt", "unreadable"),
            ("mute", "no sound"),
            ("nothing", "empty"),
            ("endless", "too long"),
            ("blind", "no images"),
        ]
    assert found.summary() == (
        "6 utterances: text 6, audio 2, scene 2; "
        "media left out: 1 unreadable, 1 no sound, 1 empty, 1 too long, 1 no images"
    )


@pytest.mark.slow
def test_iemocap_shows_each_speaker_in_their_half(bundle: Bundle, tmp_path: Path) -> None:
    split = load_iemocap(tiny_iemocap(tmp_path / "iemocap"), "test")
    found = extract_features(split, bundle, tmp_path / "cache", QUICK)
    assert len(found.branches["face"].rows) == len(found.branches["audio"].rows) == len(split.utterances)
    halves = {item.clip.half for item in split.utterances if item.clip}
    assert halves == {"left", "right"}
    assert not found.faults
