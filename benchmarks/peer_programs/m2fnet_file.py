"""Our analysis of a whole file: words, faces, an emotion for each utterance. Argument: the file."""

import sys
from contextlib import closing
from pathlib import Path

from one_run import tell

from stream.analysis import analyze_file
from stream.live_models import LiveModels
from stream.settings import Settings


def main() -> None:
    """Analyze the file and print what it took."""
    models = LiveModels.load(Settings())

    def work() -> int:
        result = analyze_file(Path(sys.argv[1]), models=models)
        return sum(len(utterance.text.split()) for utterance in result.utterances)

    with closing(models):
        tell(work)


if __name__ == "__main__":
    main()
