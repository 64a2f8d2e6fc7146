"""A Matroska file of one session, as bytes: sound as 16-bit PCM, frames as the JPEG files they are. Pure.

Written here and not by a library, because what a session records is not known when its file begins: whether there will
be frames, and of what size; and because each second must reach the disk whole. FFmpeg's muxer wants all tracks first
and keeps what belongs to one track back until the other has something too. Of Matroska (RFC 9559) this takes little:
a header, then clusters of blocks, each complete in itself, so that a file that is cut anywhere opens up to there. What
is only known at the end (duration, index) has its place kept free in the header and is filled in then.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from stream.media import SAMPLE_RATE

APPLICATION: Final = "m2fnet"
NOMINAL_SIZE: Final = (640, 360)
"""Width and height told of frames before there are any; each JPEG says its own."""

_EBML: Final = 0x1A45DFA3
_SEGMENT: Final = 0x18538067
_SEEK_HEAD: Final = 0x114D9B74
_INFO: Final = 0x1549A966
_TRACKS: Final = 0x1654AE6B
_CLUSTER: Final = 0x1F43B675
_CUES: Final = 0x1C53BB6B
_VOID: Final = 0xEC
_UNKNOWN_SIZE: Final = b"\x01\xff\xff\xff\xff\xff\xff\xff"
_SEEK_ROOM: Final = 96  # bytes kept free for the table of contents
_KEYFRAME: Final = 0x80
_LEAST, _MOST = -0x8000, 0x7FFF  # of a block's time in its cluster
_CUE_EVERY_MS: Final = 2_000


class TrackNumber(IntEnum):
    """The tracks of a file, by their Matroska number."""

    SOUND = 1
    FRAMES = 2


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of sound, little-endian 16-bit samples, or one JPEG frame; ``time_ms`` is rounded to milliseconds."""

    track: TrackNumber
    time_ms: float
    data: bytes

    @property
    def end_ms(self) -> float:
        """Return the time at its end, as far as it is known."""
        return self.time_ms + (len(self.data) / 2 * 1000 / SAMPLE_RATE if self.track is TrackNumber.SOUND else 0.0)


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes that replace others, whose place in the file is known."""

    position: int
    data: bytes


@dataclass(slots=True)
class MatroskaWriter:
    """Says which bytes to append to a file, and at its end which to replace."""

    _length: int = 0
    _end_ms: float = 0.0
    _segment: int = 0  # where the segment's contents begin, which positions within it count from
    _seek: int = 0
    _info: int = 0
    _duration: int = 0
    _tracks: int = 0
    _size: int = 0
    _entries: dict[TrackNumber, tuple[int, int]] = field(default_factory=dict)
    _cues: list[tuple[int, TrackNumber, int]] = field(default_factory=list)

    def header(self) -> bytes:
        """Return the beginning of the file."""
        start = _element(
            _EBML,
            _uint(0x4286, 1),  # version
            _uint(0x42F7, 1),  # version needed to read
            _uint(0x42F2, 4),  # longest id
            _uint(0x42F3, 8),  # longest size
            _text(0x4282, "matroska"),
            _uint(0x4287, 4),  # version of Matroska
            _uint(0x4285, 2),  # version of Matroska needed to read
        )
        opening = start + _id(_SEGMENT) + _UNKNOWN_SIZE
        self._segment = self._seek = len(opening)
        info = _element(
            _INFO,
            _uint(0x2AD7B1, 1_000_000),  # nanoseconds of a unit of time
            _text(0x4D80, APPLICATION),
            _text(0x5741, APPLICATION),
            _void(len(_float(0x4489, 0.0))),
        )
        entries = {TrackNumber.SOUND: _sound_track(), TrackNumber.FRAMES: _frame_track()}
        tracks = _element(_TRACKS, *entries.values())
        self._info = self._seek + _SEEK_ROOM
        self._duration = self._info + len(info) - len(_float(0x4489, 0.0))
        self._tracks = self._info + len(info)
        self._entries = {track: (self._tracks + tracks.index(entry), len(entry)) for track, entry in entries.items()}
        self._size = self._tracks + tracks.index(_size_of_frames(*NOMINAL_SIZE))
        return self._add(opening + _void(_SEEK_ROOM) + info + tracks)

    def clusters(self, blocks: Iterable[Block]) -> bytes:
        """Return blocks, in the order given, as one cluster, or several where their times are far apart."""
        return b"".join(self._add(self._cluster(run)) for run in _close_in_time(blocks))

    def frame_size(self, width: int, height: int) -> Patch:
        """Return what tells players the size of the frames, once it is known."""
        return Patch(self._size, _size_of_frames(width, height))

    def end(self) -> tuple[bytes, list[Patch]]:
        """Return the index to append, and what to replace then: a file that ended is quick to seek in."""
        position = self._length - self._segment
        index = _element(_CUES, *(_cue(*cue) for cue in self._cues)) if self._cues else b""
        self._add(index)
        places = [(_INFO, self._info), (_TRACKS, self._tracks)]
        seeks = [_seek(what, where - self._segment) for what, where in places]
        seeks += [_seek(_CUES, position)] if index else []
        contents = _element(_SEEK_HEAD, *seeks)
        used = {track for _, track, _ in self._cues}
        return index, [
            # A track in which nothing came would only mislead players.
            *(Patch(where, _void(size)) for track, (where, size) in self._entries.items() if track not in used),
            Patch(self._seek, contents + _void(_SEEK_ROOM - len(contents))),
            Patch(self._duration, _float(0x4489, self._end_ms)),
            Patch(self._segment - len(_UNKNOWN_SIZE), _long_size(self._length - self._segment)),
        ]

    def _add(self, data: bytes) -> bytes:
        self._length += len(data)
        return data

    def _cluster(self, blocks: Sequence[Block]) -> bytes:
        start = round(blocks[0].time_ms)
        for track in TrackNumber:
            first = next((block for block in blocks if block.track is track), None)
            if first is not None:
                self._note(round(first.time_ms), track)
        self._end_ms = max(self._end_ms, *(block.end_ms for block in blocks))
        return _element(_CLUSTER, _uint(0xE7, start), *(_block(block, start) for block in blocks))

    def _note(self, time_ms: int, track: TrackNumber) -> None:
        """Enter a track's place in the index, if its last entry is long enough ago."""
        last = next((time for time, noted, _ in reversed(self._cues) if noted is track), None)
        if last is None or time_ms - last >= _CUE_EVERY_MS:
            self._cues.append((time_ms, track, self._length - self._segment))


