"""ActivityNet Captions: about 20,000 YouTube videos; the captions of a video are fused into one paragraph."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, corrected_text, gib

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

CORRECTED = Layout(
    name="ActivityNet",
    folder="activity-net",
    release="2020",
    subsets={
        "train": Subset("train_list.txt", 10009),
        "val1": Subset("val_1_list.txt", 4917),
        "val": Subset("val_list.txt"),
    },
    splits={"val1": Split("train", "val1"), "val": Split("train", "val")},
    experts={
        "audio": "aggregated_audio/vggish-audio-raw.pickle",
        "face": "aggregated_facefeats_25fps_256px_stride1/face-avg.pickle",
        "ocr": "aggregated_ocr_feats/ocr-w2v.pkl",
        "speech": "aggregated_speech/goog_w2v-speech-raw.pickle",
    },
    text=corrected_text(openai={"train": "openai-train.pkl", "val1": "openai-val1.pkl"}),
    raw_captions="raw-captions-train-val_1.pkl",
    always_available=(),
    downloads={
        "features-v2": Download(gib(3.7), ("2901046fa6a3d6f6393ee0047818e960fcfabd69",)),
        "high-quality": Download(None, ("2f3c7c2fe86bd6d0c6230464a940c429291a4012",)),
    },
)
