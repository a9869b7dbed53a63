"""Markdown pages with blocks `<!-- KIND: NAME -->` ... `<!-- end of KIND -->` that are filled in from templates."""

import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from utils.errors import InputError
from utils.files import write_bytes

Cell = str | tuple[float, float | None] | None


def format_cell(value: Cell) -> str:
    """Format a cell of a table: mean and standard deviation, only the mean, unchanged text, or "-" for None."""
    if value is None or isinstance(value, str):
        return value or "-"
    mean, std = value
    return f"{mean:.1f}" if std is None else f"{mean:.1f}<sub>({std:.1f})</sub>"


_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parents[1] / "templates"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)
_ENVIRONMENT.filters["cell"] = format_cell


def render(template: str, **context: object) -> str:
    """Render `templates/<template>.md.j2` with `context`."""
    return _ENVIRONMENT.get_template(f"{template}.md.j2").render(context)


def fill_blocks(path: Path, blocks: Mapping[str, str]) -> str:
    """Return the text of a page with new content, whole lines, in its blocks "KIND: NAME", which have to be there once."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8, expected a page in Markdown") from None
    for name, content in blocks.items():
        start, end = f"<!-- {name} -->", f"<!-- end of {name.partition(':')[0]} -->"
        pattern = rf"{re.escape(start)}\n(?:(?!<!-- ).)*{re.escape(end)}"
        text, count = re.subn(pattern, lambda _, new=f"{start}\n{content}{end}": new, text, flags=re.DOTALL)
        if count != 1:
            raise InputError(f"{path}: {count} blocks '{start}' ... '{end}', expected one")
    return text


def write_blocks(blocks: Mapping[Path, Mapping[str, str]]) -> None:
    """Fill in the blocks of all pages, or of none after an error, and print for each page whether it changed."""
    texts = {path: fill_blocks(path, contents) for path, contents in blocks.items()}
    for path, text in texts.items():
        changed = path.read_text(encoding="utf-8") != text
        if changed:
            write_bytes(path, text.encode())
        print(f"{path}: {'written' if changed else 'unchanged'}")
