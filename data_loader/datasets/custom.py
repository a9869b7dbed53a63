"""A dataset of your own: any expert, in `<expert>.pickle` or another file that can be read."""

from data_loader.datasets.layout import Layout, Split, Subset


class _ByName(dict):
    """A mapping from every name to the file of that stem."""

    def __init__(self, prefix: str):
        self.prefix = prefix

    def __missing__(self, name: str) -> str:
        return self.prefix + name.replace("{", "{{").replace("}", "}}")


LAYOUT = Layout(
    name="",
    folder="",
    subsets={subset: Subset(f"{subset}_list.txt") for subset in ("train", "val", "test")},
    splits={subset: Split("train", subset) for subset in ("val", "test")},
    experts=_ByName(""),
    text=_ByName("text-"),
    always_available=(),
)
