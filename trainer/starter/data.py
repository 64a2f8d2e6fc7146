"""The corpora of the starter bundle under one folder, read when first asked for."""

from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from trainer.data.conversation import Dialog
from trainer.data.faces import FaceSet
from trainer.data.fer2013 import load_fer2013
from trainer.data.meld import load_meld
from trainer.data.speech import SpeechClip, load_speech
from trainer.fit.metrics import Ints
from trainer.stages.audio import Sounds

_STATEMENTS: Final = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


class StarterData:
    """MELD's text, FER2013's faces and the speech corpora.

    Args:
        root: holds ``meld``, ``fer2013`` and the speech corpora.
        cache: where decoded sound is kept.

    Raises:
        DatasetError: from any property, when a corpus is missing or not as it should be.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root, self.cache = root, cache

    @cached_property
    def meld_train(self) -> tuple[Dialog, ...]:
        """Return MELD's training dialogs."""
        return load_meld(self.root / "meld", "train", media=False).dialogs

    @cached_property
    def meld_dev(self) -> tuple[Dialog, ...]:
        """Return MELD's dev dialogs."""
        return load_meld(self.root / "meld", "dev", media=False).dialogs

    @cached_property
    def faces_train(self) -> FaceSet:
        """Return FER2013's training faces."""
        return load_fer2013(self.root / "fer2013", "train")

    @cached_property
    def faces_dev(self) -> FaceSet:
        """Return FER2013's dev faces."""
        return load_fer2013(self.root / "fer2013", "dev")

    @cached_property
    def sounds_train(self) -> Sounds:
        """Return the clips of the training speakers."""
        return Sounds.decode(load_speech(self.root, "train"), self.cache)

    @cached_property
    def clips_dev(self) -> tuple[SpeechClip, ...]:
        """Return the names and labels of the held-out speakers' clips."""
        return load_speech(self.root, "dev")

    @cached_property
    def sounds_dev(self) -> Sounds:
        """Return the clips of the held-out speakers."""
        return Sounds.decode(self.clips_dev, self.cache)

    @property
    def ravdess_rows(self) -> Ints:
        """Return where the RAVDESS clips stand among the held-out speakers' clips."""
        return np.flatnonzero([clip.corpus == "ravdess" for clip in self.clips_dev])

    @property
    def ravdess_script(self) -> list[str]:
        """Return what is said in each of those clips, as their names tell."""
        return [_STATEMENTS[self.clips_dev[row].path.stem.split("-")[4]] for row in self.ravdess_rows]
