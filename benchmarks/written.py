"""The option of every benchmark that puts its figures into a document."""

import argparse
from pathlib import Path

from commands.measured import Block, BlockError


def add_write(parser: argparse.ArgumentParser, script: str) -> None:
    """Add ``--write``, whose value is the block of this script in a document, None where it is not given."""

    def block(place: str) -> Block:
        try:
            return Block.of(f"benchmarks/{Path(script).name}", place)
        except BlockError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    text = "put the figures into this script's block there, too"
    parser.add_argument("--write", type=block, metavar="DOCUMENT[#PART]", help=text)
