from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from talking import mouth, still, syllables, voice

from stream.media import AudioChunk
from stream.vision.delays import APART_MS, TOGETHER_MS, Delays
from stream.vision.mouth_motion import MouthMotion
from stream.vision.speaking_face import LEAST_MOTIONS, UNTOLD, Speaking, evidence


def speaking_face(faces: Mapping[int, Sequence[MouthMotion]], sound: AudioChunk, apart_ms: float) -> Speaking:
    return evidence(faces, sound).speaking(Delays.within(apart_ms))


motions = st.lists(
    st.tuples(st.floats(-0.2, 0.2), st.floats(0, 0.2)),
    max_size=60,
).map(lambda moved: [MouthMotion(40.0 * at, 40.0 * at + 40, *each) for at, each in enumerate(moved)])


@pytest.mark.parametrize("seed", range(5))
def test_the_face_whose_mouth_moves_as_the_voice_does_speaks(seed: int) -> None:
    said = syllables(seed)
    faces = {7: mouth(syllables(seed + 100)), 3: mouth(said), 5: mouth(syllables(seed + 200))}
    assert speaking_face(faces, voice(said), TOGETHER_MS) == Speaking(face=3)


@pytest.mark.parametrize("seed", range(5))
def test_nobody_speaks_whose_mouth_is_still_or_moves_otherwise(seed: int) -> None:
    sound = voice(syllables(seed))
    assert speaking_face({1: still(199)}, sound, TOGETHER_MS) == Speaking(nobody=True)
    others = {1: mouth(syllables(seed + 100)), 2: mouth(syllables(seed + 200))}
    assert speaking_face(others, sound, TOGETHER_MS).face is None


def test_without_faces_or_with_too_few_frames_nothing_is_told() -> None:
    said = syllables(0)
    assert speaking_face({}, voice(said), TOGETHER_MS) == UNTOLD
    assert speaking_face({1: mouth(said)[: LEAST_MOTIONS - 1]}, voice(said), TOGETHER_MS) == UNTOLD


def test_live_the_sound_may_come_later_than_the_picture() -> None:
    said = syllables(3)
    late = voice(np.concatenate([np.zeros(8), said]))
    faces = {1: mouth(said), 2: mouth(syllables(4))}
    assert speaking_face(faces, late, APART_MS) == Speaking(face=1)


@given(
    st.dictionaries(st.integers(1, 9), motions, max_size=4), st.integers(0, 3), st.sampled_from([TOGETHER_MS, APART_MS])
)
def test_what_is_told_is_one_of_the_faces_or_none(faces: dict[int, list[MouthMotion]], seed: int, apart: float) -> None:
    found = speaking_face(faces, voice(syllables(seed)), apart)
    assert found.face is None or (found.face in faces and not found.nobody)
    if found != UNTOLD:
        assert max(map(len, faces.values())) >= LEAST_MOTIONS


@given(st.permutations([1, 2, 3]), st.integers(0, 3))
def test_the_order_of_the_faces_is_all_the_same(order: list[int], seed: int) -> None:
    said = syllables(seed)
    known = {1: mouth(said), 2: mouth(syllables(seed + 50)), 3: still(199)}
    assert speaking_face({face: known[face] for face in order}, voice(said), TOGETHER_MS) == Speaking(face=1)


@given(st.floats(0.2, 5.0), st.floats(0.05, 1.0), st.floats(0, 3.6e6))
def test_neither_loudness_nor_nearness_nor_the_time_of_day_matter(
    size: float, loudness: float, start_ms: float
) -> None:
    said, place = syllables(1), round(start_ms)
    near = [
        MouthMotion(each.start_ms, each.end_ms, each.opening * size, each.amount * size) for each in mouth(said, place)
    ]
    sound = AudioChunk(place, voice(said).samples * np.float32(loudness))
    assert speaking_face({1: near, 2: mouth(syllables(2), place)}, sound, TOGETHER_MS) == Speaking(face=1)


def test_silence_tells_nothing_of_a_mouth_that_moves() -> None:
    silence = AudioChunk(0.0, np.zeros(128_000, np.float32))
    assert speaking_face({1: mouth(syllables(0))}, silence, TOGETHER_MS).face is None
