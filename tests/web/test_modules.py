"""The page's pure modules, run in the browser and held against the server's own code."""

import math
from dataclasses import asdict

import numpy as np
import pytest
from conftest import run_module
from playwright.sync_api import Page

from models.labels import LABELS
from stream.exports.report.sign_paths import NOT_SURE_PATHS, SIGN_PATHS
from wire.events import NOT_SURE
from wire.media import MediaKind, MediaMessage, decode_media, decode_samples, encode_media

pytestmark = pytest.mark.browser


def test_server_reads_what_the_client_packs(modules: Page) -> None:
    body = "return [...m.packMedia(m.Kind.PCM16, 123456.4, Int16Array.from([0, 16384, -32768]))]"
    message = decode_media(bytes(run_module(modules, "client.js", body)))
    assert (message.kind, message.time_ms, message.number) == (MediaKind.PCM_S16, 123_456, 0)
    assert decode_samples(message).tolist() == [0.0, 0.5, -1.0]


def test_client_reads_what_the_server_packs(modules: Page) -> None:
    data = encode_media(MediaMessage(MediaKind.JPEG, 0xFFFF_FFFF, b"abc", number=0xABCD))
    body = "const { payload, ...rest } = m.unpackMedia(Uint8Array.from(x).buffer); return [rest, [...payload]]"
    rest, payload = run_module(modules, "client.js", body, list(data))
    assert rest == {"kind": 3, "number": 0xABCD, "timeMs": 0xFFFF_FFFF}
    assert bytes(payload) == b"abc"


@pytest.mark.parametrize("data", [b"", b"\x01\x01\x00", b"\x03\x02" + bytes(6)])
def test_client_passes_over_what_it_does_not_know(modules: Page, data: bytes) -> None:
    assert run_module(modules, "client.js", "return m.unpackMedia(Uint8Array.from(x).buffer)", list(data)) is None


def test_pauses_between_attempts_grow_and_are_bounded(modules: Page) -> None:
    pauses = run_module(modules, "client.js", "return Array.from({ length: 12 }, (_, n) => m.retryPauseMs(n))")
    assert pauses == sorted(pauses)
    assert pauses[0] == pytest.approx(500)
    assert pauses[-1] == pytest.approx(60_000)


RETRIES = """
    const retries = new m.Retries(x.most);
    const pauses = x.codes.map((code) => retries.lost(code));
    return [pauses.indexOf(null) + 1, retries.stopped, retries.error.message];
"""


@pytest.mark.parametrize(
    ("codes", "tries", "stopped", "words"),
    [
        ([1006] * 6, 4, False, "The server does not answer: tried 4 times."),
        ([1001] + [1006] * 3, 4, True, "The server was stopped and has not come back: tried 4 times."),
        ([1012] + [1006] * 3, 4, True, "The server was stopped and has not come back: tried 4 times."),
        ([1008], 1, False, "The server does not answer: tried 1 times."),
    ],
)
def test_client_gives_up_after_so_many_tries_and_says_why(
    modules: Page, codes: list[int], tries: int, stopped: bool, words: str
) -> None:
    codes = codes[:tries]
    assert run_module(modules, "client.js", RETRIES, {"most": 4, "codes": codes}) == [tries, stopped, words]


def test_connection_that_lasted_starts_the_tries_afresh(modules: Page) -> None:
    body = "const r = new m.Retries(3); return [1, 2, 3, 4].map(() => (r.lost(1006), r.lost(1006, { steady: true })))"
    assert run_module(modules, "client.js", body) == [500] * 4


RESAMPLE = """
    const resampler = new m.Resampler(x.rate);
    const tone = Float32Array.from({ length: x.rate }, (_, i) => Math.sin((2 * Math.PI * x.hertz * i) / x.rate));
    const out = [];
    for (let i = 0; i < tone.length; i += 128) out.push(...resampler.push(tone.subarray(i, i + 128)));
    return out;
"""


@pytest.mark.parametrize("rate", [8_000, 16_000, 44_100, 48_000, 96_000])
def test_speech_band_passes_unchanged_and_in_time(modules: Page, rate: int) -> None:
    out = np.array(run_module(modules, "resampler.js", RESAMPLE, {"rate": rate, "hertz": 1000}))
    assert 16_000 - 128 <= len(out) <= 16_000
    expected = np.sin(2 * np.pi * 1000 * np.arange(len(out)) / 16_000)
    assert np.abs(out - expected)[200:-200].max() < 0.01


@pytest.mark.parametrize(("rate", "hertz"), [(48_000, 9_000), (44_100, 9_500), (48_000, 15_000), (96_000, 30_000)])
def test_what_would_fold_back_is_removed(modules: Page, rate: int, hertz: int) -> None:
    out = np.array(run_module(modules, "resampler.js", RESAMPLE, {"rate": rate, "hertz": hertz}))
    loudness = math.sqrt(float(np.mean(out[200:-200] ** 2)))
    assert 20 * math.log10(loudness * math.sqrt(2) + 1e-12) < -60


