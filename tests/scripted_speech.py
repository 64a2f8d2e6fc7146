"""Speech recognition that answers as a test says, for sessions whose other parts are the real ones."""

from collections.abc import Callable
from concurrent.futures import Future

from stream.media import SAMPLES_PER_MS
from stream.speech.job_queue import AsrJob, PackJob
from stream.speech.transcriber import AsrFigures
from stream.speech.transcript import Transcript, Word


class ScriptedSpeech:
    """Hears "so happy" in everything, at once, unless ``answer`` does otherwise with the future of what was asked.

    Args:
        answer: gets the future, what would be heard, and whether it is a partial one.
        make: gives the futures.
    """

    name = "scripted"
    figures = AsrFigures()
    hangs = False

    def __init__(
        self,
        answer: Callable[[Future[Transcript], Transcript, bool], None] | None = None,
        make: Callable[[], Future[Transcript]] = Future,
    ) -> None:
        self.asked: list[tuple[bool, float, int]] = []
        self._make = make
        self._answer = answer or (lambda future, heard, _: future.set_result(heard))

    def check_language(self, language: str | None) -> None:
        if language not in {None, "en"}:
            message = f"no {language}, only en"
            raise ValueError(message)

    def submit(self, job: AsrJob) -> Future[Transcript]:
        future = self._make()
        self.asked.append((job.partial, job.start_ms, len(job.samples)))
        self._answer(future, happy(job.start_ms, len(job.samples) / SAMPLES_PER_MS), job.partial)
        return future

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        job.future.set_result([None] * len(job.pack.sounds))
        return job.future

    def close(self) -> None:
        pass


def happy(start_ms: float, duration_ms: float) -> Transcript:
    """Return two words that fill a stretch."""
    half = start_ms + duration_ms / 2
    words = (Word("so", start_ms, half, 0.9), Word("happy", half, start_ms + duration_ms, 0.9))
    return Transcript("so happy", words, "en")
