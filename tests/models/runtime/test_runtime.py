from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_bundle import with_speakers
from waiting import PATIENCE_S

from models.bundle import Bundle
from models.bundle_config import BundleError
from models.dialog_window import Window
from models.labels import LABELS
from models.media.face_image import face_input
from models.media.spectrogram import log_mel_image, speaker_mel
from models.networks.calibration import probabilities
from models.networks.speaker_encoder import SpeakerEncoder
from models.networks.text import as_tensors
from models.runtime.engine import Array, Outputs, ServedName
from models.runtime.fallback import Candidate, FallbackEngine
from models.runtime.preparation import MAX_SAMPLES, fusion_inputs
from models.runtime.runtime import Branch, Runtime
from models.runtime.torch_engine import TorchEngine
from models.text_input import TextPair, Turn, tokenize

TURNS = [
    Turn("Anna", "i am so happy"),
    Turn("Ben", "what"),
    Turn("Anna", "no, never again!"),
    Turn("Ben", "you are sad"),
]


@pytest.fixture(scope="module")
def runtime(bundle: Bundle) -> Iterator[Runtime]:
    with Runtime(bundle, TorchEngine(bundle)) as started:
        yield started


def vector(seed: int, width: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=width).astype(np.float32)


def window(bundle: Bundle, count: int) -> Window:
    config = bundle.config.fusion
    return Window(
        text=[vector(index, config.text_dim) for index in range(count)],
        audio=[vector(100 + index, config.audio_dim) if index % 2 else None for index in range(count)],
        face=[vector(200 + index, config.face_dim) if index % 3 else None for index in range(count)],
        scene=[None] * count,
    )


