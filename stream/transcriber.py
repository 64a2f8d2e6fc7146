"""Speech recognition for all sessions of a process: one model, one worker thread, one bounded waiting line.

What waits is heard together, up to ``max_batch`` stretches, where the device gains by it.
"""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from models.runtime.figures import BatchFigures, BatchTally
from models.threads import as_exception, note_broken, watched_thread
from stream.job_queue import Job, JobQueue
from stream.media import SAMPLE_RATE, Samples
from stream.settings import TranscriberSettings
from stream.transcript import Transcript
from stream.whisper import Sound, Whisper

_log: Final = logging.getLogger(__name__)


Heard = Literal["final", "partial", "failed"]


@dataclass(frozen=True)
class AsrFigures:
    """What speech recognition did so far, and what waits for it.

    Attributes:
        first: hearings with little silence, of one stretch or several together.
        again: hearings in the whole window, of stretches that left a doubt.
        done: stretches by what came of them.
        sound_s: their sound, in seconds.
    """

    waiting: int = 0
    waiting_partials: int = 0
    dropped_partials: int = 0
    first: BatchFigures = field(default_factory=BatchFigures)
    again: BatchFigures = field(default_factory=BatchFigures)
    done: Mapping[Heard, int] = field(default_factory=dict)
    sound_s: float = 0.0


class SpeechToText(Protocol):
    """What sessions need of speech recognition: :class:`Transcriber`."""

    @property
    def name(self) -> str:
        """The model and where it runs, for people."""

    @property
    def figures(self) -> AsrFigures:
        """What was done so far, and what waits."""

    def check_language(self, language: str | None) -> None:
        """Do nothing when it knows the ISO 639-1 code, else raise ValueError; None is always known."""

    def submit(
        self, samples: Samples, start_ms: float, *, language: str | None = None, partial: bool = False
    ) -> Future[Transcript]:
        """Line up ``(n,)`` float32 samples at 16 kHz; word times come back as media time."""

    def close(self) -> None:
        """Cancel what waits and stop."""


class Transcriber:
    """Transcribes what sessions submit, final stretches before partial ones.

    When ``queue`` jobs wait, the oldest partial one is dropped: its future is cancelled and
    :attr:`figures` count it. Others are never dropped: when only such wait, ``submit`` waits for room,
    so that whoever produces faster than the machine recognizes is slowed down.

    Raises:
        AsrModelError: the model is missing, does not load, or does not know the language.
    """

    def __init__(self, settings: TranscriberSettings) -> None:
        self._whisper = Whisper(settings)
        self._jobs = JobQueue(settings.queue)
        self._first, self._again = BatchTally(), BatchTally()
        self._done: Counter[Heard] = Counter({"final": 0, "partial": 0, "failed": 0})
        self._sound_s = 0.0
        self._worker = watched_thread("transcriber", self._work, lambda _: self._jobs.close())
        self._worker.start()

    @property
    def name(self) -> str:
        """Return the model and where it runs, for people."""
        return self._whisper.name

    @property
    def figures(self) -> AsrFigures:
        """Return what was done so far and what waits."""
        waiting, partials = self._jobs.waiting
        return AsrFigures(
            waiting=waiting,
            waiting_partials=partials,
            dropped_partials=self._jobs.dropped,
            first=self._first.figures,
            again=self._again.figures,
            done=dict(self._done),
            sound_s=self._sound_s,
        )

    def check_language(self, language: str | None) -> None:
        """Do nothing when the model knows the ISO 639-1 code; None is always known.

        Raises:
            ValueError: it does not; the message has those it knows.
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
            try:
                self._finish(jobs)
            except BaseException as error:  # noqa: BLE001 - nobody must wait for these; the next may go better
                note_broken("thread", "transcriber", error)
                _refuse(jobs, error)

    def _finish(self, jobs: list[Job]) -> None:
        for job in self._heard_first(jobs):
            self._hear_again(job)

    def _heard_first(self, jobs: list[Job]) -> list[Job]:
        """Finish the jobs of which the model is sure and return the others: all, when they can't be heard together."""
        start = time.perf_counter()
        try:
            transcripts = self._whisper.hear([_sound(job) for job in jobs], jobs[0].language)
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is heard alone
            if len(jobs) > 1:  # of one alone, whoever waits for it is told
                _log.warning("%d stretches could not be transcribed together", len(jobs), exc_info=True)
            return jobs
        self._first.note(len(jobs), time.perf_counter() - start)
        for job, transcript in zip(jobs, transcripts, strict=True):
            if transcript is not None:
                self._count(job)
                job.future.set_result(transcript)
        return [job for job, transcript in zip(jobs, transcripts, strict=True) if transcript is None]

    def _hear_again(self, job: Job) -> None:
        start = time.perf_counter()
        try:
            transcript = self._whisper.hear_again(_sound(job), job.language)
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to whoever waits for it
            _log.debug("transcription failed", exc_info=True)
            self._done["failed"] += 1
            job.future.set_exception(error)
        else:
            self._again.note(1, time.perf_counter() - start)
            self._count(job)
            job.future.set_result(transcript)

    def _count(self, job: Job) -> None:
        self._done["partial" if job.partial else "final"] += 1
        self._sound_s += len(job.samples) / SAMPLE_RATE


def _refuse(jobs: Iterable[Job], error: BaseException) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(as_exception(error))


def _sound(job: Job) -> Sound:
    return Sound(job.samples, job.start_ms)
