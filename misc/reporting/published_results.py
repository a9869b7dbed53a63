"""Comparison of all published tables, made from the files of results of the release of 2019 and of the corrected one."""

from pathlib import Path
from typing import ClassVar

import pydantic

from misc.reporting.markdown_blocks import Cell, render
from misc.reporting.results import first_problem
from misc.reporting.tables import config_path
from utils.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
LABELS = {
    "2019": "published, 2019 (leaky)",
    "2020": "published, 2020 (corrected)",
    "high-quality": "published, 2020 (corrected, high-quality features)",
}
OUR_NAMES = {  # of configs, where the published name is another
    "full-moee-minus-moee-weights": "full-moee-minus-moe-weights",
    "gpt2-xl-finetuned-adam": "ce-plus",
    "gpt2-xl-finetuned-mte-adam": "teachtext",
}


class Entry(pydantic.BaseModel):
    """A row of a table of 2019. Further fields are columns: text, or pairs (mean, std).

    `Params` is the printed number of parameters; the other texts identify the row.
    """

    model_config = pydantic.ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, str | tuple[float, float]] = pydantic.Field(init=False)
    section: str
    experiment: str = pydantic.Field(pattern=r"^[\w-]+?-train-[\w-]+$")
    source: str = ""  # the file that printed the table
    suffix: ClassVar[str] = ""  # of the names of our configs

    @property
    def release(self) -> str:
        """The release, a key of LABELS."""
        return "2019"

    @property
    def dataset(self) -> str:
        """The name of the dataset in the names of experiments."""
        return self.experiment.partition("-train-")[0]

    @property
    def our_experiment(self) -> str:
        """The experiment under the name of our config."""
        name = self.experiment.partition("-train-")[2]
        return f"{self.dataset}-train-{OUR_NAMES.get(name, name)}"

    @property
    def identity(self) -> dict[str, str]:
        """The texts that identify the row, by column: the model, the split, the task."""
        return {name: x for name, x in self.model_extra.items() if isinstance(x, str) and name != "Params"}

    @property
    def cells(self) -> dict[str, Cell]:
        """The figures by column."""
        return {name: x for name, x in self.model_extra.items() if name not in self.identity}

    @property
    def config(self) -> Path | None:
        """Our config of its experiment, if there is one."""
        path = config_path(f"{self.our_experiment}{self.suffix}")
        return path if (ROOT / path).is_file() else None


class CorrectedEntry(Entry):
    """A row of a table of the corrected release."""

    source: str
    heading: str
    run: str
    host_folder: str
    suffix: ClassVar[str] = "-2020"

    @property
    def release(self) -> str:
        """The release, a key of LABELS; the tables of TeachText are of other features."""
        return "high-quality" if self.heading == "TeachText" else "2020"


class Published2019(pydantic.BaseModel):
    """The file of the results of 2019."""

    tables: list[Entry] = pydantic.Field(alias="release_2019")


class PublishedCorrected(pydantic.BaseModel):
    """The file of the results of the corrected release."""

    tables: list[CorrectedEntry]


Rows = dict[tuple[object, ...], Entry]  # by identity and experiment


def read_entries(path: Path, shape: type[Published2019] | type[PublishedCorrected]) -> list[Entry]:
    """Read the rows of a file of published results."""
    try:
        return list(shape.model_validate_json(path.read_bytes()).tables)
    except pydantic.ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}, expected published results") from None


def group_by_table(entries: list[Entry]) -> dict[str, Rows]:
    """Return the rows by title "DATASET, SECTION"; a table that several files printed is there once.

    A repeated row of a section is the first of a second, cumulative table.
    """
    printed: dict[tuple[str, str], Rows] = {}
    for entry in entries:
        key, title = (tuple(entry.identity.items()), entry.our_experiment), f"{entry.dataset}, {entry.section}"
        cumulative = f"{title}, cumulative"
        if (entry.source, cumulative) in printed or key in printed.get((entry.source, title), {}):
            title = cumulative
        rows = printed.setdefault((entry.source, title), {})
        if key in rows:
            raise InputError(f"{title}: the row {' '.join(entry.identity.values())} is there twice, expected it once")
        rows[key] = entry
    tables: dict[str, Rows] = {}
    for (source, title), rows in printed.items():
        first = tables.setdefault(title, rows)
        if {key: entry.cells for key, entry in first.items()} != {key: entry.cells for key, entry in rows.items()}:
            raise InputError(f"{title}: other rows in {source} than before, expected one table")
    return tables


def render_table(tables: list[Rows]) -> str:
    """Return one table in Markdown: rows of the first release next to the same rows of the second, then its other rows."""
    firsts = {key: entry for rows in reversed(tables) for key, entry in rows.items()}
    order = dict.fromkeys(key for rows in tables for key in rows)
    return render(
        "published",
        names=list(dict.fromkeys(name for entry in firsts.values() for name in entry.identity)),
        columns=list(dict.fromkeys(name for rows in tables for entry in rows.values() for name in entry.cells)),
        releases=[LABELS[next(iter(rows.values())).release] for rows in tables],
        rows=[(firsts[key].identity, [rows.get(key) for rows in tables]) for key in order],
    )


def render_published(path_2019: Path, path_corrected: Path) -> dict[str, str]:
    """Return the tables by title; tables of the same title that have no row in common have the release in theirs."""
    files = (
        group_by_table(read_entries(path_2019, Published2019)),
        group_by_table(read_entries(path_corrected, PublishedCorrected)),
    )
    rendered = {}
    for title in dict.fromkeys(title for tables in files for title in tables):
        tables = [tables[title] for tables in files if title in tables]
        if len(tables) == 1 or tables[0].keys() & tables[1].keys():
            rendered[title] = render_table(tables)
        else:
            for rows in tables:
                rendered[f"{title}, {next(iter(rows.values())).release}"] = render_table([rows])
    return rendered
