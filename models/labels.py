"""The emotions the corpora name, each in the one order used for every logit, probability and file."""

from typing import Final

LABELS: Final = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
LABEL_INDEX: Final = {label: index for index, label in enumerate(LABELS)}

IEMOCAP_LABELS: Final = ("happy", "sad", "neutral", "angry", "excited", "frustrated")
"""The six emotions of IEMOCAP that the paper uses."""