def _close_in_time(blocks: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield runs of blocks whose times can be told from the first one's."""
    run: list[Block] = []
    for block in blocks:
        if run and not _LEAST <= round(block.time_ms) - round(run[0].time_ms) <= _MOST:
            yield run
            run = []
        run.append(block)
    if run:
        yield run


def _block(block: Block, start: int) -> bytes:
    relative = struct.pack(">hB", round(block.time_ms) - start, _KEYFRAME)
    return _element(0xA3, _length(block.track, 1) + relative + block.data)


def _sound_track() -> bytes:
    sound = _element(0xE1, _float(0xB5, float(SAMPLE_RATE)), _uint(0x9F, 1), _uint(0x6264, 16))
    return _track(TrackNumber.SOUND, 2, "A_PCM/INT/LIT", sound)


def _frame_track() -> bytes:
    return _track(TrackNumber.FRAMES, 1, "V_MJPEG", _element(0xE0, _size_of_frames(*NOMINAL_SIZE)))


def _track(number: TrackNumber, kind: int, codec: str, about: bytes) -> bytes:
    return _element(
        0xAE,
        _uint(0xD7, number),
        _uint(0x73C5, number),  # the number as a unique id
        _uint(0x83, kind),
        _uint(0x9C, 0),  # one frame a block
        _text(0x86, codec),
        about,
    )


def _size_of_frames(width: int, height: int) -> bytes:
    return b"".join(
        _element(what, struct.pack(">H", min(size, 0xFFFF))) for what, size in ((0xB0, width), (0xBA, height))
    )


def _cue(time_ms: int, track: TrackNumber, position: int) -> bytes:
    return _element(0xBB, _uint(0xB3, time_ms), _element(0xB7, _uint(0xF7, track), _uint(0xF1, position)))


def _seek(what: int, position: int) -> bytes:
    return _element(0x4DBB, _element(0x53AB, _id(what)), _uint(0x53AC, position))


def _element(what: int, *contents: bytes) -> bytes:
    data = b"".join(contents)
    return _id(what) + _size(len(data)) + data


def _id(what: int) -> bytes:
    return what.to_bytes((what.bit_length() + 7) // 8)


def _size(count: int) -> bytes:
    return _length(count, next(width for width in range(1, 9) if count < (1 << 7 * width) - 1))


def _long_size(count: int) -> bytes:
    return _length(count, 8)


def _length(number: int, width: int) -> bytes:
    """Return a number in EBML's form: how many bytes it has stands before it."""
    return (number | 1 << 7 * width).to_bytes(width)


def _uint(what: int, number: int) -> bytes:
    return _element(what, number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


def _float(what: int, number: float) -> bytes:
    return _element(what, struct.pack(">d", number))


def _text(what: int, text: str) -> bytes:
    return _element(what, text.encode())


def _void(size: int) -> bytes:
    """Return ``size`` bytes (at least 2) of nothing."""
    width = 1 if size <= 0x7F else 8  # noqa: PLR2004 - the most whose length one byte can tell, with the two before it
    rest = size - 1 - width
    return _id(_VOID) + _length(rest, width) + bytes(rest)
