"""DiDeMo: 10,461 Flickr videos; the captions of a video's moments are fused into one paragraph."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, gib

LAYOUT = Layout(
    name="DiDeMo",
    folder="didemo",
    subsets={
        "train": Subset("train_list.txt", 8392),
        "val": Subset("val_list.txt", 1065),
        "test": Subset("test_list.txt", 1004),
    },
    splits={"val": Split("train", "val"), "test": Split("train", "test")},
    experts={
        "audio": "vggish-audio-raw.pickle",
        "face": "VGGFace2-ResNet50-face-{aggregation}.pickle",
        "flow": "i3d-i3d-{aggregation}.pickle",
        "ocr": "ocr-feats.pkl",
        "rgb": "{rgb_model_name}-imagenet-{aggregation}.pickle",
        "scene": "densenet161-scene-{aggregation}.pickle",
        "speech": "stt_w2v.pickle",
    },
    text={"openai": "openai-feats.pkl"},
    names_end_at_dot=True,
    download=Download(gib(2.3), ("6fd4bcc68c1611052de2499fd8ab3f488c7c195b",)),
)
