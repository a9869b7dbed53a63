"""A dataset of one's own: any expert, in `<expert>.pickle` or another file that can be read."""

from data_loader.datasets.layout import Layout, Split, Subset


class _ByName(dict):
    """Every name has a file, of that stem."""

    def __init__(self, prefix: str):
        self.prefix = prefix

    def __missing__(self, name: str) -> str:
        return self.prefix + name.replace("{", "{{").replace("}", "}}")


LAYOUT = Layout(
    name="",
    folder="",
    parts={part: Subset(f"{part}_list.txt") for part in ("train", "val", "test")},
    splits={part: Split("train", part) for part in ("val", "test")},
    experts=_ByName(""),
    text=_ByName("text-"),
    always_available=(),
)
