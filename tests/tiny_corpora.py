"""Tiny corpora in the official layouts, cut from the demo clip: real faces and real speech, nothing of the corpora.

The words and labels are made up and fit neither the voices nor the faces. ``python tests/tiny_corpora.py FOLDER``
writes all three, to try commands on.
"""

import csv
import sys
import wave
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cache
from itertools import count
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from models.media.sound import Samples, read_sound
from models.media.spectrogram import SAMPLE_RATE

CLIP = Path(__file__).resolve().parent.parent / "demo" / "clip.mp4"
WIDTH, HEIGHT = 320, 180
FPS = Fraction(25, 2)

Image = npt.NDArray[np.uint8]
Said = tuple[str, str, str]
"""Speaker, words and label."""

MELD_COLUMNS = (
    "Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID",
    "Season", "Episode", "StartTime", "EndTime",
)  # fmt: skip
MELD: dict[str, Sequence[Sequence[Said]]] = {
    "train": (
        (
            ("Anna", "What are you doing here?", "surprise"),
            ("Ben", "I\u2019m so happy to see you!", "joy"),
            ("Anna", "You are never here.", "anger"),
        ),
        (
            ("Clara", "They are gone.", "sadness"),
            ("Ben", "I am so sorry.", "sadness"),
            ("Clara", "Is it the noise again\u2026", "fear"),
        ),
        (("Anna", "There is a fly in it.", "disgust"), ("Ben", "No, it is a raisin.", "neutral")),
        (("Ben", "We are leaving at nine.", "neutral"), ("Clara", "Great!", "joy")),
    ),
    "dev": (
        (("Anna", "It is half past two.", "neutral"), ("Ben", "So happy you are on time.", "joy")),
        (("Clara", "Never again!", "anger"), ("Anna", "What? Why?", "surprise")),
    ),
    "test": (
        (("Ben", "I am going home.", "neutral"), ("Clara", "Oh no, so sad.", "sadness")),
        (("Anna", "You did what?", "surprise"), ("Ben", "I won!", "joy")),
    ),
}
MELD_FOLDERS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}

IEMOCAP: dict[str, Sequence[Said]] = {
    "Ses01F_impro01": (("F", "Excuse me.", "neu"), ("M", "Do you have your forms?", "fru"), ("F", "Yeah.", "xxx")),
    "Ses01M_script01_1": (("M", "I got the job.", "exc"), ("F", "I am so happy.", "hap")),
    "Ses02F_impro02": (("M", "I have to go.", "sad"), ("F", "You are never here.", "ang")),
    "Ses02M_impro03": (("F", "What?", "neu"), ("M", "They said yes.", "hap")),
    "Ses03F_impro01": (("F", "It is gone.", "sad"), ("M", "Again?", "fru")),
    "Ses04M_impro01": (("M", "Good morning.", "neu"), ("F", "It is not.", "ang")),
    "Ses04F_impro04": (("F", "We won!", "exc"), ("M", "I know.", "neu")),
    "Ses05F_impro01": (("F", "I can\u2019t find it.", "fru"), ("M", "Here it is.", "neu")),
    "Ses05M_impro02": (("M", "So sorry.", "sad"), ("F", "It made me happy.", "hap")),
}

OWN: dict[str, Sequence[Sequence[Said]]] = {
    "train": (
        (("Anna", "I am so happy.", "good"), ("Ben", "I am so sad.", "bad")),
        (("Anna", "What?", "plain"), ("Ben", "Never again.", "bad")),
        (("Ben", "We won!", "good"), ("Anna", "It is nine.", "plain")),
    ),
    "dev": ((("Anna", "Good morning.", "plain"), ("Ben", "It is not.", "bad")),),
    "test": ((("Ben", "So happy.", "good"), ("Anna", "You are here.", "plain")),),
}

_STARTS = (0.6, 4.2, 7.4, 10.6, 14.0, 17.1, 20.1, 23.4)  # where somebody in the clip starts to speak
_SPEAKING_S = (0.9, 1.1, 1.0, 1.2)


def tiny_meld(root: Path) -> Path:
    """Write the official raw layout of MELD into ``root`` and return it."""
    passages = _passages()
    for split, dialogs in MELD.items():
        (root / MELD_FOLDERS[split]).mkdir(parents=True)
        rows = []
        for dialog, turns in enumerate(dialogs):
            for index, (speaker, words, emotion) in enumerate(turns):
                start, seconds = next(passages)
                write_clip(root / MELD_FOLDERS[split] / f"dia{dialog}_utt{index}.mp4", start, seconds)
                times = ("00:00:01,000", f"00:00:0{1 + int(seconds)},{round(seconds % 1 * 1000):03d}")
                rows.append((len(rows) + 1, words, speaker, emotion, "neutral", dialog, index, 1, 1, *times))
        _write_table(root / f"{split}_sent_emo.csv", MELD_COLUMNS, rows)
    return root


