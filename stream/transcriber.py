"""Speech recognition for all sessions of a process: one model, one worker thread, one bounded waiting line.

What waits is heard together, up to ``max_batch`` stretches, where the device gains by it.
"""

import logging
import threading
from concurrent.futures import Future
from typing import Final, Protocol

from stream.job_queue import Job, JobQueue
from stream.media import Samples
from stream.settings import TranscriberSettings
from stream.transcript import Transcript
from stream.whisper import Sound, Whisper

_log: Final = logging.getLogger(__name__)


class SpeechToText(Protocol):
    """What sessions need of speech recognition: :class:`Transcriber`."""

    @property
    def name(self) -> str:
        """The model and where it runs, for people."""

    @property
    def dropped_partials(self) -> int:
        """How many partial jobs were dropped because more urgent ones filled the line."""

    def submit(
        self, samples: Samples, start_ms: float, *, language: str | None = None, partial: bool = False
    ) -> Future[Transcript]:
        """Line up ``(n,)`` float32 samples at 16 kHz; word times come back as media time."""

    def close(self) -> None:
        """Cancel what waits and stop."""


class Transcriber:
    """Transcribes what sessions submit, final stretches before partial ones.

    When ``queue`` jobs wait, the oldest partial one is dropped: its future is cancelled and
    :attr:`dropped_partials` counts it. Others are never dropped: when only such wait, ``submit`` waits for room,
    so that whoever produces faster than the machine recognizes is slowed down.

    Raises:
        AsrModelError: the model is missing, does not load, or does not know the language.
    """

    def __init__(self, settings: TranscriberSettings) -> None:
        self._whisper = Whisper(settings)
        self._jobs = JobQueue(settings.queue)
        self._worker = threading.Thread(target=self._work, name="transcriber", daemon=True)
        self._worker.start()

    @property
    def name(self) -> str:
        """Return the model and where it runs, for people."""
        return self._whisper.name

    @property
    def dropped_partials(self) -> int:
        """Return how many partial jobs were dropped because more urgent ones filled the line."""
        return self._jobs.dropped

    def check_language(self, language: str | None) -> None:
        """Do nothing when the model knows the ISO 639-1 code; None is always known.

        Raises:
            ValueError: it does not; the message says what to do.
        """
        self._whisper.check_language(language)

    def submit(
        self, samples: Samples, start_ms: float, *, language: str | None = None, partial: bool = False
    ) -> Future[Transcript]:
        """Line up ``(n,)`` float32 samples at 16 kHz; word times come back as media time.

        Cancelling the future throws away a job that still waits. A job that fails sets its exception on the
        future. Must not be called from a callback of such a future, which runs in the worker: with a full line
        the worker would wait for itself.

        Args:
            samples: of any length; not to be changed afterwards.
            start_ms: media time of the first sample.
            language: ISO 639-1 code; None takes the settings' one, or else detects it.
            partial: may be dropped for lack of time.

        Raises:
            ValueError: the model does not know the language.
            RuntimeError: the transcriber is closed.
        """
        self.check_language(language)
        future: Future[Transcript] = Future()
        self._jobs.put(Job(samples, start_ms, self._whisper.told_language(language), partial, future))
        return future

    def close(self) -> None:
        """Cancel what waits, finish the job being worked on and stop the worker; more calls do nothing."""
        self._jobs.close()
        self._worker.join()

    def _work(self) -> None:
        while jobs := self._jobs.get(self._whisper.max_batch):
            self._finish(jobs)

    def _finish(self, jobs: list[Job]) -> None:
        for job in self._heard_first(jobs):
            self._hear_again(job)

    def _heard_first(self, jobs: list[Job]) -> list[Job]:
        """Finish the jobs of which the model is sure and return the others: all, when they can't be heard together."""
        try:
            transcripts = self._whisper.hear([_sound(job) for job in jobs], jobs[0].language)
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is heard alone
            if len(jobs) > 1:  # of one alone, whoever waits for it is told
                _log.warning("%d stretches could not be transcribed together", len(jobs), exc_info=True)
            return jobs
        for job, transcript in zip(jobs, transcripts, strict=True):
            if transcript is not None:
                job.future.set_result(transcript)
        return [job for job, transcript in zip(jobs, transcripts, strict=True) if transcript is None]

    def _hear_again(self, job: Job) -> None:
        try:
            transcript = self._whisper.hear_again(_sound(job), job.language)
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to whoever waits for it
            _log.debug("transcription failed", exc_info=True)
            job.future.set_exception(error)
        else:
            job.future.set_result(transcript)


def _sound(job: Job) -> Sound:
    return Sound(job.samples, job.start_ms)
