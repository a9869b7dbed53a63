"""Reading the tables of a Markdown page."""

import re


def cells(line):
    """The cells of a row."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def figure(cell):
    """What stands in a cell: mean and deviation, or text."""
    found = re.fullmatch(r"(\d+\.\d)<sub>\((\d+\.\d)\)</sub>", cell)
    return [float(x) for x in found.groups()] if found else cell


def tables(page):
    """Block -> rows of its table, each a dict of cells by column."""
    blocks = re.findall(r"<!-- \w+: (.*?) -->\n(\|.*?)<!-- end of", page, flags=re.DOTALL)
    found = {}
    for name, table in blocks:
        header, rule, *rows = map(cells, table.splitlines())
        assert len({len(row) for row in (header, rule, *rows)}) == 1 and len(set(header)) == len(header)
        found[name] = [dict(zip(header, row, strict=True)) for row in rows]
    return found