def tiny_iemocap(root: Path) -> Path:
    """Write the official release layout of IEMOCAP into ``root`` and return it; each half of the image has a face."""
    passages = _passages()
    for dialog, turns in IEMOCAP.items():
        session = root / f"Session{dialog[4]}"
        sounds = session / "sentences" / "wav" / dialog
        texts, ratings = session / "dialog" / "transcriptions", session / "dialog" / "EmoEvaluation"
        images = session / "dialog" / "avi" / "DivX"
        for folder in (sounds, texts, ratings, images):
            folder.mkdir(parents=True, exist_ok=True)
        said, rated, shown, heard = [], ["% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n"], [], []
        at = 0.0
        for index, (speaker, words, emotion) in enumerate(turns):
            start, seconds = next(passages)
            name = f"{dialog}_{speaker}{index:03d}"
            said.append(f"{name} [{at:08.4f}-{at + seconds:08.4f}]: {words}")
            rated.append(f"[{at:.4f} - {at + seconds:.4f}]\t{name}\t{emotion}\t[2.5000, 2.5000, 2.5000]")
            rated.append("C-E1:\tNeutral;\t()\nA-E1:\tval 3; act 3; dom  3;\t()\n")
            shown += [_two_halves(image) for image in _images(start, seconds)]
            heard.append(_sound(start, seconds))
            _write_wav(sounds / f"{name}.wav", heard[-1])
            at += seconds
        (texts / f"{dialog}.txt").write_text("\n".join(said) + "\n", encoding="utf-8")
        (ratings / f"{dialog}.txt").write_text("\n".join(rated) + "\n", encoding="utf-8")
        _write_video(images / f"{dialog}.avi", shown, np.concatenate(heard), "mpeg4", "pcm_s16le")
    return root


def tiny_csv(root: Path) -> Path:
    """Write own conversations into ``root`` and return it: one media file a dialog, the utterances by their times."""
    passages = _passages()
    columns = ("dialog", "utterance", "speaker", "text", "label", "start", "end", "file")
    (root / "clips").mkdir(parents=True)
    for split, dialogs in OWN.items():
        rows = []
        for dialog, turns in enumerate(dialogs):
            start, seconds = next(passages)
            file = f"clips/{split}{dialog}.mp4"
            write_clip(root / file, start, seconds * len(turns))
            for index, turn in enumerate(turns):
                rows.append(
                    (f"d{dialog}", index, *turn, f"{seconds * index:.2f}", f"{seconds * (index + 1):.2f}", file)
                )
        _write_table(root / f"{split}.csv", columns, rows)
    return root


def write_clip(path: Path, start: float, seconds: float) -> None:
    """Write a piece of the demo clip, small, as MELD's files are: H.264 and AAC."""
    _write_video(path, list(_images(start, seconds)), _sound(start, seconds), "libx264", "aac")


def _passages() -> Iterator[tuple[float, float]]:
    """Yield where a passage starts in the demo clip and how long it is, over and over."""
    for index in count():
        yield _STARTS[index % len(_STARTS)], _SPEAKING_S[index % len(_SPEAKING_S)]


@cache
def _all_images() -> tuple[Image, ...]:
    with av.open(str(CLIP)) as container:
        every_other = (frame for index, frame in enumerate(container.decode(video=0)) if index % 2 == 0)
        return tuple(
            frame.reformat(WIDTH, HEIGHT, format="rgb24").to_ndarray()
            for frame, _ in zip(every_other, range(int(27 * FPS)), strict=False)
        )


@cache
def _all_sound() -> Samples:
    return read_sound(CLIP)


def _images(start: float, seconds: float) -> tuple[Image, ...]:
    return _all_images()[int(start * FPS) : int((start + seconds) * FPS)]


def _sound(start: float, seconds: float) -> Samples:
    return _all_sound()[int(start * SAMPLE_RATE) : int((start + seconds) * SAMPLE_RATE)]


def _two_halves(image: Image) -> Image:
    """Return the part of the image where the face is, behind its mirror image, ``(180, 400, 3)``."""
    face = image[:, 100:300]
    return np.concatenate([face[:, ::-1], face], axis=1)


def _write_video(path: Path, images: Sequence[Image], sound: Samples, video_codec: str, sound_codec: str) -> None:
    with av.open(str(path), "w") as container:
        video = container.add_stream(video_codec, rate=FPS)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.bit_rate = 600_000
        if video_codec == "libx264":
            video.options = {"preset": "ultrafast"}
        audio = container.add_stream(sound_codec, rate=SAMPLE_RATE, layout="mono")
        for image in images:
            container.mux(video.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(video.encode(None))
        for start in range(0, len(sound), SAMPLE_RATE // 4):
            pcm = _pcm(sound[start : start + SAMPLE_RATE // 4])
            frame = av.AudioFrame.from_ndarray(pcm[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
            container.mux(audio.encode(frame))
        container.mux(audio.encode(None))


def _write_wav(path: Path, sound: Samples) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(_pcm(sound).tobytes())


def _pcm(sound: Samples) -> npt.NDArray[np.int16]:
    return (sound.clip(-1, 1) * 32767).astype(np.int16)


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([columns, *rows])


if __name__ == "__main__":
    out = Path(sys.argv[1])
    tiny_meld(out / "meld")
    tiny_iemocap(out / "iemocap")
    tiny_csv(out / "csv")
