"""Measure how well a collection is searched by words, concepts, an image-text and a trained model, alone and fused.

    python misc/evaluate_search.py --name MyVideos
    python misc/evaluate_search.py --name MyVideos --checkpoint trained_model.pth --only "sign|voice"

Queries are the captions of the test split, which the channel of words does not see, and candidates the videos of this split.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, cli_command


def parse_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="the collection")
    parser.add_argument("--data_dir", metavar="DIR", type=Path, help="its folder (default: data/<name>)")
    about = "the image-text model, if it is elsewhere than at extraction"
    parser.add_argument("--zero_shot", metavar="MODEL", help=about)
    about = "also search by this model"
    parser.add_argument("--checkpoint", "--resume", dest="resume", metavar="FILE", type=Path, help=about)
    about = "folder of the model's index, another one for each model (default: <data_dir>/index)"
    parser.add_argument("--index_dir", metavar="DIR", type=Path, help=about)
    parser.add_argument("--split", choices=("val", "test"), default="test", help="queries and candidates (default: test)")
    parser.add_argument("--only", metavar="REGEX", help="only captions in which a regular expression is found")
    parser.add_argument("--no_names", action="store_true", help="do not search the names of files, which may say too much")
    about = "also print how many captions, and how many nonsense queries, have no believable hit in the collection"
    parser.add_argument("--doubts", action="store_true", help=about)
    unused = ("config", "encoder", "index", "device", "uri", "querybank", "window", "stride")
    parser.set_defaults(**dict.fromkeys(unused))
    return parser.parse_args()


@cli_command
def main() -> None:
    """Evaluate, and print a table."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.evaluation.search import run
    run(args)


if __name__ == "__main__":
    main()
