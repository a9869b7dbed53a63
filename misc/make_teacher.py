"""Write the embeddings of trained models to files that teach another model (TeachText): the `distil_params` of a config."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from data_loader.datasets.layout import TEACHERS
from utils.errors import CommandParser, cli_command


def parse_arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = CommandParser(description=__doc__)
    parser.add_argument("checkpoints", metavar="CHECKPOINT", type=Path, nargs="+", help="trained models of one dataset")
    parser.add_argument("--device", metavar="N", type=int, help="index of the GPU to use (default: the CPU)")
    parser.add_argument("--force", action="store_true", help="replace files of teachers that exist")
    parser.epilog = (
        f"The files are {TEACHERS}<experiment>.pkl in the folder of the features, {TEACHERS}<experiment>-seed-<n>.pkl of "
        "one of several seeds. In the end, the keys of a config that train with them are printed."
    )
    return parser.parse_args()


@cli_command
def main() -> None:
    """Write a file for each checkpoint."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from trainer.teacher_files import run
    run(args)


if __name__ == "__main__":
    main()
