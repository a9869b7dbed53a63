"""Measure the speed of this implementation, each part compared with a plain one: see `misc/speed/`."""

import argparse
import ast
import importlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.speed.settings import CONFIGS, DIM, SEARCH_METHODS, SIZES, WINDOW_SIZES, K
from utils.errors import CommandParser, InputError, cli_command
from utils.files import write_json

# Each part is a module of `misc/speed`; the values are the arguments of its function `run`.
PARTS = {
    "store": lambda args: (args.folder, args.videos),
    "startup": lambda args: (args.folder, args.videos),
    "batches": lambda args: (args.folder, args.videos),
    "step": lambda args: (args.device, args.release),
    "busy": lambda args: (),
    "metrics": lambda args: (),
    "evaluation": lambda args: (args.folder, args.videos, args.device),
    "scaling": lambda args: (),
    "search": lambda args: (args.folder, args.sizes or SIZES, args.dim or DIM, args.methods or SEARCH_METHODS),
    "channels": lambda args: (args.folder, args.sizes or WINDOW_SIZES),
}
DEFAULT = "store"


def describe_part(name: str) -> str:
    """Return the first line of a part's documentation, without importing it."""
    return ast.get_docstring(ast.parse(Path(__file__).with_name("speed").joinpath(f"{name}.py").read_text())).splitlines()[0]


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = CommandParser(description=__doc__)
    parts = parser.add_argument_group("what is measured").add_mutually_exclusive_group()
    for name in PARTS:
        about = describe_part(name) + (" (default)" if name == DEFAULT else "")
        parts.add_argument(f"--{name}", dest="part", action="store_const", const=name, default=DEFAULT, help=about)
    about = "videos of the archive to generate (default: %(default)s)"
    parser.add_argument("--videos", metavar="N", type=int, default=10_000, help=about)
    about = "folder of the archive, 16 GiB with its caches for 10,000 videos (default: %(default)s)"
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path("data/benchmark"), help=about)
    about = "with --step, the network: that of 2019, or the corrected one (default: %(default)s)"
    parser.add_argument("--release", choices=CONFIGS, default="2019", help=about)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to this file, too")
    parser.add_argument("--device", metavar="N", type=int, help="with --step and --evaluation, the GPU to use")
    defaults = " and ".join(" ".join(map(str, sizes)) for sizes in (SIZES, WINDOW_SIZES))
    about = f"with --search, numbers of videos, with --channels of windows (default: {defaults})"
    parser.add_argument("--sizes", metavar="N", type=int, nargs="+", help=about)
    parser.add_argument("--dim", metavar="D", type=int, help=f"with --search, dims of an embedding (default: {DIM})")
    about = f"with --search, some of {', '.join(SEARCH_METHODS)} (default: all)"
    parser.add_argument("--methods", metavar="NAME", nargs="+", choices=SEARCH_METHODS, help=about)
    args = parser.parse_args()
    if args.videos < 1000:
        raise InputError(f"--videos {args.videos}: expected at least 1000, or the splits have no batch")
    if args.device is not None and args.part not in ("step", "evaluation"):
        raise InputError(f"--device: --{args.part} is measured on the CPU")
    if args.dim is not None and args.part != "search":
        raise InputError(f"--dim: not for --{args.part}, expected --search")
    if args.methods is not None and args.part != "search":
        raise InputError(f"--methods: not for --{args.part}, expected --search")
    if args.sizes is not None and args.part not in ("search", "channels"):
        raise InputError(f"--sizes: not for --{args.part}, expected --search or --channels")
    if args.dim is not None and args.dim < 1:
        raise InputError(f"--dim {args.dim}: expected a positive number")
    if min(args.sizes or (K,)) < K:
        raise InputError(f"--sizes: found {min(args.sizes)}, expected at least the {K} videos that are searched for")
    return args


@cli_command
def main() -> None:
    """Measure one part."""
    args = parse_arguments()
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        run = importlib.import_module(f"misc.speed.{args.part}").run
    figures = run(*PARTS[args.part](args))
    if args.json:
        write_json(args.json, figures)


if __name__ == "__main__":
    main()
