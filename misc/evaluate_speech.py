"""Evaluate the recognition of speech on clips of a narrated demo, by the extractors of the speech expert or others.

The clips are made by `misc/make_demo.py --narrate`. Words are compared in lower case and without punctuation:

- word error rate: substituted, missing and additional words, as a share of the words that narrators speak;
- longer words heard: share of the words with more than three letters, once per clip and without fillers ("with");
- invented words: recognized in clips without a narrator;
- seconds: time of one core per clip, for clips with and without a narrator together.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, InputError, cli_command

EXTRACTORS = ("speech", "pocketsphinx")


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    about = "folder of the narrated demo (default: %(default)s)"
    parser.add_argument("--data_dir", type=Path, default=Path("data/NarratedDemo"), help=about)
    parser.add_argument("--clips", type=int, default=100, help="number of clips, the first ones (default: %(default)s)")
    about = f"extractors that recognize words (default: {' '.join(EXTRACTORS)})"
    parser.add_argument("--extractors", nargs="+", metavar="NAME", default=EXTRACTORS, help=about)
    args = parser.parse_args()
    if args.clips < 1:
        raise InputError(f"--clips {args.clips}: expected a number from 1")
    return args


@cli_command
def main() -> None:
    """Print a table with a line per extractor."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.evaluation.speech import run
    run(args)


if __name__ == "__main__":
    main()
