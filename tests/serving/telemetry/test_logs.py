import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from running_server import LATENCY

from serving.telemetry import logs
from serving.telemetry.event_log import EventLog
from serving.telemetry.logs import JsonFormatter, TextFormatter, without_secrets
from stream.settings import ServerSettings
from wire import events
from wire.events import Event, Totals

SECRETS = ("Ana", "so it is", "joy", "Sales")


def record(
    message: str, *arguments: object, name: str = "m2fnet.test", error: BaseException | None = None, **extra: object
) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord(name, logging.INFO, __file__, 1, message, arguments, exc_info)
    vars(made).update(extra)
    return made


def broken() -> ValueError:
    """Return an error that was raised, and quotes what somebody said."""
    with pytest.raises(ValueError, match="Ana") as raised:
        fail()
    return raised.value


def fail() -> None:
    message = "can't read 'Ana said so it is'"
    raise ValueError(message)


@pytest.fixture
def written() -> Iterator[Callable[..., list[str]]]:
    """Give what is written of events, as a list of lines."""
    logger, output = logging.getLogger("m2fnet.session"), io.StringIO()
    handler = logging.StreamHandler(output)
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    def of(*told: Event, contents: bool = False) -> list[str]:
        handler.setFormatter(JsonFormatter(contents=contents))
        journal = EventLog(contents=contents)
        for event in told:
            journal.observe(event)
        return output.getvalue().splitlines()

    yield of
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


CONVERSATION: tuple[Event, ...] = (
    events.SessionCreated(room="Sales", session="s1", seq=1, number=7, labels=[], speaker="Ana", engine="", bundle=""),
    events.ParticipantJoined(room="Sales", session="s1", seq=2, name="Ana", number=7, returning=False),
    events.TranscriptPartial(
        session="s1", room="Sales", seq=3, utterance=1, speaker="Ana", start_ms=0, text="so it is"
    ),
    events.Emotion(
        room="Sales",
        session="s1",
        seq=4,
        utterance=1,
        revision=0,
        final=True,
        speaker="Ana",
        start_ms=0,
        end_ms=900,
        text="so it is",
        label="joy",
        probabilities={"joy": 1.0},
        modalities=["text"],
        latency=LATENCY,
    ),
    events.Warning(room="Sales", session="s1", seq=5, code="transcript.failed", message="'so it is' can't be read"),
    events.Error(room="Sales", session="s1", seq=6, code="internal", message="broke: ValueError('Ana')", fatal=True),
    events.Error(code="name.taken", message="somebody called Ana is in the room", fatal=True),
    events.SessionClosed(room="Sales", session="s1", seq=7, reason="failed", totals=Totals(utterances=1)),
)


class TestJournal:
    def test_neither_names_nor_words_are_written(self, written: Callable[..., list[str]]) -> None:
        lines = written(*CONVERSATION)
        assert lines
        assert not [secret for secret in SECRETS if any(secret in line for line in lines)]
        told: list[dict[str, Any]] = [json.loads(line) for line in lines]
        assert [line["event"] for line in told] == ["session.created", "warning", "error", "error", "session.closed"]
        assert [line["session"] for line in told] == [7, 7, 7, None, 7]
        assert [line.get("code") for line in told[1:4]] == ["transcript.failed", "internal", "name.taken"]
        assert (told[-1]["reason"], told[-1]["utterances"]) == ("failed", 1)
        room = told[0]["room"]
        assert len(room) == 8
        assert [line["room"] for line in told] == [room, room, room, "", room]

    def test_all_is_written_where_it_is_asked_for(self, written: Callable[..., list[str]]) -> None:
        text = "\n".join(written(*CONVERSATION, contents=True))
        assert "session 7: began: Ana" in text
        assert "session 7: utterance: Ana, joy: so it is" in text
        assert "name.taken: somebody called Ana is in the room" in text

    def test_what_is_said_of_the_machine_is_written(self, written: Callable[..., list[str]]) -> None:
        (line,) = written(
            events.Warning(session="s", seq=1, code="camera.lost", message="camera 0 is gone; plug it in")
        )
        assert "camera.lost: camera 0 is gone; plug it in" in line

    def test_a_clients_mistakes_do_not_fill_the_log(self, written: Callable[..., list[str]]) -> None:
        mistake = events.Error(session="s", code="json.invalid", message="not JSON: Ana", fatal=False)
        (line,) = written(mistake)
        assert json.loads(line)["level"] == "debug"

    def test_another_run_has_other_names_for_rooms(self) -> None:
        one = EventLog()
        assert one.room_hash("Sales") == one.room_hash("Sales") != one.room_hash("Support")
        assert one.room_hash("Sales") != EventLog().room_hash("Sales")
        assert one.room_hash("") == ""


