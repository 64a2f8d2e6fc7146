"""The sound's half of a file's session: its speech is heard once, in long windows, and cut into utterances afterwards.

Which sounds share a window, and which words an utterance has, depends on the sound alone and never on what is done
first: the same file gives the same result on any machine.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final

from models.runtime.runtime import Branch, Runtime
from stream.dialog.pending import PendingUtterances
from stream.media import AudioChunk
from stream.settings import Settings
from stream.speakers.who import Who
from stream.speech.job_queue import AsrJob, PackJob
from stream.speech.pack import Pack, Packer
from stream.speech.segmenter import Segment, UtteranceEnd
from stream.speech.sound import Sound
from stream.speech.sound_intake import SoundIntake
from stream.speech.stretches import FileCutter, StretchFinder
from stream.speech.transcriber import SpeechToText
from stream.speech.transcript import Transcript, Word
from wire.events import Event

LONGEST_PACK_MS: Final = 14_000
SPREAD_MS: Final = 30_000
"""Of media from the begin of a pack to its end: what bounds how much sound is kept."""

AHEAD_MS: Final = 20_000
"""Of media that has been heard when it is decided who speaks: cuts at a change of speakers come so much later."""

_TOGETHER_MS: Final = 10_000  # and of the media that it is then decided of at once
_IN_LINE: Final = 3  # packs in recognition before reading pauses
_ROUNDING_MS: Final = 0.5


@dataclass(eq=False)
class _Asked:
    """A pack in recognition, and since that has left doubts, each of its doubtful sounds alone."""

    pack: Pack
    together: Future[list[Transcript | None]]
    alone: dict[int, Future[Transcript]] | None = None

    @property
    def done(self) -> bool:
        """Return whether all its words are there."""
        return self.alone is not None and all(future.done() for future in self.alone.values())


class FileUtterances:
    """Cuts a file's sound into utterances; those that have ended are :attr:`pending`.

    Args:
        transcriber: hears packs, and what they leave in doubt.
        emit: gets the warnings about the sound.
        who: tells who speaks.
        session: whose requests these are, for speech recognition and the runtime.
    """

    def __init__(
        self,
        transcriber: SpeechToText,
        runtime: Runtime,
        settings: Settings,
        emit: Callable[[Event], None],
        *,
        who: Who,
        session: str,
    ) -> None:
        self._transcriber, self._runtime, self._who, self._session = transcriber, runtime, who, session
        self._language = settings.transcriber.language
        self._intake = SoundIntake(emit)
        self._finder = StretchFinder(settings.segmenter, self._intake.detector)
        self._packer = Packer(LONGEST_PACK_MS, SPREAD_MS)
        self._asked: deque[_Asked] = deque()
        self._spoken: deque[tuple[float, float]] = deque()  # stretches of which it is to be decided who speaks
        self._cutter = FileCutter(settings.segmenter, self._finder.probabilities)
        self._doubtful: deque[tuple[Sound, Future[Transcript]]] = deque()
        self.pending = PendingUtterances(self._heard_alone, self._voice)
        self.skipped_partials = 0

    def push(self, chunk: AudioChunk) -> None:
        """Take the next sound; waits while much of it is in recognition."""
        for stretch in self._finder.push(self._intake.filtered(chunk)):
            self._stretch(stretch)
        self._hear(self._packer.late(self._finder.settled_ms))
        while len(self._asked) > _IN_LINE:
            self._take_first()
        if self._spoken and self._spoken[0][1] + AHEAD_MS <= self._finder.settled_ms:
            self._decide(self._finder.settled_ms - AHEAD_MS + _TOGETHER_MS)
        self._cut(self._finder.settled_ms)

    def poll(self) -> None:
        """Take what has been heard, and cut as far as that goes."""
        taken = False
        while self._asked and self._is_heard(self._asked[0]):
            self._take_first()
            taken = True
        if taken:
            self._cut(self._finder.settled_ms)

    def end(self) -> None:
        """Take the end of the sound: all of it is heard and cut."""
        for stretch in self._finder.finish():
            self._stretch(stretch)
        self._hear(self._packer.rest())
        while self._asked:
            self._take_first()
        self._decide(math.inf)
        self._cut(math.inf)
        self._began(self._cutter.finish())
        self._intake.warn(spoken=False, ended=True)

    def cancel(self) -> None:
        """Take back whatever was asked for."""
        while self._asked:
            asked = self._asked.pop()
            asked.together.cancel()
            for future in (asked.alone or {}).values():
                future.cancel()
        self._who.cancel()
        self.pending.cancel()

    def _stretch(self, stretch: Sound) -> None:
        self._intake.warn(spoken=True, ended=False)
        self._hear(self._packer.add(stretch))
        self._who.begin(stretch.start_ms)
        self._who.follow(stretch.start_ms, stretch.end_ms, stretch.between)
        self._who.end(stretch.end_ms, stretch.between)
        self._spoken.append((stretch.start_ms, stretch.end_ms))

    def _decide(self, until_ms: float) -> None:
        """Decide who speaks in the stretches that end by then, and cut where that changes."""
        while self._spoken and self._spoken[0][1] <= until_ms:
            self._cutter.change(self._who.changes(*self._spoken.popleft()))

    def _hear(self, pack: Pack | None) -> None:
        if pack is not None:
            job = PackJob(pack, self._language, session=self._session)
            self._asked.append(_Asked(pack, self._transcriber.submit_pack(job)))

    def _is_heard(self, asked: _Asked) -> bool:
        """Return whether all words of a pack are there; those in doubt are asked for as soon as that is known."""
        if asked.alone is None and asked.together.done():
            self._hear_doubtful(asked)
        return asked.done

    def _hear_doubtful(self, asked: _Asked) -> None:
        together = _result(asked)
        asked.alone = {
            place: self._submit(sound)
            for place, (sound, heard) in enumerate(zip(asked.pack.sounds, together, strict=True))
            if heard is None
        }

    def _take_first(self) -> None:
        """Wait for the words of the first pack in recognition, and let them be cut."""
        asked = self._asked.popleft()
        if asked.alone is None:
            self._hear_doubtful(asked)
        alone = asked.alone or {}
        for place, (sound, heard) in enumerate(zip(asked.pack.sounds, _result(asked), strict=True)):
            if heard is not None:
                self._cutter.know(heard.words)
                continue
            self._doubtful.append((sound, alone[place]))
            self._cutter.know(_words(alone[place]))

    def _cut(self, until_ms: float) -> None:
        """Cut the sound up to a time, but not beyond the first that is not heard yet."""
        heard = self._asked[0].pack.sounds[0].start_ms if self._asked else None
        decided = self._spoken[0][0] if self._spoken else None
        for start_ms in (heard, decided, self._packer.start_ms):
            until_ms = until_ms if start_ms is None else min(until_ms, start_ms)
        for chunk in self._finder.take(until_ms):
            self._began(self._cutter.push(chunk))

    def _began(self, ended: Iterable[UtteranceEnd]) -> None:
        for event in ended:
            self.pending.begin(event.segment, event.words, 0.0, final=True)

    def _heard_alone(self, segment: Segment) -> Future[Transcript]:
        """Return the words of an utterance in which a pack has none: it is heard alone, if it has not been already."""
        while self._doubtful and self._doubtful[0][0].end_ms < segment.end_ms:
            self._doubtful.popleft()
        sound = Sound(segment.samples, segment.start_ms)
        if self._doubtful and _same(self._doubtful[0][0], sound):
            return self._doubtful.popleft()[1]
        return self._submit(sound)

    def _submit(self, sound: Sound) -> Future[Transcript]:
        return self._transcriber.submit(
            AsrJob(sound.samples, sound.start_ms, language=self._language, session=self._session)
        )

    def _voice(self, segment: Segment) -> "Future[Branch | None]":
        return self._runtime.audio(segment.samples, session=self._session)


def _result(asked: _Asked) -> list[Transcript | None]:
    """Return what was heard in a pack; one that could not be heard is in doubt as a whole."""
    try:
        return asked.together.result()
    except Exception:  # noqa: BLE001 - what is wrong shows when each is heard alone
        return [None] * len(asked.pack.sounds)


def _words(heard: Future[Transcript]) -> tuple[Word, ...]:
    """Return the words that were heard; none where that failed, of which the utterance tells."""
    try:
        return heard.result().words
    except Exception:  # noqa: BLE001 - whatever it is, the utterance has its future
        return ()


def _same(one: Sound, other: Sound) -> bool:
    return abs(one.start_ms - other.start_ms) < _ROUNDING_MS and len(one.samples) == len(other.samples)
