"""The seven emotions of MELD, in the one order used for every logit, probability and file."""

from typing import Final

LABELS: Final = ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger")
LABEL_INDEX: Final = {label: index for index, label in enumerate(LABELS)}
