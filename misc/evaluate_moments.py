"""Measure how well moments of long videos are found by words, by concepts, and by a trained model, alone and fused.

    python misc/evaluate_moments.py --make_films data/Films --clips 48
    python misc/extract_experts.py --videos data/Films/videos --name Films
    python misc/evaluate_moments.py --name Films --truth data/Films/moments.json --window 6 --stride 3

Films are clips of the demo, one after the other, whose captions are the queries. For videos of your own, `--truth` is a JSON
list of objects with the keys video, start and end (seconds) and caption. Neither captions nor names of files are searched.

- video R@1: the first video is the right one;
- R1@IoU: of the moments of the right video, the first has this intersection over union with the right one;
- mAP: average precision of the moments that a result shows, at most three, mean over IoU 0.5 to 0.95;
- both: the first video is the right one, and its first moment has this IoU.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from utils.errors import CommandParser, InputError, cli_command


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--make_films", metavar="DIR", type=Path, help="write films of the demo and their times, and end")
    parser.add_argument("--clips", metavar="N", type=int, default=48, help="clips in all films (default: %(default)s)")
    parser.add_argument("--name", help="the collection")
    parser.add_argument("--data_dir", metavar="DIR", type=Path, help="its folder (default: data/<name>)")
    parser.add_argument("--truth", metavar="FILE", type=Path, help="JSON: captions with the times of their moments")
    parser.add_argument("--only", metavar="REGEX", help="only captions in which a regular expression is found")
    parser.add_argument("--resume", metavar="CHECKPOINT", type=Path, help="also search by this model")
    parser.add_argument("--window", metavar="SECONDS", type=float, help="length of the windows (default: 10)")
    parser.add_argument("--stride", metavar="SECONDS", type=float, help="distance of the windows (default: --window)")
    parser.set_defaults(**dict.fromkeys(("config", "encoder", "index", "device", "uri", "querybank", "index_dir")))
    args = parser.parse_args()
    if args.make_films is None and (args.name is None or args.truth is None):
        raise InputError("expected --name and --truth, or --make_films")
    if args.clips < 1:
        raise InputError(f"--clips {args.clips}: expected a number from 1")
    return args


@cli_command
def main() -> None:
    """Write films, or evaluate and print a table."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.evaluation.moments import run
    run(args)


if __name__ == "__main__":
    main()
