"""MSVD: 1,970 silent YouTube clips with up to 81 captions each, which go by YouTube id."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, corrected_text, gib

LAYOUT = Layout(
    name="MSVD",
    folder="MSVD",
    subsets={
        "train": Subset("train_list.txt", 1200),
        "val": Subset("val_list.txt", 100),
        "test": Subset("test_list.txt", 670),
    },
    splits={"official": Split("train", "test"), "dev": Split("train", "val")},
    experts={
        "face": "VGGFace2-ResNet50-face-raw.pickle",
        "flow": "i3d-i3d-raw.pickle",
        "ocr": "MSVD_all_text_w2v.pkl",
        "rgb": "{rgb_model_name}-imagenet-raw-nocrop.pickle",
        "scene": "densenet161-scene-max.pickle",
    },
    text={"w2v": "w2v-caption-{subset}.pkl", "openai": "openai-caption-{subset}.pkl"},
    caption_keys="dict_youtube_mapping.pkl",
    download=Download(gib(2.1), ("6071827257c14de455b3a13fe1e885c2a7887c9e", "a3dc395eddd48527b01b4af7321e4fcee1386ee7")),
)

# By the rule for names, the features of r2p1d-ig65m-kinetics have the stride of the config; those of MSVD were made with 8.
_KINETICS = "aggregated_r2p1d_30fps_256px_stride{}_offset0_inner_stride1/r2p1d-ig65m-kinetics-avg.pickle"

CORRECTED = Layout(
    name="MSVD",
    folder="MSVD",
    release="2020",
    subsets=LAYOUT.subsets,
    splits=LAYOUT.splits,
    experts={"face": "aggregated_face_feats/face-avg.pickle", "ocr": "aggregated_ocr_feats/ocr-w2v.pickle"},
    text=corrected_text(openai="openai-caption-{subset}.pkl"),
    alternatives={_KINETICS.format(32): _KINETICS.format(8)},
    always_available=(),
    caption_keys="dict_youtube_mapping.pkl",
    downloads={
        "features-v2": Download(gib(1.3), ("999ef6e34c9d9ffe15363ade90400741bae5cb34",)),
        "high-quality": Download(None, ("c8eba8c5291dd6bb501757ed0cc327cd22217965",)),
    },
)
