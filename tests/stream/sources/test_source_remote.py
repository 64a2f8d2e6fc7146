import io
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from source_clips import codes, is_seamless, jpeg, rest, sound, statuses, video_frames
from waiting import PATIENCE_S

from stream.jpeg import MAX_DECODED, MAX_PIXELS, JpegFrame, decode_jpeg, fault_of
from stream.media import Media
from stream.sources.media_queue import Bounds
from stream.sources.remote import RemoteSource

BLOCK = np.full(320, 0.25, np.float32)


def test_pushed_media_comes_out_in_its_order_from_zero() -> None:
    with RemoteSource("Ann") as source:
        for i in range(10):
            source.push_audio(5000 + 20 * i, BLOCK)
            source.push_jpeg(5000 + 20 * i, jpeg(i))
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.ended"]
    assert is_seamless(sound(media))
    assert sound(media)[0].time_ms == 0
    assert [frame.time_ms for frame in video_frames(media)] == [20.0 * i for i in range(10)]
    assert [type(item).__name__ for item in media[1:5]] == ["AudioChunk", "JpegFrame"] * 2
    image = video_frames(media)[0].image
    assert image.shape == (120, 160, 3)
    assert image[20, 80, 0] > 180
    assert image[20, 80, 1:].max() < 60


@pytest.mark.parametrize(
    ("lies", "red"), [(1, (0, 0)), (2, (0, 1)), (3, (1, 1)), (4, (1, 0)), (6, (0, 1)), (8, (1, 0))]
)
def test_a_photograph_is_upright_as_its_exif_says(lies: int, red: tuple[int, int]) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32, 0] = 220
    frame, data = Image.fromarray(image), io.BytesIO()
    exif = frame.getexif()
    exif[0x0112] = lies
    frame.save(data, "JPEG", exif=exif)
    shown = decode_jpeg(data.getvalue())
    assert shown is not None
    height, width = shown.shape[:2]
    assert (height > width) == (lies > 4)
    corners = shown[height // 4 :: height // 2, width // 4 :: width // 2, 0] > 110
    assert [tuple(at) for at in np.argwhere(corners)] == [red]


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_frame_with_broken_exif_is_taken_as_it_is() -> None:
    data = io.BytesIO()
    Image.fromarray(np.zeros((48, 64, 3), np.uint8)).save(data, "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff")
    shown = decode_jpeg(data.getvalue())
    assert shown is not None
    assert shown.shape == (48, 64, 3)


@pytest.mark.parametrize("data", [b"", b"no frame", jpeg()[:400], b"\x89PNG\r\n\x1a\n" + bytes(50), jpeg()[:-2]])
def test_a_bad_frame_is_a_warning_and_the_source_goes_on(data: bytes) -> None:
    with RemoteSource("Ann") as source:
        for _ in range(12):
            source.push_jpeg(0, data)
        source.push_jpeg(10, jpeg())
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.bad_frame", "remote.bad_frame", "remote.ended"]
    assert "10 frame" in statuses(media)[2].message
    assert len(video_frames(media)) == 1


@given(st.binary(max_size=200), st.integers(0, 600))
@settings(max_examples=50)
def test_no_bytes_break_the_decoder(noise: bytes, position: int) -> None:
    good = jpeg()
    data = good[:position] + noise + good[position + len(noise) :]
    image = decode_jpeg(data)
    assert image is None or image.shape[2] == 3
    assert image is None or fault_of(data) is None, "what can be decoded is not refused"


def test_a_frame_is_decoded_only_when_it_is_looked_at() -> None:
    with RemoteSource("Ann") as source:
        for index in range(30):
            source.push_jpeg(33 * index, jpeg(index))
        source.close()
        frames = video_frames(rest(source))
    assert frames
    assert all(frame._decoded is None for frame in frames if isinstance(frame, JpegFrame))
    first = frames[0]
    assert first.image.shape == (120, 160, 3)
    assert first.image is first.image


def test_media_says_when_it_came_not_when_it_was_read(monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    monkeypatch.setattr("stream.sources.remote.time.monotonic", lambda: now_s[0])
    source = RemoteSource("Ann")
    for index in range(3):
        now_s[0] = 100.0 + index
        source.push_audio(20 * index, BLOCK)
        source.push_jpeg(20 * index, jpeg())
    now_s[0] = 500.0
    source.close()
    with source:
        media = rest(source)
    assert [chunk.arrived_s for chunk in sound(media)] == [100.0, 101.0, 102.0]
    assert [frame.arrived_s for frame in video_frames(media)] == [100.0, 101.0, 102.0]


def test_a_frame_that_claims_to_be_huge_is_refused_unread() -> None:
    good = jpeg()
    size = (120).to_bytes(2, "big") + (160).to_bytes(2, "big")
    claimed = (65_000).to_bytes(2, "big") * 2
    assert good.count(size) == 1
    assert MAX_PIXELS < 65_000**2
    bomb = good.replace(size, claimed)
    assert decode_jpeg(bomb) is None
    with RemoteSource("Ann") as source:
        for _ in range(12):
            source.push_jpeg(0, bomb)
        source.push_jpeg(10, good)
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.costly_frame", "remote.costly_frame", "remote.ended"]
    assert len(video_frames(media)) == 1


@pytest.mark.parametrize(("width", "height", "costly"), [(4096, 4096, False), (4097, 4096, True), (9000, 9000, True)])
def test_a_frame_may_have_16_million_pixels(width: int, height: int, *, costly: bool) -> None:
    good = jpeg()
    claimed = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    fault = fault_of(good.replace((120).to_bytes(2, "big") + (160).to_bytes(2, "big"), claimed))
    assert (fault == "costly") is costly


def progressive(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((width, height), 60).convert("RGB").save(file, "JPEG", progressive=True)
    return file.getvalue()


def test_a_progressive_frame_is_one_like_others() -> None:
    image = decode_jpeg(progressive(1280, 720))
    assert image is not None
    assert image.shape == (720, 1280, 3)


def test_a_frame_of_thousands_of_scans_is_refused_undecoded() -> None:
    once = progressive(1280, 720)
    start = once.rindex(b"\xff\xda")
    scans = 1 + MAX_DECODED // (1280 * 720)
    many = once[:start] + once[start:-2] * scans + once[-2:]
    assert fault_of(many) == "costly"
    assert decode_jpeg(many) is None
    assert fault_of(once) is None


def test_what_a_frame_says_about_itself_may_be_long() -> None:
    file, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "long " * 12_000  # a description
    Image.new("RGB", (64, 48)).save(file, "JPEG", exif=exif)
    notes = b"".join(b"\xff\xe5" + (65_533).to_bytes(2, "big") + bytes(65_531) for _ in range(40))
    data = file.getvalue()
    image = decode_jpeg(data[:2] + notes + data[2:])
    assert image is not None
    assert image.shape == (48, 64, 3)


def test_time_that_runs_backward_is_told_and_the_media_goes_on() -> None:
    with RemoteSource("Ann") as source:
        for time_ms in (60_000, 60_020, 30_000, 30_020, 0, 20):
            source.push_audio(time_ms, BLOCK)
            source.push_jpeg(time_ms, jpeg())
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.time_backward", "remote.ended"]
    assert is_seamless(sound(media))
    assert [chunk.time_ms for chunk in sound(media)] == [20.0 * index for index in range(6)]
    times = [frame.time_ms for frame in video_frames(media)]
    assert times == sorted(times)


@pytest.mark.parametrize("wrong_by", [500.0, 5_000.0, 3_600_000.0])
def test_one_wrong_stamp_of_a_peer_is_one_pieces(wrong_by: float) -> None:
    with RemoteSource("Ann") as source:
        for index in range(50):
            time_ms = 20 * index + (wrong_by if index == 20 else 0)
            source.push_audio(time_ms, BLOCK)
            source.push_jpeg(time_ms, jpeg())
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.time_forward", "remote.ended"]
    assert [chunk.time_ms for chunk in sound(media)] == [20.0 * index for index in range(50)]
    times = [frame.time_ms for frame in video_frames(media)]
    assert times == sorted(times)
    assert times[-1] == 980


def test_a_peer_that_is_ahead_for_good_goes_on_where_it_was() -> None:
    with RemoteSource("Ann") as source:
        for index in range(50):
            source.push_audio(20 * index + (3_600_000 if index >= 20 else 0), BLOCK)
        source.close()
        media = rest(source)
    assert codes(media) == ["remote.opened", "remote.time_forward", "remote.ended"]
    assert [chunk.time_ms for chunk in sound(media)] == [20.0 * index for index in range(50)]


def test_what_waits_for_proof_does_not_wait_for_ever() -> None:
    with RemoteSource("Ann") as source:
        source.push_audio(0, BLOCK)
        source.push_audio(60_000, BLOCK)
        media: list[Media] = []
        while len(sound(media)) < 2:
            media += [item for item in [source.read(60)] if item]
    assert is_seamless(sound(media))


@pytest.mark.parametrize(
    "samples",
    [BLOCK.astype(np.float64), BLOCK[None], np.array([0, np.nan], np.float32), np.array([np.inf], np.float32)],
)
def test_bad_sound_is_refused(samples: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one-dimensional float32"):
        RemoteSource("Ann").push_audio(0, samples)


@pytest.mark.parametrize("time_ms", [float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(time_ms: float) -> None:
    with pytest.raises(ValueError, match="finite number of milliseconds"):
        RemoteSource("Ann").push_jpeg(time_ms, jpeg())


def test_a_peer_nobody_reads_loses_its_oldest_and_that_is_counted() -> None:
    source = RemoteSource("Ann", bounds=Bounds(audio_ms=200, video_frames=2))
    for i in range(50):
        source.push_audio(20 * i, BLOCK)
        source.push_jpeg(20 * i, jpeg())
    source.close()
    with source:
        media = rest(source)
    assert source.dropped.audio_chunks == 50 - len(sound(media)) == 40
    assert source.dropped.video_frames == 50 - len(video_frames(media)) == 48
    assert codes(media)[-1] == "remote.ended"


def test_media_after_the_end_is_ignored() -> None:
    with RemoteSource("Ann") as source:
        source.close()
        source.push_audio(0, BLOCK)
        assert sound(rest(source)) == []


def test_stopping_wakes_a_source_that_waits_for_its_peer() -> None:
    source = RemoteSource("Ann")
    source.start()
    media: list[Media] = []
    reader = threading.Thread(target=lambda: media.extend(rest(source)))
    reader.start()
    source.stop()
    reader.join(PATIENCE_S)
    assert codes(media)[-1] == "source.stopped"
    assert not reader.is_alive()


def test_a_peer_whose_clock_starts_again_goes_on() -> None:
    with RemoteSource("Ann") as source:
        for i in [*range(100), *range(100)]:
            source.push_audio(20 * i, BLOCK)
        source.close()
        chunks = sound(rest(source))
    assert is_seamless(chunks)
    assert chunks[-1].end_ms == 4000
