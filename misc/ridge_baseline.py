"""Evaluate ridge regression from the mean word of a caption to the mean feature of an expert, as a linear baseline.

Videos are ranked by cosine similarity to the prediction. The strength of the regularization is chosen on the validation
split.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, cli_command


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, metavar="FILE", help="config that names the data")
    parser.add_argument("--expert", default="rgb", help="expert to predict, one that no video lacks (default: %(default)s)")
    return parser.parse_args()


@cli_command
def main() -> None:
    """Print the results."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.reporting.ridge import run
    run(args)


if __name__ == "__main__":
    main()
