"""Help for the scripts of this folder, which `misc/benchmark.py` starts in processes of their own."""

import argparse
import sys


def explain_if_asked(description: str) -> None:
    """Print what a script does and exit, if it is asked for help or started without arguments.

    Its other arguments are those of `misc/benchmark.py` and not parsed here.
    """
    if len(sys.argv) > 1 and not {"-h", "--help"} & set(sys.argv[1:]):
        return
    parser = argparse.ArgumentParser(
        description=description,
        epilog="This is a part of misc/benchmark.py, which starts it.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("arguments", nargs="+", help="as misc/benchmark.py gives them")
    parser.parse_args()
