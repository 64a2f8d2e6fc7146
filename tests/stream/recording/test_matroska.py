"""The files are read by FFmpeg, as players do, and not by code of ours."""

import io
from functools import cache

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from stream.recording.matroska import Block, MatroskaWriter, TrackNumber

Piece = tuple[TrackNumber, int, bytes]


@cache
def jpeg(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), "red").save(file, "JPEG")
    return file.getvalue()


def read(data: bytes) -> list[Piece]:
    with av.open(io.BytesIO(data)) as file:
        tracks = {"audio": TrackNumber.SOUND, "video": TrackNumber.FRAMES}
        return [(tracks[item.stream.type], item.pts, bytes(item)) for item in file.demux() if item.size]


def expected(blocks: list[Block]) -> list[Piece]:
    return [(block.track, round(block.time_ms), block.data) for block in blocks]


def whole(batches: list[list[Block]], size: tuple[int, int] | None = None) -> bytes:
    """Return a file that was brought to its end."""
    writer = MatroskaWriter()
    data = bytearray(writer.header() + b"".join(writer.clusters(batch) for batch in batches))
    index, patches = writer.end()
    data += index
    for patch in [*patches, *([writer.frame_size(*size)] if size else [])]:
        data[patch.position : patch.position + len(patch.data)] = patch.data
    return bytes(data)


def talk(seconds: int, first_frame_s: int = 0) -> list[list[Block]]:
    """Return a batch a second: ten pieces of sound, and five frames once there are any."""
    return [
        [
            block
            for piece in range(10)
            for block in (
                Block(TrackNumber.SOUND, 1000 * second + 100 * piece + 0.4, bytes([second, piece]) * 1600),
                Block(TrackNumber.FRAMES, 1000 * second + 100 * piece + 33.3, jpeg(64 + 16 * (second > 5), 48)),
            )
            if block.track is TrackNumber.SOUND or (second >= first_frame_s and piece % 2)
        ]
        for second in range(seconds)
    ]


blocks = st.builds(
    Block,
    st.just(TrackNumber.SOUND),
    st.floats(0, 1e7),
    st.binary(min_size=2, max_size=64).map(lambda b: b[: len(b) & ~1]),
) | st.builds(
    Block, st.just(TrackNumber.FRAMES), st.floats(0, 1e7), st.builds(jpeg, st.integers(1, 40), st.integers(1, 40))
)


@given(st.lists(st.lists(blocks, min_size=1, max_size=6), min_size=1, max_size=4))
def test_what_is_written_is_read_byte_for_byte(batches: list[list[Block]]) -> None:
    # Not the times: FFmpeg moves sound that claims to begin before the sound before it has ended.
    flat = [(block.track, block.data) for batch in batches for block in batch]
    assert [(track, data) for track, _, data in read(whole(batches))] == flat


def test_a_file_that_goes_on_holds_all_that_was_written() -> None:
    writer, batches = MatroskaWriter(), talk(3)
    data = writer.header() + b"".join(writer.clusters(batch) for batch in batches)
    assert read(data) == expected([block for batch in batches for block in batch])


def test_a_file_that_is_cut_anywhere_holds_all_before_the_cut() -> None:
    writer, batches = MatroskaWriter(), talk(3)
    header = writer.header()
    data = header + b"".join(writer.clusters(batch) for batch in batches)
    every = expected([block for batch in batches for block in batch])
    ends, end = [], len(header)
    for _, _, piece in every:
        end = data.index(piece, end) + len(piece)
        ends.append(end)
    for cut in range(len(header) + 40, len(data), 997):
        assert read(data[:cut]) == every[: sum(end <= cut for end in ends)]


@pytest.mark.parametrize("first_frame_s", [0, 4, 99])
def test_a_file_that_ended_has_a_length_and_can_be_sought_in(first_frame_s: int) -> None:
    with av.open(io.BytesIO(whole(talk(10, first_frame_s), (64, 48)))) as file:
        assert file.duration == pytest.approx(10_000_400, abs=1_000)
        (sound,) = file.streams.audio
        assert (sound.codec_context.name, sound.codec_context.sample_rate, sound.channels) == ("pcm_s16le", 16_000, 1)
        frames = [(found.codec_context.name, found.width, found.height) for found in file.streams.video]
        assert frames == ([("mjpeg", 64, 48)] if first_frame_s < 10 else []), "a track without contents is none"
        file.seek(7_000_000)
        found = next(file.demux())
        assert 4_000 <= found.pts <= 7_000


def test_frames_may_change_their_size() -> None:
    with av.open(io.BytesIO(whole(talk(8), (64, 48)))) as file:
        sizes = {frame.width for frame in file.decode(video=0)}
    assert sizes == {64, 80}


def test_frames_alone_are_a_file_too() -> None:
    blocks = [Block(TrackNumber.FRAMES, 200 * number, jpeg(64, 48)) for number in range(9)]
    with av.open(io.BytesIO(whole([blocks], (64, 48)))) as file:
        assert [found.type for found in file.streams] == ["video"]
        assert len(list(file.decode())) == 9
