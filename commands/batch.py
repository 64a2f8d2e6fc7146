"""Work on one file after another: one that fails gets a line and costs no other, Ctrl-C only what is not done."""

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from commands.common import exit_code, explanation, tell
from models.files.file_names import shown
from models.user_error import UserError

log = logging.getLogger("m2fnet")


class FileWork(Protocol):
    """What is done with each of several files, which are known by their numbers from 0."""

    def check(self, number: int) -> None:
        """See whether a file can be read, before anything slow is done."""

    def start(self) -> None:
        """Make ready what all files need; an error ends the command."""

    def work(self, number: int) -> None:
        """Do the work of a file."""

    def finish(self) -> None:
        """Write what was kept of the files that were done."""


def work_through(files: Sequence[str], job: FileWork) -> int:
    """Do a job with each file, and return the exit code: 1 if any failed, each with a line on standard error.

    After Ctrl-C what was done is still finished, and told with what is missing.

    Args:
        files: what they are called.
        job: is given their numbers.
    """
    undone = list(range(len(files)))
    try:
        good = [number for number in undone if _succeeds(job.check, number, files[number])]
        if good:
            job.start()
        for number in good:
            if _succeeds(job.work, number, files[number]):
                undone.remove(number)
    except KeyboardInterrupt as interrupt:
        job.finish()
        if len(files) > 1:
            missing = ", ".join(shown(files[number]) for number in undone)
            tell(f"{len(files) - len(undone)} of {len(files)} files are done; missing: {missing}")
        return exit_code(interrupt)
    job.finish()
    return 1 if undone else 0


def _succeeds(step: Callable[[int], None], number: int, file: str) -> bool:
    try:
        step(number)
    except BrokenPipeError:
        raise
    except Exception as error:
        log.debug("%s failed", shown(file), exc_info=True)
        why = explanation(error)
        tell(why if isinstance(error, UserError) else f"{shown(file)}: {why}")
        return False
    return True
