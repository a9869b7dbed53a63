"""Encode the captions of a data set with another text encoder: word vectors for `experts.text_feat` of a config."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, cli_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(description=__doc__)
    about = "file of captions as words: video -> list of captions, each a list of words or a string (.pkl, .pickle)"
    parser.add_argument("--captions", metavar="FILE", type=Path, required=True, help=about)
    about = "text encoder: minilm, transformers:<name> or open_clip:<name> (default: %(default)s)"
    parser.add_argument("--encoder", metavar="SPEC", default="minilm", help=about)
    about = "file to write (default: text-<encoder>.pickle beside the captions, as data sets of your own have it)"
    parser.add_argument("--output", metavar="FILE", type=Path, help=about)
    parser.add_argument("--device", metavar="N", type=int, help="index of the GPU to use (default: the CPU)")
    parser.add_argument("--force", action="store_true", help="replace a file that exists")
    return parser.parse_args()


@cli_command
def main() -> None:
    """Encode all captions, and write them to one file."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.extraction.caption_encoding import run
    run(args)


if __name__ == "__main__":
    main()
