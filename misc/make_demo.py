"""Make the Demo dataset: short video clips, features of seven experts, and captions.

The clips are drawn, with sounds, and written as WebM files to `<data_dir>/videos`. Features are extracted from the decoded
files, except those of ocr and speech, which are vectors of the known words. `<data_dir>/families.txt` has the family of each
clip, for `misc/cross_validate.py --groups`. The code is in `misc/demo/`.
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, InputError, cli_command


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=Path, default=Path("data/Demo"), help="output folder (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of everything random (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes (default: %(default)s)")
    parser.add_argument("--narrate", action="store_true", help="add audible narrators by espeak-ng, for speech recognition")
    parser.add_argument("--force", action="store_true", help="make it again")
    args = parser.parse_args()
    for option, lowest in (("seed", 0), ("workers", 1)):
        if getattr(args, option) < lowest:
            raise InputError(f"--{option} {getattr(args, option)}: expected a number from {lowest}")
    return args


@cli_command
def main() -> None:
    """Make the dataset unless it is up to date."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.demo.dataset import run
    run(args)


if __name__ == "__main__":
    main()
