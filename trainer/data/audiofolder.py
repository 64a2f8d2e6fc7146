"""Any labelled sound: one folder a label, as ``root/<label>/**.wav``."""

from pathlib import Path

from trainer.data.conversation import Skipped
from trainer.data.emotion_names import classes_of
from trainer.data.label_folders import SOUND, labelled_files
from trainer.data.speech import LabelledClips, SpeechClip


def load_audiofolder(root: Path, split: str) -> LabelledClips:
    """Return the clips of one split; folders named after the seven emotions get those labels, others their own.

    A folder in a label's folder is named after the speaker; of a clip that is in none, the speaker is unknown and
    stands as the empty name.

    Args:
        root: the folder of the labels' folders, or of ``train``, ``dev`` and ``test`` with these in them.
        split: one of those, ``all``, or the path of a folder; see :func:`trainer.data.label_folders.labelled_files`.

    Raises:
        DatasetError: there is no such split, or no sound in folders of labels.
    """
    found = labelled_files("audiofolder", root, split, SOUND)
    classes, index = classes_of(found.labels)
    clips = tuple(SpeechClip(file.path, "audiofolder", file.folder, index[file.label]) for file in found.files)
    skipped = tuple(Skipped(path.name, "it is in no folder of a label") for path in found.loose)
    return LabelledClips("audiofolder", clips, classes, skipped)