def test_samples_are_clipped_not_wrapped(modules: Page) -> None:
    assert run_module(modules, "resampler.js", "return [...m.toPcm16([0, 1, -1, 7, -7])]") == [
        0,
        32767,
        -32767,
        32767,
        -32767,
    ]


def test_sound_is_timed_by_its_samples_not_by_a_busy_page(modules: Page) -> None:
    body = "const clock = new m.SampleClock(); return x.map((now) => clock.next(1600, now))"
    assert run_module(modules, "capture.js", body, [110, 210, 900, 901, 902, 610]) == [10, 110, 210, 310, 410, 510]


def test_lost_sound_moves_the_clock(modules: Page) -> None:
    body = "const clock = new m.SampleClock(); return x.map((now) => clock.next(1600, now))"
    arrivals = [100 * (n + 1) + (5000 if n >= 10 else 0) for n in range(40)]
    times = run_module(modules, "capture.js", body, arrivals)
    assert times[9] == 900
    assert times[-1] == 8900


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "not allowed"),
        ("NotFoundError", "No camera or microphone was found"),
        ("NotReadableError", "in use by another program"),
        ("OtherError", "could not be opened: why"),
    ],
)
def test_every_failure_says_what_to_do(modules: Page, name: str, words: str) -> None:
    assert words in run_module(modules, "capture.js", "return m.describeFailure({ name: x, message: 'why' })", name)


def test_insecure_page_is_told_to_use_localhost_or_https(modules: Page) -> None:
    body = """
        Object.defineProperty(window, "isSecureContext", { value: false, configurable: true });
        return m.openDevices({ video: true, audio: true }).catch(({ message }) => message);
    """
    message = run_module(modules, "capture.js", body)
    assert "localhost" in message
    assert "HTTPS" in message


FACES = [
    {"timeMs": 0, "width": 640, "height": 360, "faces": [{"id": 1, "box": [0, 0, 10, 10]}]},
    {"timeMs": 200, "width": 640, "height": 360, "faces": [{"id": 1, "box": [100, 0, 110, 10]}]},
]


@pytest.mark.parametrize(("time_ms", "left"), [(0, 0), (50, 25), (200, 100), (500, 100)])
def test_boxes_belong_to_the_time_of_the_frame(modules: Page, time_ms: int, left: float) -> None:
    body = "return m.facesAt(x.faces, x.time).faces[0].box[0]"
    assert run_module(modules, "playout.js", body, {"faces": FACES, "time": time_ms}) == left


@pytest.mark.parametrize(("time_ms", "late_ms"), [(200, 0), (800, 0), (900, 700), (15_200, 15_000)])
def test_boxes_of_an_older_frame_tell_their_age(modules: Page, time_ms: int, late_ms: int) -> None:
    body = "return m.facesAt(x.faces, x.time).lateMs"
    assert run_module(modules, "playout.js", body, {"faces": FACES, "time": time_ms}) == late_ms


@pytest.mark.parametrize("time_ms", [-1, 15_201])
def test_no_boxes_where_nothing_is_known(modules: Page, time_ms: int) -> None:
    assert (
        run_module(modules, "playout.js", "return m.facesAt(x.faces, x.time)", {"faces": FACES, "time": time_ms})
        is None
    )


def test_frame_waits_for_its_faces_a_second_at_most(modules: Page) -> None:
    body = """
        const clock = new m.PlayoutClock();
        clock.arrived(0, 1000);
        const before = clock.mediaAt(1500);
        clock.analyzed(0, 1000 + x);
        return [before, 1500 - 1000 - clock.mediaAt(1500)];
    """
    assert run_module(modules, "playout.js", body, 300) == [500, 340]
    assert run_module(modules, "playout.js", body, 4000) == [500, 1000]


SIGN = """
    const drawn = m.sign(x);
    const paths = {};
    for (const path of drawn.querySelectorAll("path")) paths[path.getAttribute("class")] = path.getAttribute("d");
    return [drawn.namespaceURI, drawn.getAttribute("aria-hidden"), drawn.textContent, paths];
"""


@pytest.mark.parametrize("label", LABELS)
def test_sign_is_drawn_as_in_the_report_and_says_nothing(modules: Page, label: str) -> None:
    drawn = run_module(modules, "emotions.js", SIGN, label)
    assert drawn == ["http://www.w3.org/2000/svg", "true", "", asdict(SIGN_PATHS[label])]


def test_sign_of_what_is_not_sure_is_that_of_the_report(modules: Page) -> None:
    assert run_module(modules, "emotions.js", SIGN, NOT_SURE)[3] == asdict(NOT_SURE_PATHS)


def test_label_without_a_face_has_a_dot(modules: Page) -> None:
    assert run_module(modules, "emotions.js", SIGN, "toString")[3] == {}
