"""Reading the media of a whole split, block by block: decoded ahead in threads, kept on disk as each block is done."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, NoReturn

from tqdm import tqdm

from trainer.data.conversation import Utterance
from trainer.features.cache import CODE_VERSION, FeatureBlock, load_block, media_identity, save_block
from trainer.features.media import Limits, Media, MediaFault, Part, decode
from trainer.features.parallel import in_parallel
from trainer.fit.cache import Arrays, digest

BLOCK: Final = 64  # utterances: what an interruption costs at most, a minute of work on two cores


@dataclass(frozen=True, eq=False)
class Reader:
    """How something is made of each utterance's sound or images, and kept.

    Attributes:
        name: of the folder it is kept in.
        part: what it needs of the media.
        depends_on: what its values depend on beside the media and the limits, as JSON can hold it.
        read: called in the main thread; None where there is nothing to read.
    """

    name: str
    part: Part
    depends_on: object
    read: Callable[[Media], Arrays | None]

    def path(self, folder: Path, utterances: Sequence[Utterance], limits: Limits) -> Path:
        """Return where a block is kept; its name changes with anything it depends on."""
        frames = limits.frames if self.part == "images" else None
        media = [media_identity(utterance, self.part) for utterance in utterances]
        key = digest(CODE_VERSION, self.name, self.depends_on, frames, limits.max_seconds, media)
        return folder / self.name / f"{key}.safetensors"


@dataclass(frozen=True, eq=False)
class _Work:
    """A block of utterances: what was found of it on disk, and where the rest is to be kept."""

    utterances: Sequence[Utterance]
    paths: dict[Reader, Path]
    found: dict[Reader, FeatureBlock]

    @property
    def missing(self) -> list[Reader]:
        return [reader for reader in self.paths if reader not in self.found]

    @property
    def parts(self) -> frozenset[Part]:
        return frozenset(reader.part for reader in self.missing)


def read_media(
    utterances: Sequence[Utterance],
    readers: Sequence[Reader],
    folder: Path,
    limits: Limits,
    workers: int = 0,
) -> list[FeatureBlock]:
    """Return for each reader what it made of all utterances; what is on disk is not made again.

    Raises:
        FileError: the disk is full or the folder can't be written.
    """
    pieces = [utterances[start : start + BLOCK] for start in range(0, len(utterances), BLOCK)]
    works = [_look_up(piece, readers, folder, limits) for piece in pieces]
    open_works = [work for work in works if work.missing]
    jobs = [(utterance, work.parts) for work in open_works for utterance in work.utterances]
    decoded = in_parallel(lambda job: decode(job[0], limits, job[1]), jobs, workers)
    label = "/".join(reader.name for reader in readers)
    with closing(decoded), tqdm(total=len(jobs), desc=label, unit="utterance", disable=not jobs) as bar:
        for work in open_works:
            _read(work, decoded, bar)
    return [_joined([work.found[reader] for work in works]) for reader in readers]


def _look_up(utterances: Sequence[Utterance], readers: Sequence[Reader], folder: Path, limits: Limits) -> _Work:
    paths = {reader: reader.path(folder, utterances, limits) for reader in readers}
    loaded = {reader: load_block(path) for reader, path in paths.items()}
    return _Work(utterances, paths, {reader: block for reader, block in loaded.items() if block is not None})


def _read(work: _Work, decoded: Iterator[Media], bar: "tqdm[NoReturn]") -> None:
    """Read the next utterances with every reader that has not, and keep what comes out."""
    missing = work.missing
    values: dict[Reader, list[Arrays | None]] = {reader: [] for reader in missing}
    faults: dict[Reader, list[MediaFault]] = {reader: [] for reader in missing}
    for media in islice(decoded, len(work.utterances)):
        for reader in missing:
            values[reader].append(reader.read(media))
            if reader.part in media.faults:
                faults[reader].append(media.faults[reader.part])
        bar.update()
    for reader in missing:
        block = FeatureBlock(values[reader], faults[reader])
        save_block(block, work.paths[reader])
        work.found[reader] = block


def _joined(blocks: Sequence[FeatureBlock]) -> FeatureBlock:
    return FeatureBlock(
        [value for block in blocks for value in block.values], [f for block in blocks for f in block.faults]
    )
