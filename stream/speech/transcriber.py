"""Speech recognition for all sessions of a process: one model, one worker thread, one bounded waiting line.

What waits is heard together, up to ``max_batch`` stretches, where the device gains by it.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol, TypeVar

from models.runtime.figures import BatchFigures, BatchTally
from models.runtime.watchdog import HungError, Watchdog
from models.threads import as_exception, note_broken, watched_thread
from stream.media import SAMPLE_RATE
from stream.settings import TranscriberSettings
from stream.speech.job_queue import AsrJob, Job, JobQueue, PackJob
from stream.speech.sound import Sound
from stream.speech.transcript import Transcript
from stream.speech.whisper import Whisper

_log: Final = logging.getLogger(__name__)
_PATIENCE: Final = 10.0  # times its sound that a hearing may take, besides the time that any may


Heard = Literal["final", "partial", "failed", "timeout"]
Result = TypeVar("Result")


class _GivenUpError(Exception):
    """What was being heard was failed meanwhile: nobody waits for it any more."""


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


Transcribe = Callable[[AsrJob], Future[Transcript]]
"""Lines up a job for one session."""


class SpeechToText(Protocol):
    """What sessions need of speech recognition: :class:`Transcriber`."""

    @property
    def name(self) -> str:
        """The model and where it runs, for people."""

    @property
    def figures(self) -> AsrFigures:
        """What was done so far, and what waits."""

    @property
    def hangs(self) -> bool:
        """Whether it does not answer at present."""

    def check_language(self, language: str | None) -> None:
        """Do nothing when it knows the ISO 639-1 code, else raise ValueError; None is always known."""

    def submit(self, job: AsrJob) -> Future[Transcript]:
        """Line up a job; return the future of its words."""

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        """Line up sounds that are heard in one window; return the future of the words of each."""

    def close(self) -> None:
        """Cancel what waits and stop."""


class Transcriber:
    """Transcribes what sessions submit, final stretches before partial ones, one session after the other.

    When ``queue`` jobs wait, the oldest partial one is dropped: its future is cancelled and
    :attr:`figures` count it. Others are never dropped: when only such wait, ``submit`` waits for room,
    so that whoever produces faster than the machine recognizes is slowed down. Nothing is waited for without end:
    where the model does not answer in time, what is heard and all that waits fail with HungError, and so does whatever
    is submitted until it answers.

    Raises:
        AsrModelError: the model is missing, does not load, or does not know the language.
    """

    def __init__(self, settings: TranscriberSettings) -> None:
        self._whisper = Whisper(settings)
        self._timeout_s = settings.timeout_s
        self._watchdog: Watchdog[Job] = Watchdog("transcriber-watch", self._give_up, settings.timeout_s)
        self._jobs = JobQueue(settings.queue, self._whisper.max_batch, lambda: self._watchdog.hangs)
        self._first, self._again = BatchTally(), BatchTally()
        self._done: Counter[Heard] = Counter({"final": 0, "partial": 0, "failed": 0, "timeout": 0})
        self._counting = threading.Lock()
        self._sound_s = 0.0
        self._worker = watched_thread("transcriber", self._work, self._broke)
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

    @property
    def hangs(self) -> bool:
        """Return whether the model does not answer: all that is submitted fails until it does."""
        return self._watchdog.hangs

    def check_language(self, language: str | None) -> None:
        """Do nothing when the model knows the ISO 639-1 code; None is always known.

        Raises:
            ValueError: it does not; the message has those it knows.
        """
        self._whisper.check_language(language)

    def submit(self, job: AsrJob) -> Future[Transcript]:
        """Line up a job; return the future of its words.

        Cancelling the future throws away a job that still waits. A job that fails sets its exception on the
        future. Must not be called from a callback of such a future, which runs in the worker: with a full line
        the worker would wait for itself.

        Raises:
            ValueError: the model does not know the language.
            RuntimeError: the transcriber is closed.
        """
        self._line_up(job)
        return job.future

    def submit_pack(self, job: PackJob) -> Future[list[Transcript | None]]:
        """Line up sounds that are heard in one window; return the future of the words of each.

        None stands for a doubt: such a sound is to be heard alone, by :meth:`submit`, which also says of the other
        things that hold here.

        Raises:
            ValueError: the model does not know the language.
            RuntimeError: the transcriber is closed.
        """
        self._line_up(job)
        return job.future

    def _line_up(self, job: Job) -> None:
        self.check_language(job.language)
        told = replace(job, language=self._whisper.told_language(job.language))
        try:
            self._jobs.put(told)
        except HungError as error:
            self._fail([told], error)

    def close(self) -> None:
        """Cancel what waits, finish the job being worked on, unless it hangs, and stop; more calls do nothing."""
        self._jobs.close()
        self._watchdog.join(self._worker)

    def _work(self) -> None:
        while jobs := self._jobs.get():
            try:
                self._finish(jobs)
            except BaseException as error:  # noqa: BLE001 - nobody must wait for these; the next may go better
                self._watchdog.end()
                note_broken("thread", "transcriber", error)
                _refuse(jobs, error)

    def _broke(self, _: BaseException) -> None:
        """Let nobody wait for a thread that is gone."""
        self._watchdog.close()
        self._jobs.close()

    def _finish(self, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if isinstance(job, PackJob):
                self._hear_pack(job)
        left = self._heard_first(alone) if (alone := [job for job in jobs if isinstance(job, AsrJob)]) else []
        while left:
            left = self._heard_again(left)

    def _hear_pack(self, job: PackJob) -> None:
        try:
            transcripts = self._watched(
                [job], [job], self._first, len(job.pack.sounds), lambda: self._whisper.hear_pack(job.pack, job.language)
            )
        except _GivenUpError:
            return
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to whoever waits for it
            self._break(job, error)
        else:
            self._tell(job, job.future, transcripts)

    def _heard_first(self, jobs: list[AsrJob]) -> list[AsrJob]:
        """Finish the jobs of which the model is sure and return the others: all, when they can't be heard together."""
        try:
            transcripts = self._watched(jobs, jobs, self._first, len(jobs), lambda: _together(self._whisper, jobs))
        except _GivenUpError:
            return []
        except Exception:  # noqa: BLE001 - whose fault it is shows when each is heard alone
            if len(jobs) > 1:  # of one alone, whoever waits for it is told
                _log.warning("%d stretches could not be transcribed together", len(jobs), exc_info=True)
            return jobs
        for job, transcript in zip(jobs, transcripts, strict=True):
            if transcript is not None:
                self._tell(job, job.future, transcript)
        return [job for job, transcript in zip(jobs, transcripts, strict=True) if transcript is None]

    def _heard_again(self, jobs: list[AsrJob]) -> list[AsrJob]:
        """Finish the first of the jobs and return the others; none if they were given up meanwhile."""
        job, *others = jobs
        try:
            transcript = self._watched(
                jobs, [job], self._again, 1, lambda: self._whisper.hear_again(_sound(job), job.language)
            )
        except _GivenUpError:
            return []
        except Exception as error:  # noqa: BLE001 - whatever went wrong belongs to whoever waits for it
            self._break(job, error)
        else:
            self._tell(job, job.future, transcript)
        return others

    def _watched(
        self,
        waiting: Sequence[Job],
        heard: Sequence[Job],
        tally: BatchTally,
        stretches: int,
        hear: Callable[[], Result],
    ) -> Result:
        """Return what is heard of some of the jobs that wait, and note how long it took.

        Raises:
            _GivenUpError: it took too long, and all that wait were failed meanwhile.
            Exception: whatever went wrong.
        """
        self._watchdog.begin(waiting, lambda: self._timeout_s + _patience_s(heard))
        found, spent_s = _ended(self._watchdog, hear)
        tally.note(stretches, spent_s)
        return found

    def _break(self, job: Job, error: Exception) -> None:
        _log.debug("transcription failed", exc_info=error)
        self._done["failed"] += 1
        job.future.set_exception(error)

    def _give_up(self, jobs: Sequence[Job], spent_s: float) -> None:
        """Fail what the model does not answer to, and all that waits for it; in the watchdog's thread."""
        _log.error("speech recognition has not answered for %.0f s: see transcriber.timeout_s", spent_s)
        self._fail([*jobs, *self._jobs.give_up()], HungError("speech recognition does not answer"))

    def _fail(self, jobs: Sequence[Job], error: HungError) -> None:
        with self._counting:  # whoever submits may be told in its own thread
            self._done["timeout"] += len(jobs)
        for job in jobs:
            job.future.set_exception(error)

    def _tell(self, job: Job, future: Future[Result], found: Result) -> None:
        self._done["partial" if job.partial else "final"] += 1
        self._sound_s += len(job.samples) / SAMPLE_RATE
        future.set_result(found)


