"""MSVD: 1,970 silent YouTube clips with up to 81 captions each, which go by YouTube id."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, gib

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
