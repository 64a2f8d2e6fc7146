"""The first hearing of several sounds, compared with one at a time and with faster-whisper's own way."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import pytest
from faster_whisper import WhisperModel
from speech_clips import MEDIA, ONE_SENTENCE, TWO_SPEAKERS, noise, silence

from models.media.sound import read_sound
from stream.media import SAMPLE_RATE, Samples
from stream.settings import TranscriberSettings
from stream.speech.pack import Pack
from stream.speech.sound import Sound
from stream.speech.transcript import Transcript
from stream.speech.whisper import Whisper

CLIPS = [
    Sound(read_sound(ONE_SENTENCE), 5_000.0),
    Sound(read_sound(TWO_SPEAKERS), 0.0),
    Sound(read_sound(TWO_SPEAKERS)[: 4 * SAMPLE_RATE], 100.0),
    Sound(read_sound(TWO_SPEAKERS)[3 * SAMPLE_RATE :], 3_000.0),
]


@cache
def whisper(silence_ms: int) -> Whisper:
    return Whisper(TranscriberSettings(device="cpu", threads=1, trailing_silence_ms=silence_ms))


def plain(transcript: Transcript) -> list[str]:
    bare = "".join(letter if letter.isalnum() else " " for letter in transcript.text.lower())
    return bare.split()


def furthest(one: Transcript, other: Transcript) -> float:
    """Return by how much the times of the same words differ at most, in milliseconds."""
    assert len(one.words) == len(other.words)
    pairs = zip(one.words, other.words, strict=True)
    return max(max(abs(a.start_ms - b.start_ms), abs(a.end_ms - b.end_ms)) for a, b in pairs)


def sure(transcripts: Sequence[Transcript | None]) -> list[Transcript]:
    found = [transcript for transcript in transcripts if transcript is not None]
    assert len(found) == len(transcripts)
    return found


@pytest.mark.slow
def test_sounds_heard_together_have_the_words_and_times_of_each_alone() -> None:
    together = sure(whisper(12_000).hear(CLIPS))
    for sound, transcript in zip(CLIPS, together, strict=True):
        (alone,) = sure(whisper(12_000).hear([sound]))
        assert plain(transcript) == plain(alone)
        assert furthest(transcript, alone) <= 60


@pytest.mark.slow
def test_in_the_whole_window_they_are_those_of_faster_whispers_own_way() -> None:
    for sound, transcript in zip(CLIPS, sure(whisper(30_000).hear(CLIPS)), strict=True):
        own = whisper(30_000).hear_again(sound)
        assert transcript.text == own.text
        assert furthest(transcript, own) <= 20


@pytest.mark.slow
@pytest.mark.skipif(not MEDIA.is_dir(), reason="the sample media are not here (M2FNET_DATA)")
def test_turns_of_a_telephone_talk_are_those_of_faster_whispers_own_way() -> None:
    talk = read_sound(MEDIA / "two_speakers.wav")
    lines = (MEDIA / "two_speakers.stm").read_text().splitlines()
    times = [(float(start), float(end)) for *_, start, end, _ in (line.split(None, 5) for line in lines)]
    turns = [Sound(talk[round(a * SAMPLE_RATE) : round(b * SAMPLE_RATE)], a * 1000) for a, b in times]
    heard = [transcript for at in range(0, len(turns), 8) for transcript in whisper(30_000).hear(turns[at : at + 8])]
    compared = 0
    for sound, transcript in zip(turns, heard, strict=True):
        if transcript is not None:
            own = whisper(30_000).hear_again(sound)
            assert transcript.text == own.text
            assert furthest(transcript, own) <= 50
            compared += 1
    assert compared >= len(turns) // 2


@pytest.mark.parametrize(
    "samples",
    [
        silence(0),
        *(pytest.param(samples, marks=pytest.mark.slow) for samples in (silence(0.01), silence(3))),
        noise(3, 0.03),
    ],
    ids=lambda x: f"{len(x)}",
)
def test_doubt_about_one_sound_is_no_doubt_about_another(samples: Samples) -> None:
    clip, doubtful = whisper(12_000).hear([CLIPS[0], Sound(samples, 0.0)])
    assert clip is not None
    assert "white" in clip.text
    assert doubtful is None
    assert whisper(12_000).transcribe(samples, 0.0).rejected


BACKWARDS = Sound(read_sound(TWO_SPEAKERS)[::-1].copy(), 0.0)
"""Speech in no language that the model knows."""


def test_hearing_the_same_again_gives_the_same_though_it_takes_a_second_try(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []
    generate = WhisperModel.generate_with_fallback
    monkeypatch.setattr(
        WhisperModel, "generate_with_fallback", lambda *given: tries.append(given[-1].beam_size) or generate(*given)
    )
    believing = Whisper(
        TranscriberSettings(device="cpu", threads=1, word_probability=0, log_probability_threshold=-0.5)
    )
    tries.clear()  # of its loading
    heard = {believing.hear_again(BACKWARDS).text for _ in range(3)}
    assert tries[:2] == [1, 5]
    assert len(heard) == 1
    assert heard != {""}


def test_words_made_of_another_language_are_doubted_not_taken_for_silence() -> None:
    assert whisper(12_000).hear([BACKWARDS]) == [None]
    transcript = whisper(12_000).hear_again(BACKWARDS)
    assert (transcript.text, transcript.words, transcript.rejected) == ("", (), None)
    assert transcript.doubted == "not understood"


def test_a_sound_longer_than_the_window_is_left_to_the_second_hearing() -> None:
    long = Sound(np.concatenate([CLIPS[1].samples] * 4), 0.0)
    clip, left = whisper(12_000).hear([CLIPS[0], long])
    assert clip is not None
    assert left is None
    assert whisper(12_000).hear([long]) == [None]


def test_words_beyond_a_sounds_own_limit_are_left_to_the_second_hearing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stream.speech.whisper._MIN_TOKENS", 0)
    monkeypatch.setattr("stream.speech.whisper._TOKENS_PER_S", 1)
    assert whisper(12_000).hear(CLIPS[:1]) == [None]


@pytest.mark.parametrize(("setting", "most"), [(0, 1), (4, 4)])
def test_how_many_are_heard_together_is_set_or_follows_from_the_device(setting: int, most: int) -> None:
    assert Whisper(TranscriberSettings(device="cpu", threads=1, max_batch=setting)).max_batch == most


def test_sounds_of_one_window_have_their_own_words_and_what_is_no_speech_stays_in_doubt() -> None:
    sentence = read_sound(ONE_SENTENCE)
    pack = Pack([Sound(sentence, 1_000.0), Sound(noise(1.0, 0.03), 9_000.0), Sound(sentence, 20_000.0)])
    first, nothing, second = whisper(12_000).hear_pack(pack)
    assert nothing is None
    for sound, transcript in zip(pack.sounds[::2], sure([first, second]), strict=True):
        assert "white" in plain(transcript)
        assert all(sound.start_ms <= word.start_ms <= word.end_ms <= sound.end_ms for word in transcript.words)


def test_a_short_sound_with_no_other_beside_it_is_heard_as_it_is_live() -> None:
    (sound,) = CLIPS[:1]
    assert whisper(12_000).hear_pack(Pack([sound])) == whisper(12_000).hear([sound])
