"""Where benchmarks write their figures: a block of a document, and a JSON file."""

import argparse
import json
from pathlib import Path
from typing import Any

from commands.measured import BlockError, FigureBlock, machine
from models.files.whole_file import write_whole


def add_write(parser: argparse.ArgumentParser, script: str) -> None:
    """Add ``--write``, whose value is the block of this script in a document, None where it is not given."""

    def block(place: str) -> FigureBlock:
        try:
            return FigureBlock.of(f"benchmarks/{Path(script).name}", place)
        except BlockError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    text = "put the figures into this script's block there, too"
    parser.add_argument("--write", type=block, metavar="DOCUMENT[#PART]", help=text)


def write_json(path: Path, figures: dict[str, Any]) -> None:
    """Write what was measured as JSON, and on which machine."""
    write_whole(path, json.dumps({"machine": machine()} | figures, indent=2, ensure_ascii=False) + "\n")
