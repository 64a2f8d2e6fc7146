"""Conversations put together from clips of speakers who were held out: who speaks when is known to the sample."""

import random
import wave
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from diarization import Turn

from models.media.sound import Samples, read_sound
from stream.media import SAMPLE_RATE, SAMPLES_PER_MS
from trainer.data.speech import SpeechClip, load_corpus
from trainer.stages.audio import trim
from wire.pcm import to_pcm

CORPORA: Final = ("ravdess", "emodb", "nemo", "crema_d", "ased")
PEOPLE: Final = (2, 3, 4)
"""How many take part: there is a conversation of so many of each corpus that has as many held out."""

Clip = TypeVar("Clip")

_LONGEST_PAUSE_MS: Final = 800
_LENGTH_MS: Final = 60_000
_FEWEST_CLIPS: Final = 12  # of a speaker who takes part


@dataclass(frozen=True, eq=False)
class Conversation:
    """Sound ``(n,)`` at 16 kHz, and who speaks when in it."""

    name: str
    samples: Samples
    turns: tuple[Turn, ...]


def conversations(data: Path) -> Iterator[tuple[int, Conversation]]:
    """Yield those of 2, 3 and 4 people, each of one corpus, with the number of people.

    Raises:
        trainer.data.conversation.DatasetError: a corpus is missing.
    """
    corpora = {corpus: by_speaker(load_corpus(corpus, data, "dev")) for corpus in CORPORA}
    for people in PEOPLE:
        for corpus, clips in corpora.items():
            if len(clips) >= people:
                name = f"{corpus}, {people} people"
                chance = random.Random(name)  # noqa: S311 - it is to be the same each time
                yield people, joined(name, _sounds(in_turns(taking_part(clips, people, chance), chance)), chance)


def alone(data: Path) -> Iterator[Conversation]:
    """Yield one for each of RAVDESS's actors held out, who says all of its clips, the emotions mixed."""
    for actor, clips in by_speaker(load_corpus("ravdess", data, "dev")).items():
        chance = random.Random(actor)  # noqa: S311 - as above
        order = chance.sample(clips, len(clips))
        yield joined(f"ravdess, actor {actor}", _sounds((actor, clip) for clip in order), chance, length_ms=None)


def by_speaker(clips: Iterable[SpeechClip]) -> dict[str, list[SpeechClip]]:
    """Return the clips of each speaker who has enough of them to take part."""
    found: dict[str, list[SpeechClip]] = {}
    for clip in clips:
        found.setdefault(clip.speaker, []).append(clip)
    return {speaker: found[speaker] for speaker in sorted(found) if len(found[speaker]) >= _FEWEST_CLIPS}


def taking_part(clips: Mapping[str, Sequence[Clip]], people: int, chance: random.Random) -> dict[str, list[Clip]]:
    """Return so many speakers, drawn, each with its clips in an order that is drawn."""
    return {
        speaker: chance.sample(clips[speaker], len(clips[speaker])) for speaker in chance.sample(sorted(clips), people)
    }


def in_turns(clips: Mapping[str, Sequence[Clip]], chance: random.Random) -> Iterator[tuple[str, Clip]]:
    """Yield clips, each with another speaker than the one before: first one of everybody, then of whoever is drawn.

    It ends when whoever is drawn has said all.
    """
    left = {speaker: list(said) for speaker, said in clips.items()}
    first, last = list(left), ""
    while left:
        speaker = first.pop(0) if first else chance.choice([other for other in left if other != last])
        if not left[speaker]:
            return
        yield speaker, left[speaker].pop()
        last = speaker


def joined(
    name: str,
    said: Iterable[tuple[str, Samples]],
    chance: random.Random,
    *,
    length_ms: float | None = _LENGTH_MS,
) -> Conversation:
    """Return sounds one after the other, with pauses that are drawn, until it is long enough or there are no more."""
    pieces: list[Samples] = []
    turns: list[Turn] = []
    reached = 0
    for speaker, samples in said:
        pause = np.zeros(chance.randint(0, _LONGEST_PAUSE_MS) * SAMPLES_PER_MS, np.float32)
        start = reached + len(pause)
        reached = start + len(samples)
        pieces += [pause, samples]
        turns.append(Turn(start / SAMPLES_PER_MS, reached / SAMPLES_PER_MS, speaker))
        if length_ms is not None and reached >= length_ms * SAMPLES_PER_MS:
            break
    return Conversation(name, np.concatenate(pieces), tuple(turns))


def _sounds(said: Iterable[tuple[str, SpeechClip]]) -> Iterator[tuple[str, Samples]]:
    return ((speaker, trim(read_sound(clip.path))) for speaker, clip in said)


def write_wave(path: Path, samples: Samples) -> None:
    """Write sound ``(n,)`` at 16 kHz as a file of 16 bits."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(to_pcm(samples))
