import http.server
import logging
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from source_clips import codes, drain, is_seamless, make_clip, make_titled, rest, sound, statuses, video_frames

from stream.media import Media, SourceStatus
from stream.sources.network import NetworkSource, Timeouts
from wire.backoff import Retry

QUICK = Retry(first_s=0.001, longest_s=0.01, attempts=3)
SECRET = "s3cr3t"  # noqa: S105 - what the tests look for


@dataclass
class Site:
    """What the server gives: the bytes, after how many of them each connection dies (None: never), the status."""

    data: bytes
    dies_after: list[int | None] = field(default_factory=list)
    status: int = 200
    with_length: bool = True
    requests: int = 0


class Handler(http.server.BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        dies_after = site.dies_after[site.requests] if site.requests < len(site.dies_after) else None
        site.requests += 1
        if site.status != 200:
            self.send_error(site.status)
            return
        first = self._first()
        self.send_response(206 if first else 200)
        if site.with_length:
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(len(site.data) - first))
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(site.data) - 1}/{len(site.data)}")
        self.end_headers()
        self.wfile.write(site.data[first:][:dies_after])

    def _first(self) -> int:
        found = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found and self.site.with_length else 0

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(site: Site) -> Iterator[str]:
    """Serve ``site`` on loopback and yield its address, with a password and a token in it."""
    handler = type("Handler", (Handler,), {"site": site})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://me:{SECRET}@127.0.0.1:{server.server_port}/clip?token={SECRET}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path: Path = make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4", video_s=6, audio_s=6, movflags="faststart")
    return path.read_bytes()


@pytest.fixture(scope="module")
def broadcast(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.ts").read_bytes()


def assert_whole(media: list[Media]) -> None:
    chunks, frames = sound(media), video_frames(media)
    assert chunks[0].time_ms == 0
    assert chunks[-1].end_ms == pytest.approx(6000, abs=80)
    assert sum(len(chunk.samples) for chunk in chunks) == pytest.approx(96_000, abs=1_600)
    # Each new connection begins its own count of the frames it lets through.
    assert 60 <= len(frames) <= 62
    assert [frame.time_ms for frame in frames] == sorted({frame.time_ms for frame in frames})


def test_a_recording_is_read_to_its_end(clip: bytes) -> None:
    with served(Site(clip)) as url:
        media = drain(NetworkSource(url, realtime=False))
    assert codes(media) == ["network.opened", "network.ended"]
    assert_whole(media)
    assert is_seamless(sound(media))


def test_titles_may_be_any_bytes(tmp_path: Path) -> None:
    path = make_titled(tmp_path / "titled.mkv", b"Caf\xe9 \xff\xfe\xc3(xyz")
    with served(Site(path.read_bytes())) as url:
        media = drain(NetworkSource(url, realtime=False))
    assert codes(media) == ["network.opened", "network.ended"]


def test_a_recording_goes_on_where_its_server_died(clip: bytes) -> None:
    site = Site(clip, dies_after=[len(clip) // 3, len(clip) // 3])
    with served(site) as url:
        media = drain(NetworkSource(url, realtime=False, retry=QUICK))
    assert "network.reconnecting" in codes(media)
    assert codes(media).count("network.opened") >= 2
    assert codes(media)[-1] == "network.ended"
    assert_whole(media)


def test_a_broadcast_that_breaks_off_is_taken_up_again_then_given_up(broadcast: bytes) -> None:
    site = Site(broadcast, with_length=False)
    with served(site) as url:
        source = NetworkSource(url, realtime=True, retry=QUICK)
        source.start()
        media: list[Media] = []
        while codes(media).count("network.opened") < 2:
            media += [item for item in [source.read(30)] if item]
    media += rest(source)
    assert codes(media)[:2] == ["network.opened", "network.reconnecting"]
    assert codes(media)[-1] == "network.lost"
    times = [chunk.time_ms for chunk in sound(media)]
    assert times == sorted(times)
    assert times[-1] >= 3_000


@pytest.mark.parametrize(
    ("status", "code"), [(404, "network.not_found"), (401, "network.unauthorized"), (403, "network.forbidden")]
)
def test_a_refusal_is_not_tried_again(status: int, code: str) -> None:
    site = Site(b"", status=status)
    with served(site) as url:
        media = drain(NetworkSource(url, retry=QUICK))
    assert codes(media) == [code]


def test_what_is_no_media() -> None:
    with served(Site(b"<html>no film here</html>" * 50)) as url:
        assert codes(drain(NetworkSource(url, retry=QUICK))) == ["network.not_media"]


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_an_address_nobody_listens_at(scheme: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    media = drain(NetworkSource(f"{scheme}://me:{SECRET}@127.0.0.1:{port}/x", retry=QUICK))
    assert codes(media) == ["network.reconnecting"] * 3 + ["network.unreachable"]
    assert "refused" in statuses(media)[0].message


def test_a_server_that_never_answers_is_not_waited_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}/x"
        media = drain(NetworkSource(url, retry=Retry(attempts=0), timeouts=Timeouts(open_s=0.2, read_s=0.2)))
    assert codes(media) == ["network.unreachable"]
    assert "no answer in time" in statuses(media)[0].message


def test_stopping_while_it_waits_to_try_again() -> None:
    source = NetworkSource("http://127.0.0.1:9/x", retry=Retry(first_s=1000, longest_s=1000))
    source.start()
    first = source.read()
    assert isinstance(first, SourceStatus)
    assert first.code == "network.reconnecting"
    source.stop()
    assert codes(rest(source)) == ["source.stopped"]


def test_no_secret_in_names_statuses_and_logs(clip: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), served(Site(clip, dies_after=[len(clip) // 3])) as url:
        source = NetworkSource(url, realtime=False, retry=QUICK)
        media = drain(source)
    told = source.name + caplog.text + "".join(status.message for status in statuses(media))
    assert SECRET not in told
    assert "127.0.0.1" in source.name
    assert SECRET not in source._thread.name
