"""What the command lines of benchmarks have in common, and where they write their figures: documents, JSON files."""

import argparse
import json
from pathlib import Path
from typing import Any

from commands.measured import BlockError, FigureBlock, machine
from models.files.whole_file import write_whole


def script_parser(about: str | None, script: str) -> argparse.ArgumentParser:
    """Return a parser with ``--write``, whose value is the block of this script in a document, None if not given."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)

    def block(place: str) -> FigureBlock:
        try:
            return FigureBlock.of(f"benchmarks/{Path(script).name}", place)
        except BlockError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    text = "put the figures into this script's block there, too"
    parser.add_argument("--write", type=block, metavar="DOCUMENT[#PART]", help=text)
    return parser


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write what was measured as JSON, and on which machine."""
    write_whole(path, json.dumps({"machine": machine()} | figures, indent=2, ensure_ascii=False) + "\n")
