"""The names of the corpora, by what they hold; importing this loads nothing else."""

from typing import Final, Literal, get_args

ConversationCorpus = Literal["meld", "iemocap", "csv"]
ClipCorpus = Literal[
    "ravdess", "emodb", "tess", "nemo", "emovo", "crema_d", "savee", "ased", "emospeech_india", "audiofolder"
]
FaceCorpus = Literal["fer2013", "faces_press", "imagefolder"]
Dataset = Literal[ConversationCorpus, ClipCorpus, FaceCorpus]

SPOKEN: Final[ClipCorpus] = "ravdess"
"""The corpus whose clips stand for neutral words said with an emotion."""
CONVERSATIONS: Final[tuple[ConversationCorpus, ...]] = get_args(ConversationCorpus)
CLIPS: Final[tuple[ClipCorpus, ...]] = get_args(ClipCorpus)
FACES: Final[tuple[FaceCorpus, ...]] = get_args(FaceCorpus)
