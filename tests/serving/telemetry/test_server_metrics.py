import json
import re
import threading
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from running_server import EverySound, Running, closing, control, event, frame, get, running, sound, until
from waiting import PATIENCE_S

from serving.telemetry.figures import why_not_ready
from serving.telemetry.status import ServerStatus
from wire.events import Totals

DOCUMENT = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


async def scrape(run: Running) -> Samples:
    status, headers, body = await get(run.port, "/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    families = text_string_to_metric_families(body.decode())
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


async def status(run: Running) -> ServerStatus:
    code, _, body = await get(run.port, "/v1/status")
    assert code == 200
    return ServerStatus.model_validate_json(body, strict=True, extra="forbid")


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"m2fnet_{name}", frozenset(labels.items())]


async def test_every_metric_is_described_with_its_kind_and_labels_and_no_other() -> None:
    async with running() as run:
        client = await run.open("/v1/stream?room=R&name=Ana")
        await client.send(sound())
        await until(client, "emotion")
        _, _, body = await get(run.port, "/metrics")
    rows = re.findall(r"^\| `((?:m2fnet|process)_\w+)` \| (\w+) \|([^|]*)\|", DOCUMENT, re.MULTILINE)
    described = {
        name.removesuffix("_total"): (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows
    }
    told = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert described.keys() == told.keys()
    for name, (kind, labels) in described.items():
        assert told[name].type == kind
        assert told[name].documentation
        for sample in told[name].samples:
            assert set(sample.labels) - {"le"} == labels


async def test_every_loss_is_described_and_no_other() -> None:
    async with running() as run:
        samples = await scrape(run)
    table = DOCUMENT.split("`m2fnet_dropped_total` counts:")[1].split("## ")[0]
    described = {
        frozenset({("what", what), ("reason", why)}) for what, why in re.findall(r"\| `(\w+)` \| `(\w+)`", table)
    }
    assert {labels for name, labels in samples if name == "m2fnet_dropped_total"} == described


async def test_sessions_rooms_and_what_they_did_are_counted() -> None:
    async with running() as run:
        alone, ana = await run.open(), await run.open("/v1/stream?room=R&name=Ana")
        watcher = await run.open("/v1/events?room=R")
        await event(watcher)
        for client in (alone, ana):
            await client.send(sound())
            await client.send(frame(1000))
            await until(client, "faces")
        await alone.send("garbage")
        await until(alone, "error")
        during = await scrape(run)
        await alone.send(control("session.close"))
        await closing(alone)
        await run.until(lambda health: health["sessions"] == 1)
        after = await scrape(run)
    assert [value(during, name) for name in ("sessions", "sessions_streaming", "rooms", "participants")] == [2, 2, 1, 1]
    assert (value(during, "watchers"), value(during, "limit", what="sessions")) == (1, 8)
    assert value(during, "emotions_total", label="joy", stage="final") == 2
    assert value(during, "latency_seconds_count", stage="total") == 2
    assert value(during, "errors_total", code="json.invalid") == 1
    assert value(during, "events_total", type="faces") == 2
    assert value(during, "video_frames_total") == 2
    assert value(during, "event_loop_lag_seconds_count") > 0
    assert (value(after, "sessions"), value(after, "sessions_closed_total", reason="client")) == (1, 1)
    assert value(after, "utterances_total") == value(during, "utterances_total") == 2  # those that ended still count


async def test_the_models_tell_what_they_compute_and_what_waits() -> None:
    async with running() as run:
        samples = await scrape(run)
    assert value(samples, "engine_info", engine="none", bundle="test") == 1
    assert value(samples, "engine_building") == 1
    assert value(samples, "engine_fallbacks_total", engine="worse") == 1
    assert value(samples, "engine_requests_total", network="face") == 6
    assert value(samples, "engine_batch_requests_bucket", network="face", le="1.0") == 0
    assert value(samples, "engine_batch_requests_bucket", network="face", le="2.0") == 3
    assert value(samples, "engine_requests_dropped_total", network="face", reason="deadline") == 2
    assert value(samples, "engine_queue_requests", priority="frame") == 4
    assert value(samples, "asr_jobs_total", kind="final") == 4
    assert value(samples, "asr_jobs_heard_again_total") == 1
    assert value(samples, "asr_busy_seconds_total", hearing="again") == 1.5


async def test_servers_of_one_process_do_not_mix() -> None:
    async with running() as one, running() as other:
        client = await one.open()
        await event(client)
        assert value(await scrape(one), "sessions") == 1
        assert value(await scrape(other), "sessions") == 0


async def test_a_refused_connection_is_an_error() -> None:
    async with running(max_watchers=1) as run:
        await run.open("/v1/events")
        await run.until(lambda health: health["watchers"] == 1)
        await closing(await run.open("/v1/events"))
        assert value(await scrape(run), "errors_total", code="overloaded") == 1


async def test_what_a_source_and_the_vision_lose_is_told_by_reason() -> None:
    class Losing(EverySound):
        @property
        def totals(self) -> Totals:
            lost = {"dropped_video_frames": 5, "late_video_frames": 2, "passed_over_frames": 7, "skipped_partials": 3}
            return super().totals.model_copy(update=lost)

    async with running(Losing) as run:  # type: ignore[arg-type] # behaves as a session
        client = await run.open()
        await client.send(sound())
        await until(client, "emotion")
        samples = await scrape(run)
        told = {(drop.what, drop.reason): drop.count for drop in (await status(run)).dropped}
    for what, reason, count in (
        ("video_frame", "newer_one_came", 3),
        ("video_frame", "late", 2),
        ("video_frame", "passed_over", 7),
        ("partial_transcript", "not_in_time", 3),
    ):
        assert value(samples, "dropped_total", what=what, reason=reason) == told[what, reason] == count


class TestStatus:
    async def test_it_tells_sessions_rooms_and_latency_but_no_words_and_names(self) -> None:
        async with running() as run:
            client = await run.open("/v1/stream?room=Sales&name=Ana+Secret")
            await client.send(sound())
            await until(client, "emotion")
            told = await status(run)
            _, _, body = await get(run.port, "/v1/status")
        (session,) = told.open_sessions
        assert (session.number, session.room, session.utterances) == (1, "Sales", 1)
        assert [(room.name, room.participants, room.recording) for room in told.open_rooms] == [("Sales", 1, False)]
        assert [stage.stage for stage in told.latency] == ["endpoint", "transcript", "features", "fusion", "total"]
        assert (told.engine.name, told.engine.building, told.engine.networks[0].mean_ms) == ("none", "better", 166.7)
        assert (told.speech.heard, told.speech.heard_again, told.ready) == (4, 1, True)
        for secret in (b"Ana", b"so it is", b"joy"):
            assert secret not in body

    async def test_a_server_without_anybody(self) -> None:
        async with running() as run:
            told = await status(run)
        assert (told.open_sessions, told.open_rooms, told.latency) == ([], [], [])


class TestReady:
    @pytest.mark.parametrize(
        ("stopping", "sessions", "why"), [(False, 1, None), (False, 2, "full"), (True, 0, "stopping")]
    )
    def test_whether_a_session_is_accepted(self, sessions: int, why: str | None, *, stopping: bool) -> None:
        found = why_not_ready(stopping=stopping, sessions=sessions, limit=2)
        assert found is None if why is None else found is not None and why in found

    def test_what_computes_and_does_not_answer_is_named(self) -> None:
        assert why_not_ready(stopping=False, sessions=0, limit=2, hanging="the engine") == "the engine does not answer"

    async def test_a_full_server_says_so_until_there_is_room(self) -> None:
        async with running(max_sessions=1) as run:
            assert (await get(run.port, "/readyz"))[0::2] == (200, b"ready\n")
            client = await run.open()
            await event(client)
            code, _, body = await get(run.port, "/readyz")
            assert (code, body) == (503, b"the server is full: it has 1 sessions (server.max_sessions is 1)\n")
            assert value(await scrape(run), "ready") == 0
            await client.send(control("session.close"))
            await closing(client)
            await run.until(lambda health: health["sessions"] == 0)
            assert (await get(run.port, "/readyz"))[0] == 200

    async def test_a_server_that_stops_says_so(self) -> None:
        asked = threading.Event()

        class Slow(EverySound):
            def finish(self) -> Totals:
                asked.wait(PATIENCE_S)
                return super().finish()

        async with running(Slow, stop_timeout_s=60) as run:  # type: ignore[arg-type] # behaves as a session
            client = await run.open()
            await client.send(sound())
            await until(client, "emotion")
            run.stop.set()
            await run.until(lambda health: health["status"] == "stopping")
            code, _, body = await get(run.port, "/readyz")
            assert (code, body) == (503, b"the server is stopping\n")
            assert json.loads((await get(run.port, "/v1/status"))[2])["reason"] == "the server is stopping"
            asked.set()
            assert (await closing(client))[0][-1]["type"] == "session.closed"
