"""Measure the speed of this implementation, each part compared with a plain one: see `misc/speed/`."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from misc.speed import batches, channels, evaluation, metrics, scaling, search, startup, step, store
from utils.errors import InputError, cli_command
from utils.files import write_json

PARTS = {
    "store": (store, lambda args: store.run(args.folder, args.videos)),
    "startup": (startup, lambda args: startup.run(args.folder, args.videos)),
    "batches": (batches, lambda args: batches.run(args.folder, args.videos)),
    "step": (step, lambda args: step.run(args.device, args.release)),
    "metrics": (metrics, lambda args: metrics.run()),
    "evaluation": (evaluation, lambda args: evaluation.run(args.folder, args.videos)),
    "scaling": (scaling, lambda args: scaling.run()),
    "search": (search, lambda args: search.run(args.folder, args.sizes or search.SIZES, args.dim or search.DIM)),
    "channels": (channels, lambda args: channels.run(args.folder, args.sizes or channels.SIZES)),
}
DEFAULT = "store"


def parse_arguments() -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parts = parser.add_argument_group("what is measured").add_mutually_exclusive_group()
    for name, (module, _) in PARTS.items():
        about = module.__doc__.splitlines()[0] + (" (default)" if name == DEFAULT else "")
        parts.add_argument(f"--{name}", dest="part", action="store_const", const=name, default=DEFAULT, help=about)
    about = "videos of the archive to generate (default: %(default)s)"
    parser.add_argument("--videos", metavar="N", type=int, default=10_000, help=about)
    about = "folder of the archive, 16 GiB with its caches for 10,000 videos (default: %(default)s)"
    parser.add_argument("--folder", metavar="DIR", type=Path, default=Path("data/benchmark"), help=about)
    about = "with --step, the network: that of 2019, or the corrected one (default: %(default)s)"
    parser.add_argument("--release", choices=step.CONFIGS, default="2019", help=about)
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures to this file, too")
    parser.add_argument("--device", metavar="N", type=int, help="with --step, the GPU to use (default: the CPU)")
    defaults = " and ".join(" ".join(map(str, part.SIZES)) for part in (search, channels))
    about = f"with --search, numbers of videos, with --channels of windows (default: {defaults})"
    parser.add_argument("--sizes", metavar="N", type=int, nargs="+", help=about)
    parser.add_argument("--dim", metavar="D", type=int, help=f"with --search, dims of an embedding (default: {search.DIM})")
    args = parser.parse_args()
    if args.videos < 1000:
        raise InputError(f"--videos {args.videos}: expected at least 1000, or the splits have no batch")
    if args.device is not None and args.part != "step":
        raise InputError(f"--device: --{args.part} is measured on the CPU")
    if args.dim is not None and args.part != "search":
        raise InputError(f"--dim: not for --{args.part}, expected --search")
    if args.sizes is not None and args.part not in ("search", "channels"):
        raise InputError(f"--sizes: not for --{args.part}, expected --search or --channels")
    if args.dim is not None and args.dim < 1:
        raise InputError(f"--dim {args.dim}: expected a positive number")
    if min(args.sizes or (search.K,)) < search.K:
        raise InputError(f"--sizes: found {min(args.sizes)}, expected at least the {search.K} videos that are searched for")
    return args


@cli_command
def main() -> None:
    """Measure one part."""
    args = parse_arguments()
    _, run = PARTS[args.part]
    figures = run(args)
    if args.json:
        write_json(args.json, figures)


if __name__ == "__main__":
    main()
