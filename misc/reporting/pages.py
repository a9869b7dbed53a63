"""The blocks of the pages, rendered and written."""

import argparse
from collections import defaultdict
from pathlib import Path

from data_loader.datasets import LAYOUTS
from misc.reporting import archives, markdown_blocks, published_results, results, tables
from misc.reporting.tables import MODELS, PUBLISHED_PAGE
from utils.errors import InputError


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


def run(args: argparse.Namespace) -> None:
    """Render all requested blocks, then write them."""
    everything = args.tables is None and not (args.published or args.datasets)
    blocks: dict[Path, dict[str, str]] = {}
    if args.published:
        published = published_results.render_published(*args.published)
        blocks[PUBLISHED_PAGE] = {f"published: {title}": table for title, table in published.items()}
    if args.tables is not None or args.models or everything:
        blocks |= render_results_blocks(args.tables, args.models or MODELS)
    if args.datasets or everything:
        for layout in LAYOUTS.values():
            if layout.download:
                page = archives.page_path(layout.folder.lower())
                blocks[page] = blocks.get(page, {}) | archives.render_blocks(layout)
    markdown_blocks.write_blocks(blocks)
