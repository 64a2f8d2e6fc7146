"""Real speech, made sound, and what is done with a file: shared by the speech tests."""

import os
import re
from pathlib import Path

import jiwer
import numpy as np

from stream.media import SAMPLE_RATE, SAMPLES_PER_MS, AudioChunk, Samples
from stream.speech.job_queue import AsrJob
from stream.speech.segmenter import Segmenter, SegmentEvent, UtteranceEnd
from stream.speech.transcriber import Transcriber
from stream.speech.transcript import Transcript, Word
from stream.speech.vad import SpeechDetector
from wire.settings import SegmenterSettings

ROOT = Path(__file__).parents[1]
SPEECH = ROOT / "tests" / "fixtures" / "speech"
ONE_SENTENCE = SPEECH / "one_sentence.opus"
TWO_SPEAKERS = SPEECH / "two_speakers.opus"
TWO_SPEAKERS_WORDS = (
    "This is Diane in New Jersey. And I'm Sheila in Texas, originally from Chicago. "
    "Oh, I'm originally from Chicago also. I'm in New Jersey now though."
)
_DATA = os.environ.get("M2FNET_DATA")
MEDIA = (Path(_DATA).parent if _DATA else ROOT.parent / "shared") / "media"


def noise(seconds: float, level: float) -> Samples:
    rng = np.random.default_rng(0)
    return (rng.standard_normal(round(seconds * SAMPLE_RATE)) * level).astype(np.float32)


def chords(seconds: float) -> Samples:
    """Return struck chords, two a second."""
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    tones = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220.0, 277.2, 329.6, 440.0))
    return (0.1 * tones * np.exp(-4 * (time % 0.5))).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def word_error_rate(reference: str, text: str) -> float:
    return float(jiwer.wer(plain(reference), plain(text) or "-"))


def plain(text: str) -> str:
    """Return the words alone: their case and points differ with what is heard beside them."""
    return " ".join(re.sub(r"[^\w' ]", " ", text.lower()).split())


def text_of(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)


def segmented(samples: Samples) -> list[SegmentEvent]:
    segmenter = Segmenter(SegmenterSettings(), SpeechDetector())
    return segmenter.push(AudioChunk(0.0, samples)) + segmenter.finish()


class Listener:
    """What a session does with a file's sound: partial transcripts cut it, the ends are transcribed."""

    def __init__(self, transcriber: Transcriber, interval_ms: float = 1000.0) -> None:
        self._transcriber = transcriber
        self._interval_ms = interval_ms
        self._segmenter = Segmenter(SegmenterSettings(), SpeechDetector())
        self.events: list[SegmentEvent] = []

    def listen(self, samples: Samples) -> list[tuple[UtteranceEnd, Transcript]]:
        heard_ms = 0.0
        for start in range(0, len(samples), SAMPLE_RATE // 10):
            chunk = AudioChunk(start / SAMPLES_PER_MS, samples[start : start + SAMPLE_RATE // 10])
            self.events += self._segmenter.push(chunk)
            heard_ms = self._partial(heard_ms)
        self.events += self._segmenter.finish()
        ends = [event for event in self.events if isinstance(event, UtteranceEnd)]
        return [(end, self._transcript(end)) for end in ends]

    def _partial(self, heard_ms: float) -> float:
        segment = self._segmenter.open_segment()
        if segment is None or segment.end_ms - max(heard_ms, segment.start_ms) < self._interval_ms:
            return heard_ms
        transcript = self._transcriber.submit(AsrJob(segment.samples, segment.start_ms, partial=True)).result()
        self.events += self._segmenter.words(transcript.words)
        return segment.end_ms

    def _transcript(self, end: UtteranceEnd) -> Transcript:
        if end.words is not None:
            return Transcript(text_of(end.words), end.words, "en")
        return self._transcriber.submit(AsrJob(end.segment.samples, end.segment.start_ms)).result()
