"""Fill in the tables of the pages: results of runs, published results, and the archives of the datasets.

They are in marked blocks, `<!-- results: NAME -->` ... `<!-- end of results -->`; the text around them is written by hand.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_loader.datasets import LAYOUTS
from misc.reporting import archives, markdown_blocks, published_results, results, tables
from utils.errors import InputError, cli_command

MODELS = Path("data/saved/models")


def render_results_blocks(names: str | None, models: Path) -> dict[Path, dict[str, str]]:
    """Return the tables of the runs in `models` by page and block, of which `names` has the names (None: all with runs)."""
    blocks: dict[Path, dict[str, str]] = defaultdict(dict)
    for name in tables.TABLES if names is None else names.split(","):
        if name not in tables.TABLES:
            raise InputError(f"--tables: no table '{name}', expected one of {', '.join(tables.TABLES)}")
        table = results.render_results(name, models)
        if table:
            blocks[Path(tables.TABLES[name].page)][f"results: {name}"] = table
        elif names is None:
            print(f"{name}: left as it is, no run with several seeds")
        else:
            raise InputError(f"{models}: no run for table '{name}', expected one by train.py --seeds")
    if not blocks:
        raise InputError(f"{models}: no run for any table, expected one by train.py --seeds")
    return blocks


@cli_command
def main() -> None:
    """Render all requested blocks, then write them."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="Without options: the tables that have runs, and the datasets. A page keeps what is not filled in.",
    )
    parser.add_argument("--tables", metavar="NAME,...", help=f"tables of runs: {', '.join(tables.TABLES)}")
    parser.add_argument("--models", type=Path, metavar="DIR", help=f"folder of the runs (default: {MODELS})")
    parser.add_argument(
        "--published",
        type=Path,
        nargs=2,
        metavar=("FILE_2019", "FILE_2020"),
        help=f"fill in {published_results.PAGE} from the published results of both releases",
    )
    parser.add_argument("--datasets", action="store_true", help=f"fill in {archives.page_path('<name>')}")
    args = parser.parse_args()
    everything = args.tables is None and not (args.published or args.datasets)

    blocks: dict[Path, dict[str, str]] = {}
    if args.published:
        published = published_results.render_published(*args.published)
        blocks[published_results.PAGE] = {f"published: {title}": table for title, table in published.items()}
    if args.tables is not None or args.models or everything:
        blocks |= render_results_blocks(args.tables, args.models or MODELS)
    if args.datasets or everything:
        for layout in LAYOUTS.values():
            if layout.download:
                page = archives.page_path(layout.folder.lower())
                blocks[page] = blocks.get(page, {}) | archives.render_blocks(layout)
    markdown_blocks.write_blocks(blocks)


if __name__ == "__main__":
    main()
