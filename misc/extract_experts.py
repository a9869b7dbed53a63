"""Extract experts from video files: everything that training and search need, in data/<Name>.

Each file below --videos is decoded once and described by all experts of the config, which are in `misc/extractors/`. The id
of a video is its path below that folder without the suffix. The same command resumes an interrupted extraction, and reads
only new and changed files. Files that cannot be used are listed in data/<Name>/failures.json, files that are used without a
damaged part in data/<Name>/warnings.json.
"""

import argparse
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from data_loader.datasets import is_known
from misc.extraction import caption_files
from misc.extraction.settings import DEFAULT
from utils.errors import CommandParser, InputError, cli_command
from utils.jobs import count_cores

MAX_SECONDS = 1e6


def parse_arguments() -> argparse.Namespace:
    """Return the checked arguments of the command line."""
    parser = CommandParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("--videos", type=Path, required=True, help="folder of video files, with its subfolders")
    parser.add_argument("--name", required=True, help="name of the collection: letters, digits, _ and -")
    about = "captions of the videos: .csv with columns video and caption, .json, .jsonl"
    parser.add_argument("--captions", type=Path, help=about)
    parser.add_argument("--split", default="80/10/10", help="shares of train, val and test (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the split (default: %(default)s)")
    parser.add_argument("--splits", type=Path, help="folder with train_list.txt, val_list.txt and test_list.txt instead")
    parser.add_argument("--config", type=Path, default=DEFAULT, help="config of the extraction (default: %(default)s)")
    parser.add_argument("--experts", metavar="NAME,...", help="some experts of the config (default: all)")
    about = "also embed frames by an image-text model, to search without training: open_clip:<name> or transformers:<name>"
    parser.add_argument("--zero_shot", metavar="MODEL", help=about)
    parser.add_argument("--data_dir", type=Path, help="output folder (default: data/<Name>)")
    parser.add_argument("--workers", type=int, default=count_cores(), help="processes (default: one per core, %(default)s)")
    parser.add_argument("--device", type=int, help="GPU for networks, such as 0 (default: the CPU)")
    about = "maximum seconds per video, or per ten minutes of a longer one (default: %(default)s)"
    parser.add_argument("--timeout", type=float, default=1800, help=about)
    about = "what runs the processes (default: %(default)s)"
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help=about)
    parser.add_argument("--address", help="address of a cluster, with --engine ray (default: this machine)")
    args = parser.parse_args()
    if not re.fullmatch(r"[\w-]+", args.name) or is_known(args.name):
        raise InputError(f"--name {args.name}: expected letters, digits, _ and -, and not a published dataset")
    if args.workers < 1 or not 0 < args.timeout <= MAX_SECONDS:
        raise InputError(f"--workers {args.workers}, --timeout {args.timeout}: expected numbers above 0")
    if args.address and args.engine != "ray":
        raise InputError("--address: expected --engine ray with it")
    if not args.videos.is_dir():
        found = "a file" if args.videos.exists() else "no such folder"
        raise InputError(f"{args.videos}: {found}, expected a folder with video files")
    if args.captions is None and args.splits:
        raise InputError("--splits: expected --captions with it")
    caption_files.parse_split_shares(args.split)
    args.data_dir = args.data_dir or Path("data") / args.name
    if args.data_dir.resolve().is_relative_to(args.videos.resolve()):
        raise InputError(f"--data_dir {args.data_dir}: in the folder of videos, expected another place")
    return args


@cli_command
def main() -> None:
    """Extract, and write the archive."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.extraction.extraction import run
    run(args)


if __name__ == "__main__":
    main()
