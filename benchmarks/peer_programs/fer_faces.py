"""fer's faces and expressions. Arguments: an .npy of ``(frames, height, width, 3)`` uint8 RGB; haar or mtcnn."""

import os
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from fer.fer import FER  # type: ignore[import-not-found] # only its own environment has it
from one_run import tell


def main() -> None:
    """Find the faces of every frame with their expressions and print what it took."""
    path, detector = sys.argv[1:]
    frames = np.load(path)[..., ::-1]  # it takes OpenCV's order of colours
    faces = FER(mtcnn=detector == "mtcnn")
    printed, sys.stdout = sys.stdout, sys.stderr  # what it says of itself is no figure

    def work() -> int:
        return sum(bool(faces.detect_emotions(np.ascontiguousarray(frame))) for frame in frames)

    work()
    sys.stdout = printed
    tell(work)


if __name__ == "__main__":
    main()
