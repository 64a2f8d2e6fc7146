"""No thread of the program ends unseen: it is logged, counted, and nobody waits for it."""

import logging
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

import pytest
from waiting import PATIENCE_S

from models.threads import broken_parts, watch_future, watched_thread

ROOT = Path(__file__).parents[2]
PROGRAM = ("cli.py", "server.py", "commands", "models", "serving", "stream")
# What starts a thread or a task, and where alone that is done; what is handed to others' threads is waited for there.
STARTS = {
    r"threading\.Thread\(": {"models/threads.py"},
    # Beside the one place, two wait for what they have begun themselves.
    r"\.create_task\(|ensure_future\(": {
        "serving/tasks.py",
        "serving/sessions/open_connections.py",
        "serving/http/guarded_connection.py",
    },
}


def sources() -> dict[str, str]:
    files = [
        file for name in PROGRAM for file in ([ROOT / name] if name.endswith(".py") else (ROOT / name).rglob("*.py"))
    ]
    return {file.relative_to(ROOT).as_posix(): file.read_text(encoding="utf-8") for file in files}


@pytest.mark.parametrize("pattern", STARTS)
def test_all_are_started_where_somebody_looks_after_them(pattern: str) -> None:
    assert {name for name, text in sources().items() if re.search(pattern, text)} <= STARTS[pattern]


def broken() -> None:
    message = "what Ana said"
    raise ValueError(message)


def leaving() -> None:
    raise SystemExit(3)


@pytest.mark.parametrize(("work", "kind"), [(broken, ValueError), (leaving, SystemExit)])
def test_a_thread_that_breaks_is_logged_counted_and_told(
    work: Callable[[], None], kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    told: list[BaseException] = []
    before = broken_parts().get("test", 0)
    thread = watched_thread("test", work, told.append, name="test-7")
    thread.start()
    thread.join(PATIENCE_S)
    assert [type(error) for error in told] == [kind]
    assert broken_parts()["test"] == before + 1
    (record,) = caplog.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "the thread test-7 broke")
    assert record.exc_info is not None
    assert vars(record)["event"] == "thread.broken"


def test_a_thread_that_comes_to_its_end_is_no_news(caplog: pytest.LogCaptureFixture) -> None:
    done = threading.Event()
    before = broken_parts()
    thread = watched_thread("test", done.set, lambda _: None)
    thread.start()
    thread.join(PATIENCE_S)
    assert done.is_set()
    assert (caplog.records, broken_parts()) == ([], before)


def test_work_that_nobody_waits_for_is_looked_at(caplog: pytest.LogCaptureFixture) -> None:
    before = broken_parts().get("test", 0)
    failed, cancelled, done = Future[None](), Future[None](), Future[None]()
    for future in (failed, cancelled, done):
        watch_future("test", future)
    failed.set_exception(ValueError("what Ana said"))
    cancelled.cancel()
    done.set_result(None)
    assert broken_parts()["test"] == before + 1
    assert [record.getMessage() for record in caplog.records] == ["the thread test broke"]