class TestFormats:
    @pytest.mark.parametrize("formatter", [JsonFormatter(contents=False), TextFormatter(logs.TEXT, contents=False)])
    def test_an_error_is_told_by_its_type_and_place(self, formatter: logging.Formatter) -> None:
        made = record("session %d broke", 3, error=broken(), contents="Ana")
        made.exc_text = "ValueError: Ana"  # what another handler has made of it before
        text = formatter.format(made)
        assert "session 3 broke" in text
        assert "ValueError" in text
        assert "in fail" in text
        assert "Ana said" not in text
        assert 'Ana"' not in text

    @pytest.mark.parametrize("formatter", [JsonFormatter(contents=True), TextFormatter(logs.TEXT, contents=True)])
    def test_contents_are_written_where_they_are_asked_for(self, formatter: logging.Formatter) -> None:
        text = formatter.format(record("began", error=broken(), contents="Ana"))
        assert "began: Ana" in text
        assert "can't read 'Ana said so it is'" in text

    def test_json_is_one_line_with_what_the_call_adds(self) -> None:
        text = JsonFormatter(contents=False).format(
            record("two\nlines of %s", "Zoë", event="server.ready", session=3, room="ab", error=broken())
        )
        assert "\n" not in text
        line = json.loads(text)
        assert line["time"].endswith("+00:00")
        assert (line["level"], line["logger"], line["message"]) == ("info", "m2fnet.test", "two\nlines of Zoë")
        assert (line["event"], line["session"], line["room"], line["error"]) == ("server.ready", 3, "ab", "ValueError")
        assert "args" not in line
        assert "contents" not in line

    def test_asyncio_does_not_describe_tasks(self) -> None:
        message = "Task exception was never retrieved\nfuture: <Task exception=ValueError('Ana')>"
        assert "Ana" not in TextFormatter(logs.TEXT, contents=False).format(record(message, name="asyncio"))
        call = "Exception in callback greet('Ana')"
        line = TextFormatter("%(message)s", contents=False).format(record(call, name="asyncio"))
        assert line == "Exception in callback greet"

    @pytest.mark.parametrize(
        ("text", "shown"),
        [
            ("GET /v1/events?room=R&token=s3cr3t&x=1", "GET /v1/events?room=R&token=…&x=1"),
            ("http://h/?access_token=s3cr3t", "http://h/?access_token=…"),
            ("/v1/stream?key=abc&name=R", "/v1/stream?key=…&name=R"),
            ("Authorization: Bearer abc.def-1=", "Authorization: Bearer …"),
            ("open http://127.0.0.1:8765/", "open http://127.0.0.1:8765/"),
        ],
    )
    def test_secrets_are_taken_out_of_addresses(self, text: str, shown: str) -> None:
        assert without_secrets(text) == shown
        assert json.loads(JsonFormatter(contents=True).format(record(text)))["message"] == shown


class TestConfigure:
    @pytest.fixture(autouse=True)
    def root(self, monkeypatch: pytest.MonkeyPatch) -> logging.Handler:
        """Give the root logger one handler, and put everything back in the end."""
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(logging.Formatter("%(message)s"))
        monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
        monkeypatch.setattr(threading, "excepthook", threading.excepthook)
        for name in logs.OWN_LOGGERS:
            monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
        return handler

    def output(self, root: logging.Handler) -> str:
        assert isinstance(root, logging.StreamHandler)
        return str(root.stream.getvalue())

    def test_json(self, root: logging.Handler) -> None:
        logs.configure(ServerSettings(log_format="json"))
        logging.getLogger("m2fnet.server").info("ready")
        assert json.loads(self.output(root))["message"] == "ready"

    def test_text_keeps_the_form_it_had(self, root: logging.Handler) -> None:
        logs.configure(ServerSettings())
        logging.getLogger("m2fnet.server").info("ready", extra={"contents": "Ana"})
        assert self.output(root) == "ready\n"

    def test_contents_where_they_are_asked_for(self, root: logging.Handler) -> None:
        logs.configure(ServerSettings(log_contents=True))
        logging.getLogger("m2fnet.server").info("ready", extra={"contents": "Ana"})
        assert self.output(root) == "ready: Ana\n"

    def test_a_thread_that_breaks_is_logged_without_what_it_says(
        self, root: logging.Handler, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def work() -> None:
            raise broken()

        logs.configure(ServerSettings(log_format="json"))
        thread = threading.Thread(target=work, name="vision")
        thread.start()
        thread.join()
        line = json.loads(self.output(root))
        assert (line["event"], line["error"], line["message"]) == (
            "thread.broken",
            "ValueError",
            "the thread vision broke",
        )
        assert "Ana" not in self.output(root) + capsys.readouterr().err

    def test_a_thread_that_ends_the_process_is_no_trouble(self, root: logging.Handler) -> None:
        logs.configure(ServerSettings())
        thread = threading.Thread(target=sys.exit)
        thread.start()
        thread.join()
        assert self.output(root) == ""
