"""YouCook2: clips of cooking videos. Only the corrected release has it, and its archive was not published."""

from data_loader.datasets.layout import Layout, Split, Subset, corrected_text

CORRECTED = Layout(
    name="YouCook2",
    folder="YouCook2",
    release="2020",
    subsets={"train": Subset("train_list.txt"), "val": Subset("val_list.txt")},
    splits={"val": Split("train", "val")},
    experts={"audio": "aggregated_audio/vggish-raw.pickle", "ocr": "aggregated_ocr_feats/ocr-w2v.pkl"},
    text=corrected_text(),
    always_available=(),
)
