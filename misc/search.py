"""Search a collection of videos by words.

    python misc/search.py "a red bird sings" --resume trained_model.pth --name MyVideos

The first search embeds the collection and keeps the index in data/<name>/index. `misc/search.py COMMAND --help` has more.
"""

import argparse
import difflib
import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from misc.searching import commands
from misc.searching.commands import Command
from misc.searching.serving import command as serving
from utils.errors import cli_command

DEFAULT = "query"
POSITIONAL = "words"  # of every command that takes any
SERVE = Command("a page in the browser that searches and plays the videos", serving.add_arguments, serving.run)
COMMANDS = {**commands.COMMANDS, "serve": SERVE}


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """The command line; one that does not begin with a command is a query."""
    listed = "".join(f"\n  {name:8}{entry.about}" for name, entry in COMMANDS.items())
    if not arguments or arguments[0] in ("-h", "--help"):
        parser = argparse.ArgumentParser(
            usage="search.py [COMMAND] ...",
            description=__doc__,
            epilog=f"commands:{listed}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("command", help=argparse.SUPPRESS)
        parser.parse_args(arguments)
    if arguments[0] not in COMMANDS and (near := difflib.get_close_matches(arguments[0], COMMANDS, 1, 0.75)):
        print(f"'{arguments[0]}' is no command, so it is searched for; did you mean {near[0]}?", file=sys.stderr)
    name, rest = (arguments[0], arguments[1:]) if arguments[0] in COMMANDS else (DEFAULT, arguments)
    parser = argparse.ArgumentParser(prog=f"search.py {name}", description=COMMANDS[name].about)
    COMMANDS[name].add_arguments(parser)
    end = rest.index("--") if "--" in rest else len(rest)
    args = parser.parse_intermixed_args(rest[:end])  # options may stand before the words
    if rest[end + 1 :]:  # that function would read these as options again
        if not hasattr(args, POSITIONAL):
            parser.error("nothing is expected behind --")
        getattr(args, POSITIONAL).extend(rest[end + 1 :])
    args.run = COMMANDS[name].run
    return args


@cli_command
def main() -> None:
    """Do what the command line says."""
    args = parse_arguments(sys.argv[1:])
    # Standard output is for results.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it tells which of its builds it loads
    logging.captureWarnings(True)
    args.run(args)


if __name__ == "__main__":
    main()
