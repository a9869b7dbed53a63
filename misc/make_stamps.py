"""Make the clips of Stamps2: clip art with captions and sounds, from the stamps of Tux Paint in a Debian package.

Each stamp becomes a WebM file in `<data_dir>/videos`: its picture on white, with its sound effect and its spoken English
name. Its caption, the first line of its text, goes to `<data_dir>/captions.csv`. The same command resumes after an
interruption. `misc/extract_experts.py` then extracts the features; the command for it is printed at the end. The code is
in `misc/stamps/`, and misc/datasets/stamps2/README.md describes the data set.

To get the package: apt-get download tuxpaint-stamps-default
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.stamps.package import INSTALLED
from utils.errors import CommandParser, InputError, cli_command
from utils.jobs import count_cores

ROOT = Path(__file__).resolve().parent.parent
LISTS = ROOT / "misc/datasets/stamps2"


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    about = "the .deb, or the folder of stamps of an installed package (default: %(default)s)"
    parser.add_argument("--package", type=Path, default=INSTALLED, help=about)
    parser.add_argument("--data_dir", type=Path, default=Path("data/stamps2"), help="output folder (default: %(default)s)")
    about = "folder with train_list.txt, val_list.txt and test_list.txt (default: misc/datasets/stamps2)"
    parser.add_argument("--splits", type=Path, default=LISTS, help=about)
    about = "write new lists of splits to DIR and use them, for another version of the package"
    parser.add_argument("--new_splits", type=Path, metavar="DIR", help=about)
    parser.add_argument("--workers", type=int, default=count_cores(), help="processes (default: one per core, %(default)s)")
    args = parser.parse_args()
    if args.workers < 1:
        raise InputError(f"--workers {args.workers}: expected a number from 1")
    return args


@cli_command
def main() -> None:
    """Make the clips that are not complete yet."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.stamps.dataset import run
    run(args)


if __name__ == "__main__":
    main()
