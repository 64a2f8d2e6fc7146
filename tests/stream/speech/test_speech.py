"""From real sound to utterances with words: what the segmenter and the transcriber do together."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from speech_clips import (
    MEDIA,
    ONE_SENTENCE,
    TWO_SPEAKERS,
    TWO_SPEAKERS_WORDS,
    Listener,
    segmented,
    word_error_rate,
)

from models.media.sound import read_sound
from stream.settings import TranscriberSettings
from stream.speech.job_queue import AsrJob
from stream.speech.transcriber import Transcriber

needs_media = pytest.mark.skipif(not MEDIA.is_dir(), reason="the sample media are not here (M2FNET_DATA)")
GRID = {
    "bbaf2n": "bin blue at f two now",
    "lbax4n": "lay blue at x four now",
    "lwbsza": "lay white by s zero again",
    "pwij3p": "place white in j three please",
    "sbia1a": "set blue in a one again",
}


@pytest.fixture(scope="module")
def transcriber() -> Iterator[Transcriber]:
    loaded = Transcriber(TranscriberSettings(device="cpu", threads=1))
    yield loaded
    loaded.close()


def test_two_people_without_a_pause_are_cut_at_their_sentences(transcriber: Transcriber) -> None:
    heard = Listener(transcriber, interval_ms=2_000).listen(read_sound(TWO_SPEAKERS))
    assert len(heard) >= 3
    assert [end.reason for end, _ in heard].count("sentence") >= 2
    assert all(a.segment.end_ms <= b.segment.start_ms for (a, _), (b, _) in pairwise(heard))
    text = " ".join(transcript.text for _, transcript in heard)
    assert word_error_rate(TWO_SPEAKERS_WORDS, text) < 0.3


def test_one_sentence_is_one_utterance_with_its_words(transcriber: Transcriber) -> None:
    ((_, transcript),) = Listener(transcriber).listen(read_sound(ONE_SENTENCE))
    assert "white" in transcript.text.lower()


@pytest.mark.slow
@needs_media
@pytest.mark.parametrize("interval_ms", [700, 1_000, 1_500, 2_000])
def test_the_dialog_of_two_speakers(transcriber: Transcriber, interval_ms: int) -> None:
    heard = Listener(transcriber, interval_ms).listen(read_sound(MEDIA / "two_speakers.wav"))
    reference = " ".join(line.split(None, 5)[5] for line in (MEDIA / "two_speakers.stm").read_text().splitlines())
    segments = [end.segment for end, _ in heard]
    assert len(segments) >= 6
    assert min(segment.start_ms for segment in segments) >= 6_400
    assert max(segment.end_ms - segment.start_ms for segment in segments) <= 8_000
    text = " ".join(transcript.text for _, transcript in heard)
    assert word_error_rate(reference, text) < 0.3  # each kind of processor rounds differently: 0.20 to 0.26 here
    assert text.lower().count("hello") <= 4, "three are said"


@pytest.mark.slow
@needs_media
@pytest.mark.parametrize("clip", ["expressive_face.mp4", "crowd.mp4"])
def test_clips_without_speech_have_no_utterance_and_no_words(transcriber: Transcriber, clip: str) -> None:
    samples = read_sound(MEDIA / clip)
    assert segmented(samples) == []
    assert transcriber.submit(AsrJob(samples, 0.0)).result().rejected


@pytest.mark.slow
@needs_media
def test_each_short_clip_is_one_utterance_with_mostly_right_words(transcriber: Transcriber) -> None:
    right = total = 0
    for name, sentence in GRID.items():
        ((_, transcript),) = Listener(transcriber).listen(read_sound(Path(MEDIA / f"grid_{name}.mpg")))
        heard = transcript.text.lower().replace(".", "").split()
        plain = [word for word in sentence.split() if word not in _SPELLED]  # "X4" for "x four" is right too
        right += sum(word in heard for word in plain)
        total += len(plain)
    assert right / total > 0.75


_SPELLED = frozenset({"f", "x", "s", "j", "a", "two", "four", "zero", "three", "one"})
