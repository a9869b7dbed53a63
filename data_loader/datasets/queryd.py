"""QuerYD: YouTube videos with spoken descriptions, whole or in segments. Only the corrected release has it."""

import dataclasses

from data_loader.datasets.layout import Layout, Split, Subset, corrected_text

CORRECTED = Layout(
    name="QuerYD",
    folder="QuerYD",
    release="2020",
    subsets={subset: Subset(f"{subset}_list.txt") for subset in ("train", "val", "test")},
    splits={"val": Split("train", "val"), "test": Split("train", "test")},
    experts={"audio": "aggregated_audio/vggish-raw.hickle"},
    text=corrected_text(),
    always_available=(),
)
SEGMENTS = dataclasses.replace(CORRECTED, name="QuerYDSegments", folder="QuerYDSegments")
