"""What the speech corpora tell of who speaks in a clip: sex and age, where names, their papers or tables say it."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from trainer.data.conversation import DatasetError
from trainer.data.places import home, votes_table
from trainer.data.speech import SpeechClip

Sex = Literal["female", "male"]

_DEMOGRAPHICS: Final = "VideoDemographics.csv"


@dataclass(frozen=True)
class Person:
    """Who speaks, as the corpus tells it; None where it does not."""

    sex: Sex | None = None
    age: int | None = None


UNKNOWN: Final = Person()
_ACTORS_OF_EMODB: Final = {  # Burkhardt et al., 2005
    "03": Person("male", 31), "08": Person("female", 34), "09": Person("female", 21), "10": Person("male", 32),
    "11": Person("male", 26), "12": Person("male", 30), "13": Person("female", 32), "14": Person("female", 35),
    "15": Person("male", 25), "16": Person("female", 31),
}  # fmt: skip


def _in_ravdess(clip: SpeechClip) -> Person:
    return Person("male" if int(clip.speaker) % 2 else "female")


def _in_emovo(clip: SpeechClip) -> Person:
    return Person("female" if clip.speaker.startswith("f") else "male")


def _in_emodb(clip: SpeechClip) -> Person:
    return _ACTORS_OF_EMODB.get(clip.speaker, UNKNOWN)


def _in_ased(clip: SpeechClip) -> Person:
    sexes: dict[str, Sex] = {"01": "female", "02": "male"}
    return Person(sexes.get(clip.path.stem.split("-")[3]))


def _untold(_: SpeechClip) -> Person:
    return UNKNOWN


_NAMED: Final[Mapping[str, Callable[[SpeechClip], Person]]] = {
    "ravdess": _in_ravdess,
    "emodb": _in_emodb,
    "emovo": _in_emovo,
    "ased": _in_ased,
}


def people_of(corpus: str, root: Path, clips: Sequence[SpeechClip]) -> list[Person]:
    """Return who speaks in each clip of one corpus.

    Args:
        corpus: its name; of one that tells nothing all are unknown.
        root: the corpus's folder, or the one that holds it under its name; CREMA-D's table of its actors is looked for
            in the corpus and in ``crema_d_votes`` beside it.
        clips: of that corpus.

    Raises:
        DatasetError: a table can't be read.
    """
    if corpus == "crema_d":
        actors = _actors(corpus, home(corpus, root))
        return [actors.get(clip.speaker, UNKNOWN) for clip in clips]
    tell = _NAMED.get(corpus, _untold)
    return _of_one_sex(clips, [tell(clip) for clip in clips])


def _of_one_sex(clips: Sequence[SpeechClip], people: Sequence[Person]) -> list[Person]:
    """Return the people, those unknown whose clips tell of two sexes, as some of ASED's do by a slip."""
    told = {(clip.speaker, person.sex) for clip, person in zip(clips, people, strict=True)}
    both = {speaker for speaker, sex in told if sex == "female" and (speaker, "male") in told}
    return [UNKNOWN if clip.speaker in both else person for clip, person in zip(clips, people, strict=True)]


def _actors(corpus: str, folder: Path) -> dict[str, Person]:
    path = votes_table(corpus, folder, _DEMOGRAPHICS)
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return {row["ActorID"]: _actor(row) for row in csv.DictReader(file)}
    except (KeyError, ValueError) as error:
        message = f"{path} can't be read as a table of actors ({error!r}): it needs the columns ActorID, Age and Sex"
        raise DatasetError(message) from error


def _actor(row: Mapping[str, str]) -> Person:
    sexes: dict[str, Sex] = {"Female": "female", "Male": "male"}
    return Person(sexes.get(row["Sex"]), int(row["Age"]))
