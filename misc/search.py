"""Search a collection of videos by words.

    python misc/search.py "a red bird sings" --name MyVideos
    python misc/search.py "a red bird sings" --name MyVideos --checkpoint trained_model.pth

The first search writes an index to data/<name>/index. `misc/search.py COMMAND --help` has more.
"""

import argparse
import difflib
import logging
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.late_imports import late_imports  # first: Ctrl-C is one line from here on

# isort: split
from misc.searching.commands import COMMANDS
from utils.errors import CommandParser, cli_command

NEGATIVE_WORD = re.compile(r'-(?!k\d)["“]?[^\W\d_].')  # not -k5


def parse_arguments(arguments: list[str]) -> argparse.Namespace:
    """Return the parsed command line; the default command is `query`."""
    if not arguments or arguments[0] in ("-h", "--help"):
        parser = CommandParser(
            usage="search.py [COMMAND] ...",
            description=__doc__,
            epilog="commands:" + "".join(f"\n  {name:8}{command.help}" for name, command in COMMANDS.items()),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("command", help=argparse.SUPPRESS)
        parser.parse_args(arguments)
    name, rest = (arguments[0], arguments[1:]) if arguments[0] in COMMANDS else ("query", arguments)
    if name != arguments[0] and (similar := difflib.get_close_matches(arguments[0], COMMANDS, 1, 0.75)):
        print(f"'{arguments[0]}' is not a command: searching for it; did you mean {similar[0]}?", file=sys.stderr)
    parser = CommandParser(prog=f"search.py {name}", description=COMMANDS[name].help)
    for flags, options in COMMANDS[name].arguments:
        parser.add_argument(*flags, **options)
    if name == "query":  # with a space before it, -word is not an option
        known = {flag for flags, _ in COMMANDS[name].arguments for flag in flags}
        rest = [f" {x}" if NEGATIVE_WORD.match(x) and f"-{x.partition('=')[0]}" not in known else x for x in rest]
    end = rest.index("--") if "--" in rest else len(rest)
    args = parser.parse_intermixed_args(rest[:end])  # options may precede the words
    if rest[end + 1 :]:  # parse_intermixed_args would take these for options
        if "words" not in args:
            parser.error("nothing is expected after --")
        args.words.extend(rest[end + 1 :])
    if name == "query":
        args.words = [word.strip() for word in args.words]
    args.command = name
    return args


@cli_command
def main() -> None:
    """Run the command."""
    args = parse_arguments(sys.argv[1:])
    with late_imports():  # torch and others take long to import: not before the arguments are valid
        from misc.searching.running import run_command
    # Standard output is for results.
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("faiss").setLevel(logging.WARNING)  # it logs which of its builds it loads
    logging.captureWarnings(True)
    run_command(args)


if __name__ == "__main__":
    main()