def expect(branch: Branch, outputs: tuple[torch.Tensor, torch.Tensor], temperature: float) -> None:
    embedding, logits = outputs
    np.testing.assert_allclose(branch.embedding, embedding[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(branch.probabilities, probabilities(logits.numpy(), temperature)[0], atol=1e-5)


def test_a_text_is_read_in_the_bundles_context_and_calibrated_by_its_temperature(
    runtime: Runtime, bundle: Bundle
) -> None:
    branch = runtime.text(TURNS, 2).result(PATIENCE_S)
    pair = TextPair("Anna: i am so happy [SEP] Ben: what", "Anna: no, never again!")
    with torch.no_grad():
        outputs = bundle.text(*as_tensors(tokenize(bundle.tokenizer, [pair], 64)))
    expect(branch, outputs, bundle.config.temperatures.text)


def test_what_is_said_later_does_not_change_how_a_text_is_read(runtime: Runtime) -> None:
    now, later = runtime.text(TURNS[:2], 1).result(PATIENCE_S), runtime.text(TURNS, 1).result(PATIENCE_S)
    np.testing.assert_array_equal(now.probabilities, later.probabilities)


@pytest.mark.parametrize("samples", [0, 160, 8_000, 30_000])
def test_a_sound_is_heard_as_its_log_mel_image(runtime: Runtime, bundle: Bundle, samples: int) -> None:
    sound = vector(1, samples) / 10
    with torch.no_grad():
        outputs = bundle.audio(torch.from_numpy(log_mel_image(sound[None])))
    expect(runtime.audio(sound).result(PATIENCE_S), outputs, bundle.config.temperatures.audio)


def test_of_a_long_sound_the_last_15_seconds_are_heard(runtime: Runtime) -> None:
    long = vector(2, MAX_SAMPLES + 16_000) / 10
    whole, end = runtime.audio(long).result(PATIENCE_S), runtime.audio(long[-MAX_SAMPLES:]).result(PATIENCE_S)
    np.testing.assert_array_equal(whole.probabilities, end.probabilities)


@pytest.mark.parametrize("sound", [np.zeros((2, 16_000), np.float32), np.full(16_000, np.nan, np.float32)])
def test_what_is_no_sound_is_refused(runtime: Runtime, sound: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one channel of finite samples"):
        runtime.audio(sound)


@pytest.fixture(scope="module")
def telling(bundle: Bundle) -> Iterator[tuple[Runtime, SpeakerEncoder]]:
    """A runtime that tells speakers, and its encoder."""
    known = with_speakers(bundle)
    assert known.speaker is not None
    with Runtime(known, TorchEngine(known)) as started:
        yield started, known.speaker


@pytest.mark.parametrize("samples", [400, 19_200, 25_600])
def test_who_speaks_is_told_by_the_mel_spectrograms_of_windows(
    telling: tuple[Runtime, SpeakerEncoder], samples: int
) -> None:
    runtime, encoder = telling
    windows = vector(1, 3 * samples).reshape(3, samples) / 10
    found = runtime.speaker(windows).result(PATIENCE_S)
    assert found.shape == (3, 256)
    np.testing.assert_allclose(found, encoder(torch.from_numpy(speaker_mel(windows))).numpy(), atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_no_windows_are_no_embeddings(telling: tuple[Runtime, SpeakerEncoder]) -> None:
    assert telling[0].speaker(np.zeros((0, 19_200), np.float32)).result(PATIENCE_S).shape == (0, 256)


@pytest.mark.parametrize(
    "windows", [np.zeros(19_200), np.zeros((2, 399)), np.zeros((1, 64_001)), np.full((1, 999), np.nan)]
)
def test_what_are_no_windows_is_refused(telling: tuple[Runtime, SpeakerEncoder], windows: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"windows must be \(windows, 400 to 64000 finite samples\)"):
        telling[0].speaker(windows.astype(np.float32))


def test_a_bundle_without_an_encoder_says_that_it_tells_no_speakers(
    runtime: Runtime, telling: tuple[Runtime, SpeakerEncoder]
) -> None:
    assert (runtime.tells_speakers, telling[0].tells_speakers) == (False, True)
    with pytest.raises(ValueError, match="the bundle tiny tells no speakers"):
        runtime.speaker(np.zeros((1, 19_200), np.float32))


def test_each_face_is_seen_by_itself(runtime: Runtime, bundle: Bundle) -> None:
    crops = np.random.default_rng(3).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    branches = runtime.faces(crops).result(PATIENCE_S)
    assert len(branches) == 3
    for branch, crop in zip(branches, crops, strict=True):
        with torch.no_grad():
            outputs = bundle.face(torch.from_numpy(face_input(crop[None])))
        expect(branch, outputs, bundle.config.temperatures.face)


def test_faces_are_seen_as_large_as_the_bundle_says(bundle: Bundle) -> None:
    smaller = bundle.config.model_copy(update={"face": bundle.config.face.model_copy(update={"size": 64})})
    crops = np.random.default_rng(3).integers(0, 256, (1, 48, 48), dtype=np.uint8)
    with torch.no_grad():
        outputs = bundle.face(torch.from_numpy(face_input(crops, 64)))
    small = replace(bundle, config=smaller)
    with Runtime(small, TorchEngine(small)) as runtime:
        expect(runtime.faces(crops).result(PATIENCE_S)[0], outputs, smaller.temperatures.face)


def test_no_faces_are_no_branches(runtime: Runtime) -> None:
    assert runtime.faces(np.zeros((0, 48, 48), np.uint8)).result(PATIENCE_S) == []


@pytest.mark.parametrize("shape", [(48, 48), (1, 96, 96), (1, 48, 48, 3)])
def test_crops_of_another_shape_are_refused(runtime: Runtime, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"faces must be \(n, 48, 48\)"):
        runtime.faces(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("count", [1, 5, 16, 17])
def test_a_window_is_fused_to_calibrated_probabilities_of_every_utterance(
    runtime: Runtime, bundle: Bundle, count: int
) -> None:
    fused = runtime.fuse(window(bundle, count)).result(PATIENCE_S)
    inputs = fusion_inputs(window(bundle, count), bundle.config.fusion)
    order = ("text", "audio", "face", "scene")
    tensors = [torch.from_numpy(inputs[name][:, :count]) for name in (*order, *(f"{name}_present" for name in order))]
    with torch.no_grad():
        logits = bundle.fusion(*tensors, torch.ones(1, count, dtype=torch.bool))[0]
    np.testing.assert_allclose(fused, probabilities(logits.numpy(), bundle.config.temperatures.fused), atol=1e-5)
    np.testing.assert_allclose(fused.sum(axis=1), 1.0, atol=1e-5)


def test_an_absent_modality_is_masked_and_not_zeros_passed_off_as_data(runtime: Runtime, bundle: Bundle) -> None:
    absent = window(bundle, 2)
    zeros = replace(absent, audio=[np.zeros(bundle.config.fusion.audio_dim, np.float32)] * 2)
    absent = replace(absent, audio=[None, None])
    difference = runtime.fuse(absent).result(PATIENCE_S) - runtime.fuse(zeros).result(PATIENCE_S)
    assert np.abs(difference).max() > 1e-5


@pytest.mark.parametrize("count", [1, 16, 17, 32])
def test_windows_are_padded_to_few_lengths(bundle: Bundle, count: int) -> None:
    inputs = fusion_inputs(window(bundle, count), bundle.config.fusion)
    assert {array.shape[:2] for array in inputs.values()} == {(1, 16 if count <= 16 else 32)}
    assert inputs["valid"].sum() == count
    assert inputs["text_present"].sum() == count
    assert not inputs["scene_present"].any()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda _: Window([], [], [], []), "at least one utterance"),
        (lambda good: replace(good, text=good.text[1:]), r"equally long lists .*\[2, 3\]"),
        (lambda good: replace(good, face=[np.zeros(5, np.float32)] * 3), r"face embeddings of this bundle are \(24,\)"),
    ],
)
def test_a_window_that_does_not_fit_is_refused(
    runtime: Runtime, bundle: Bundle, spoil: Callable[[Window], Window], reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        runtime.fuse(spoil(window(bundle, 3)))


def test_many_callers_at_once_get_the_same_answers_as_one(runtime: Runtime, bundle: Bundle) -> None:
    sounds = [vector(seed, 8_000 + 160 * (seed % 3)) for seed in range(9)]
    together = [
        *[runtime.text(TURNS, index % 4) for index in range(8)],
        *[runtime.audio(sound) for sound in sounds],
        *[runtime.fuse(window(bundle, count)) for count in range(1, 6)],
    ]
    alone = [
        *[runtime.text(TURNS, index % 4).result(PATIENCE_S).probabilities for index in range(8)],
        *[runtime.audio(sound).result(PATIENCE_S).probabilities for sound in sounds],
        *[runtime.fuse(window(bundle, count)).result(PATIENCE_S) for count in range(1, 6)],
    ]
    for future, expected in zip(together, alone, strict=True):
        answer = future.result(PATIENCE_S)
        actual = answer.probabilities if isinstance(answer, Branch) else answer
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_a_runtime_is_loaded_from_a_folder_and_ends(bundle_folder: Path) -> None:
    runtime = Runtime.load(bundle_folder, engine="torch", max_batch=2)
    assert (runtime.labels, runtime.bundle_name) == (LABELS, "tiny")
    assert runtime.engine_state.name == ("torch-cuda" if torch.cuda.is_available() else "torch-cpu")
    assert runtime.audio(np.zeros(8_000, np.float32)).result(PATIENCE_S).probabilities.shape == (7,)
    runtime.close()
    with pytest.raises(RuntimeError, match="closed"):
        runtime.text(TURNS, 0)


def test_a_missing_bundle_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no bundle in"):
        Runtime.load(tmp_path)


def test_branches_that_a_bundle_lacks_say_nothing(bundle: Bundle) -> None:
    words = replace(
        bundle, config=bundle.config.model_copy(update={"networks": ("text", "fusion")}), audio=None, face=None
    )
    with Runtime(words, TorchEngine(words)) as started:
        assert started.modalities == ("text",)
        assert started.audio(np.zeros(16_000, np.float32)).result(PATIENCE_S) is None
        assert started.faces(np.zeros((2, 48, 48), np.uint8)).result(PATIENCE_S) == []
        assert started.scene(np.zeros((90, 160, 3), np.uint8)).result(PATIENCE_S) is None


def test_a_scene_is_seen_where_the_bundle_has_that_branch(bundle: Bundle) -> None:
    networks = (*bundle.config.networks, "scene")
    seeing = replace(bundle, config=bundle.config.model_copy(update={"networks": networks}), scene=bundle.face)
    with Runtime(seeing, TorchEngine(seeing)) as started:
        branch = started.scene(np.full((90, 160, 3), 7, np.uint8)).result(PATIENCE_S)
    assert branch is not None
    assert branch.embedding.shape == (bundle.config.face.dim,)


def test_each_utterance_is_as_sure_as_what_it_rests_on_allows(bundle: Bundle) -> None:
    temperatures = bundle.config.temperatures.model_copy(update={"fused": 1.0, "fused_by": {"text": 2.0}})
    cooler = replace(bundle, config=bundle.config.model_copy(update={"temperatures": temperatures}))
    heard = window(bundle, 2)  # the first utterance has words alone, or words and a face
    heard = Window(heard.text, [None, heard.audio[1]], [None, None], [None, None])
    with Runtime(cooler, TorchEngine(cooler)) as started:
        found = started.fuse(heard).result(PATIENCE_S)
    inputs = {name: torch.from_numpy(value) for name, value in fusion_inputs(heard, bundle.config.fusion).items()}
    with torch.no_grad():
        logits = bundle.fusion(**inputs)[0, :2].numpy()
    assert found[0] == pytest.approx(probabilities(logits[0], 2.0), abs=1e-4)
    assert found[1] == pytest.approx(probabilities(logits[1], 1.0), abs=1e-4)


def test_an_engine_that_is_replaced_in_the_middle_may_take_its_time(bundle: Bundle) -> None:
    limits_s: list[float] = []

    class Broken(TorchEngine):
        def run(self, network: ServedName, inputs: Mapping[str, Array]) -> Outputs:
            message = f"no {network} for {sorted(inputs)}"
            raise RuntimeError(message)

        def warm_up(self) -> None:
            pass

    def load(loaded: Bundle) -> TorchEngine:
        limits_s.append(runtime._limit_s())
        return TorchEngine(loaded)

    engine = FallbackEngine([Candidate("broken", Broken), Candidate("torch", load)], bundle, lambda: bundle)
    with Runtime(bundle, engine, timeout_s=30) as runtime:
        assert runtime.audio(np.zeros(16_000, np.float32)).result() is not None
        assert (limits_s, runtime._limit_s()) == ([300.0], 30.0)
