"""ActivityNet Captions: about 20,000 YouTube videos; the captions of a video are fused into one paragraph."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, gib

LAYOUT = Layout(
    name="ActivityNet",
    folder="activity-net",
    subsets={
        "train": Subset("train_list.txt", 10009),
        "val1": Subset("val_1_list.txt", 4917),
        "val2": Subset("val_2_list.txt", 4885),
    },
    splits={
        "val1": Split("train", "val1", raw_captions="raw-captions-train-val_1.pkl"),
        "val2": Split("train", "val2", raw_captions="raw-captions-train-val_2.pkl"),
    },
    experts={
        "audio": "vggish-audio-raw.pickle",
        "face": "VGGFace2-ResNet50-face-avg.pickle",
        "flow": "i3d-i3d-avg.pickle",
        "ocr": "AN_OCR_ALL_unique_video_w2v.pkl",
        "rgb": "{rgb_model_name}-imagenet-avg-nocrop.pickle",
        "scene": "densenet161-scene-max.pickle",
        "speech": "stt_w2v.pickle",
    },
    text={"openai": "openai-{subset}.pkl"},
    download=Download(gib(3.8), ("b16685576c97cdec2783fb89ea30ca7d17abb021",)),
)
