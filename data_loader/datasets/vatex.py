"""VaTeX: clips of 10 seconds. Only the corrected release has it, and its archive was not published."""

from data_loader.datasets.layout import Layout, Split, Subset, corrected_text

CORRECTED = Layout(
    name="VaTeX",
    folder="VaTeX",
    release="2020",
    subsets={
        "train": Subset("train_list.txt"),
        "val": Subset("val_list_split1.txt"),
        "test": Subset("val_list_split2.txt"),
    },
    splits={"full-val": Split("train", "val"), "full-test": Split("train", "test")},
    experts={"audio": "aggregated_audio/vggish-raw.hickle"},
    text=corrected_text(),
    always_available=(),
)
