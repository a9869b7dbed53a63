"""DiDeMo: 10,461 Flickr videos; the captions of a video's moments are fused into one paragraph."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, corrected_text, gib

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

CORRECTED = Layout(
    name="DiDeMo",
    folder="DiDeMo",
    release="2020",
    subsets=LAYOUT.subsets,
    splits=LAYOUT.splits,
    experts={
        "audio": "aggregated_audio_feats/vggish-audio-raw.pickle",
        "face": "aggregated_facefeats_25fps_256px_stride1/face-avg.pickle",
        "ocr": "aggregated_ocr_feats/ocr-feats.pkl",
        "speech": "aggregated_speech_feats/stt_w2v.pickle",
    },
    text=corrected_text(openai="openai-feats.pkl"),
    always_available=(),
    names_end_at_dot=True,
    downloads={
        "features-v2": Download(gib(1.2), ("19dfa1272e5db57191446a0c4fca59d298cb8663",), other_names=("didemo",)),
        "high-quality": Download(None, ("8e128309f12cf3260fe538f82578b5ad91a46bd0",), other_names=("didemo",)),
    },
)
