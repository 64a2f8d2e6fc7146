"""Our faces and expressions of frames. Argument: an .npy of ``(frames, height, width, 3)`` uint8 RGB."""

import sys
from contextlib import closing

import numpy as np
from one_run import tell

from stream.live_models import LiveModels
from stream.media import VideoFrame
from stream.settings import Settings


def main() -> None:
    """Find the faces of every frame with their expressions and print what it took."""
    frames = np.load(sys.argv[1])
    settings = Settings()
    models = LiveModels.load(settings)

    def work() -> int:
        analyzer = models.face_analyzer(settings.vision, session="peers", live=False)
        numbered = enumerate(frames)
        return sum(bool(analyzer.analyze(VideoFrame(125 * number, frame)).faces.faces) for number, frame in numbered)

    with closing(models):
        tell(work)


if __name__ == "__main__":
    main()
