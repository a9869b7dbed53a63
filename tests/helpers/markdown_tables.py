"""Reader of the tables of a Markdown page."""

import re


def cells(line):
    """Return the cells of a row."""
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def figure(cell):
    """Return the content of a cell: mean and deviation, or text."""
    match = re.fullmatch(r"(\d+\.\d)<sub>\((\d+\.\d)\)</sub>", cell)
    return [float(x) for x in match.groups()] if match else cell


def tables(page):
    """Return block -> rows of its table, each a dict of cells by column."""
    blocks = re.findall(r"<!-- \w+: (.*?) -->\n(\|.*?)<!-- end of", page, flags=re.DOTALL)
    rows_by_block = {}
    for name, table in blocks:
        header, rule, *rows = map(cells, table.splitlines())
        assert len({len(row) for row in (header, rule, *rows)}) == 1 and len(set(header)) == len(header)
        rows_by_block[name] = [dict(zip(header, row, strict=True)) for row in rows]
    return rows_by_block
