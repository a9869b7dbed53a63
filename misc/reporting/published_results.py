"""Comparison of the published tables of 2019 and 2020, made from a file of published results."""

from pathlib import Path

import pydantic

from misc.reporting.markdown_blocks import Cell, render
from misc.reporting.results import first_problem
from misc.reporting.tables import config_path
from utils.errors import InputError

PAGE = Path("misc/docs/published-results.md")
RELEASES = {"release_2019": "published, 2019 (leaky)", "release_2020": "published, 2020 (corrected)"}


class Entry(pydantic.BaseModel):
    """A row of a published table. Further fields are columns: text, or pairs (mean, std).

    `Params` is the printed number of parameters; the other texts identify the row.
    """

    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | tuple[float, float]] = pydantic.Field(init=False)
    section: str
    experiment: str = pydantic.Field(pattern=r"^[\w-]+?-train-[\w-]+$")

    @property
    def identity(self) -> dict[str, str]:
        """The texts that identify the row, by column: the model, the split, the task."""
        return {name: x for name, x in self.model_extra.items() if isinstance(x, str) and name != "Params"}

    @property
    def cells(self) -> dict[str, Cell]:
        """The figures by column."""
        return {name: x for name, x in self.model_extra.items() if name not in self.identity}

    @property
    def config(self) -> Path:
        """The config of its experiment."""
        return config_path(self.experiment)


class Published(pydantic.BaseModel):
    """A file of published results."""

    release_2019: list[Entry]
    release_2020: list[Entry]


def group_by_table(entries: list[Entry]) -> dict[str, dict[tuple[str, ...], Entry]]:
    """Return the rows by title and identity; a repeated row of a section is the first of a second, cumulative table."""
    tables: dict[str, dict[tuple[str, ...], Entry]] = {}
    for entry in entries:
        identity, title = tuple(entry.identity.items()), entry.section
        cumulative = f"{title}, cumulative"
        if cumulative in tables or identity in tables.get(title, {}):
            title = cumulative
        if identity in tables.setdefault(title, {}):
            raise InputError(f"{title}: the row {' '.join(entry.identity.values())} is there twice, expected it once")
        tables[title][identity] = entry
    return tables


def render_published(path: Path) -> dict[str, str]:
    """Return the tables in Markdown by title: rows of 2019 next to the same rows of 2020, then other rows of 2020."""
    try:
        published = Published.model_validate_json(path.read_bytes())
    except pydantic.ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}, expected published results") from None
    tables = {release: group_by_table(getattr(published, release)) for release in RELEASES}
    rendered = {}
    for title in dict.fromkeys(title for release in tables.values() for title in release):
        releases = {label: tables[release][title] for release, label in RELEASES.items() if title in tables[release]}
        firsts = {identity: entry for rows in reversed(releases.values()) for identity, entry in rows.items()}
        order = dict.fromkeys(identity for rows in releases.values() for identity in rows)
        rendered[title] = render(
            "published",
            names=list(dict.fromkeys(name for entry in firsts.values() for name in entry.identity)),
            columns=list(dict.fromkeys(name for rows in releases.values() for e in rows.values() for name in e.cells)),
            releases=list(releases),
            rows=[(firsts[identity], [rows.get(identity) for rows in releases.values()]) for identity in order],
        )
    return rendered
