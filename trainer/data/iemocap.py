"""IEMOCAP in its official release layout: dialogs of two actors, filmed together (Busso et al., 2008).

Each of the five sessions has a woman and a man. A dialog's name says whose face carries the markers for motion
capture, as in ``Ses01F_impro01``; an utterance's says who speaks, as in ``Ses01F_impro01_M000``.

Who is on which side of the image is not in the release's README. Read here: **the actor with the markers is on the
left**, so an utterance is on the left where both letters are the same. Two public codebases that cut the release's
videos do it so, independently of each other as it seems: ``use_left`` in ``src/datasets.py`` of
wenliangdai/Multimodal-End2end-Sparse (Dai et al., NAACL 2021), and a script that cuts the release anew after EmoBox
(offset 0 for the women of the ``F`` dialogs and the men of the ``M`` ones, 360 of 720 for the others). It was not
verified on the videos themselves, which cannot be had here.

The labels are the release's majority labels. By them 7,380 utterances have one of the six classes. The paper's counts,
5,810 and 1,623, add up to the 7,433 of the features that papers pass on; where the other 53 are from nobody says.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.labels import IEMOCAP_LABELS
from models.text_input import Turn
from trainer.data.conversation import (
    AbsentError,
    Clip,
    Conversations,
    DatasetError,
    Dialog,
    Half,
    Skipped,
    Split,
    Utterance,
    odd_length,
)
from trainer.data.table import clean_text, read_text, wrong

TEST_SESSION: Final = 5
DEV_SHARE: Final = 0.1
"""The part of the dialogs of sessions 1 to 4 that is held out as dev."""

_CODES: Final = {"hap": "happy", "sad": "sad", "neu": "neutral", "ang": "angry", "exc": "excited", "fru": "frustrated"}
_OTHERS: Final = {
    "xxx": "its raters did not agree",
    "sur": "surprise is not one of the six classes",
    "fea": "fear is not one of the six classes",
    "dis": "disgust is not one of the six classes",
    "oth": "'other' is not one of the six classes",
}
_RATED: Final = re.compile(r"\[(?P<start>[\d.]+) - (?P<end>[\d.]+)\]\t(?P<name>\w+)\t(?P<code>\w+)\t\[.*\]\s*")
_SAID: Final = re.compile(r"(?P<name>Ses\w+)\s*\[[\d.]+\s*-\s*[\d.]+\]\s*:(?P<text>.*)")


@dataclass(frozen=True)
class _Rated:
    """One utterance of an EmoEvaluation file."""

    name: str
    start_ms: int
    end_ms: int
    code: str


def load_iemocap(root: Path, split: Split, *, media: bool = True) -> Conversations:
    """Return the dialogs of one split: sessions 1 to 4 but a tenth of their dialogs, that tenth, or session 5.

    Utterances are in the order of their start. Those of no class are skipped. With ``media`` each gets its cut sound
    and its place in the dialog's video; what is missing is noted, and is no error.

    Args:
        root: the folder ``IEMOCAP_full_release``, or the one that holds it.
        split: which part.
        media: whether to look for sound and video.

    Raises:
        DatasetError: a session or a transcript is missing, or a line is not as the release's lines are.
    """
    folder = find_release(root)
    files = _rating_files(folder, split)
    read = [_read_dialog(file, media) for file in files]
    return Conversations(
        "iemocap",
        split,
        IEMOCAP_LABELS,
        tuple(part.dialog for part in read if part.dialog),
        skipped=tuple(entry for part in read for entry in part.skipped),
        noted=tuple(entry for part in read for entry in part.noted),
    )


def find_release(root: Path) -> Path:
    """Return the folder with the sessions.

    Raises:
        AbsentError: there is none.
    """
    for folder in (root, root / "IEMOCAP_full_release"):
        if (folder / "Session1").is_dir():
            return folder
    message = f"IEMOCAP not found: no Session1 in {root}; check --root; docs/datasets.md says where it comes from"
    raise AbsentError(message)


def half_of(dialog: str, speaker: str) -> Half:
    """Return the half of the image where the speaker is: see the module for where this is from.

    Args:
        dialog: its name, whose sixth letter says who wears the markers.
        speaker: ``F`` or ``M``.
    """
    return "left" if dialog[5] == speaker else "right"


def _rating_files(folder: Path, split: Split) -> list[Path]:
    sessions = (TEST_SESSION,) if split == "test" else range(1, TEST_SESSION)
    files = [file for session in sessions for file in _ratings_of(folder / f"Session{session}")]
    if split == "test":
        return files
    dev = dev_dialogs([file.stem for file in files])
    return [file for file in files if (file.stem in dev) == (split == "dev")]


def _ratings_of(session: Path) -> list[Path]:
    folder = session / "dialog" / "EmoEvaluation"
    files = sorted(folder.glob("Ses*.txt"))  # not macOS's leavings, which start with "._"
    if not files:
        message = f"no Ses*.txt in {folder}; IEMOCAP's official release has the labels of {session.name} there"
        raise AbsentError(message)
    return files


def dev_dialogs(names: list[str]) -> frozenset[str]:
    """Return the tenth of the dialogs that is dev: always the same, whatever the order and the machine."""
    ordered = sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())
    return frozenset(ordered[: max(1, round(len(names) * DEV_SHARE))])


@dataclass(frozen=True)
class _ReadDialog:
    dialog: Dialog
    skipped: tuple[Skipped, ...]
    noted: tuple[Skipped, ...]


def _read_dialog(file: Path, media: bool) -> _ReadDialog:
    words = _words(file.parent.parent / "transcriptions" / file.name)
    kept: list[Utterance] = []
    skipped, noted = [], []
    ratings = list(_ratings(file))
    for rated in sorted(ratings, key=lambda rated: rated.start_ms):
        why = _reason_to_skip(rated, words)
        if why is not None:
            skipped.append(Skipped(rated.name, why))
            continue
        clip, odd = _clip(file, rated) if media else (None, odd_length(rated.start_ms, rated.end_ms))
        noted += [Skipped(rated.name, odd)] if odd else []
        kept.append(_utterance(rated, words[rated.name], clip))
    named = {rated.name for rated in ratings}
    skipped += [Skipped(name, "it has no label") for name in words if name not in named]
    return _ReadDialog(tuple(kept), tuple(skipped), tuple(noted))


def _ratings(file: Path) -> Iterator[_Rated]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if line.startswith("["):
            yield _rated(file, number, line)


def _rated(file: Path, number: int, line: str) -> _Rated:
    match = _RATED.fullmatch(line)
    if match is None or _speaker(match["name"]) not in {"F", "M"}:
        raise wrong(file, number, f"not a line of IEMOCAP's EmoEvaluation: {line!r}")
    code = match["code"]
    if code not in _CODES and code not in _OTHERS:
        raise wrong(file, number, f"unknown emotion {code!r}; expected one of {', '.join((*_CODES, *_OTHERS))}")
    start, end = (round(float(match[side]) * 1000) for side in ("start", "end"))
    return _Rated(match["name"], start, end, code)


def _speaker(name: str) -> str:
    return name.rpartition("_")[2][:1]


def _words(transcript: Path) -> dict[str, str]:
    """Return what was said by utterance; lines that are none, such as directions, are left out."""
    if not transcript.is_file():
        message = f"{transcript} is missing; IEMOCAP's official release has the dialog's transcript there"
        raise DatasetError(message)
    matches = (_SAID.fullmatch(line.strip()) for line in read_text(transcript).splitlines())
    return {match["name"]: clean_text(match["text"]) for match in matches if match}


def _reason_to_skip(rated: _Rated, words: Mapping[str, str]) -> str | None:
    if rated.code in _OTHERS:
        return _OTHERS[rated.code]
    return None if rated.name in words else "it has no transcript"


def _utterance(rated: _Rated, text: str, clip: Clip | None) -> Utterance:
    speaker = rated.name[:5] + _speaker(rated.name)
    return Utterance(rated.name, Turn(speaker, text), IEMOCAP_LABELS.index(_CODES[rated.code]), clip)


def _clip(file: Path, rated: _Rated) -> tuple[Clip | None, str | None]:
    """Return the utterance's media, and what is odd about them.

    The release comes with and without videos, so that a folder that is not there at all is nothing odd.
    """
    dialog, session = file.stem, file.parent.parent.parent
    sounds, images = session / "sentences" / "wav", session / "dialog" / "avi" / "DivX"
    sound, video = sounds / dialog / f"{rated.name}.wav", images / f"{dialog}.avi"
    odd = ["no sound: its .wav is not there"] if _lost(sound, sounds) else []
    odd += ["no images: the dialog's .avi is not there"] if _lost(video, images) else []
    length = odd_length(rated.start_ms, rated.end_ms)
    heard = sound if sound.is_file() else None
    seen = video if video.is_file() and length is None else None
    why = "; ".join([*odd, *([length] if length else [])]) or None
    if heard is None and seen is None:
        return None, why
    half = half_of(dialog, _speaker(rated.name)) if seen else None
    start, end = (rated.start_ms, rated.end_ms) if seen else (None, None)
    return Clip(seen, heard, start, end, half, sound_is_cut=heard is not None), why


def _lost(path: Path, folder: Path) -> bool:
    return folder.is_dir() and not path.is_file()
