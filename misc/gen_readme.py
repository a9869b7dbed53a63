"""Fill in the tables of the pages: results of runs, published results, and the archives of the datasets.

They are in marked blocks, `<!-- results: NAME -->` ... `<!-- end of results -->`; the text around them is written by hand.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.reporting import archives, tables
from misc.reporting.tables import MODELS, PUBLISHED_PAGE
from utils.errors import CommandParser, cli_command


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(
        description=__doc__.splitlines()[0],
        epilog="Without options: the tables that have runs, and the datasets. A page keeps what is not filled in.",
    )
    parser.add_argument("--tables", metavar="NAME,...", help=f"tables of runs: {', '.join(tables.TABLES)}")
    parser.add_argument("--models", type=Path, metavar="DIR", help=f"folder of the runs (default: {MODELS})")
    parser.add_argument(
        "--published",
        type=Path,
        nargs=2,
        metavar=("FILE_2019", "FILE_2020"),
        help=f"fill in {PUBLISHED_PAGE} from the published results of both releases",
    )
    parser.add_argument("--datasets", action="store_true", help=f"fill in {archives.page_path('<name>')}")
    return parser.parse_args()


@cli_command
def main() -> None:
    """Render all requested blocks, then write them."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.reporting.pages import run
    run(args)


if __name__ == "__main__":
    main()
