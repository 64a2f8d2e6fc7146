"""faster-whisper alone on a whole file: words and their times. Arguments: the model's folder, the file."""

import sys

from faster_whisper import WhisperModel
from one_run import tell


def main() -> None:
    """Transcribe the file and print what it took."""
    folder, clip = sys.argv[1:]
    model = WhisperModel(folder, device="cpu", compute_type="int8")

    def work() -> int:
        segments, _ = model.transcribe(clip, language="en", word_timestamps=True)
        return sum(len(segment.words or ()) for segment in segments)

    tell(work)


if __name__ == "__main__":
    main()