def _refuse(jobs: Sequence[Job], error: BaseException) -> None:
    for job in jobs:
        if not job.future.done():
            job.future.set_exception(as_exception(error))


def _ended(watchdog: Watchdog[Job], hear: Callable[[], Result]) -> tuple[Result, float]:
    """Return what is heard under a watchdog that has begun to watch, and the seconds that it took.

    Raises:
        _GivenUpError: it took too long, and all that wait were failed meanwhile.
        Exception: whatever went wrong.
    """
    start = time.perf_counter()
    try:
        found = hear()
    except Exception as error:
        if watchdog.end():
            raise _GivenUpError from error
        raise
    spent_s = time.perf_counter() - start
    if watchdog.end():
        _log.warning("speech recognition answers again, after %.0f s", spent_s)
        raise _GivenUpError
    return found, spent_s


def _patience_s(jobs: Sequence[Job]) -> float:
    """Return for how long hearing these may take, besides the time that every one may."""
    return _PATIENCE * sum(job.samples.size for job in jobs) / SAMPLE_RATE


def _together(whisper: Whisper, jobs: Sequence[AsrJob]) -> list[Transcript | None]:
    return whisper.hear([_sound(job) for job in jobs], jobs[0].language)


def _sound(job: AsrJob) -> Sound:
    return Sound(job.samples, job.start_ms)
