"""LSMDC: 102,079 film clips with one caption each, 1,000 of them to test on; arrays by row."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, corrected_text, gib

LAYOUT = Layout(
    name="LSMDC",
    folder="LSMDC",
    subsets={
        "train": Subset(None, 101_079, drop_captionless=True),
        "test": Subset(
            "test_video_paths.txt",
            1000,
            missing={"face": "no_face_ind_retrieval.npy", "ocr": "no_ocr_ind_retrieval.npy"},
        ),
    },
    splits={"val": Split("train", "test")},  # as published: "val" is the test set, there is no validation set
    experts={
        "audio": {"train": "X_audio_train.npy", "test": "X_audio_retrieval.npy.tensor.npy"},
        "face": {"train": "X_face.npy", "test": "face-retrieval.npy.tensor.npy"},
        "flow": {"train": "X_flow.npy", "test": "flow-retrieval.npy.tensor.npy"},
        "ocr": {"train": "w2v-ocr-raw-train.npy", "test": "w2v-ocr-raw-val.npy"},
        "rgb": {"train": "X_resnet.npy", "test": "resnet152-retrieval.npy.tensor.npy"},
        "scene": {"train": "densenet161-scene-{aggregation}-train.npy", "test": "densenet161-scene-{aggregation}-val.npy"},
    },
    text={
        "w2v": {"train": "w2v_LSMDC.npy", "test": "w2v_LSMDC_retrieval.npy"},
        "openai": {"train": "openai-train.npy", "test": "openai-test.npy"},
    },
    always_available=("audio", "flow", "rgb", "scene"),
    zeros_are_present=("audio", "flow", "rgb", "scene"),
    by_row=True,
    download=Download(gib(6.1), ("7ce018e981752db9e793e449c2ba5bc88217373d",)),
)

CORRECTED = Layout(  # dicts by name, as the others
    name="LSMDC",
    folder="LSMDC",
    release="2020",
    subsets={
        "train": Subset("train_list.txt", 101_079),
        "val": Subset("val_list.txt"),
        "test": Subset("test_list.txt", 1000),
    },
    splits={"full-val": Split("train", "val"), "full-test": Split("train", "test")},
    experts={
        "audio": "aggregated_audio/vggish-raw.pickle",
        "face": "antoine/face-max-with-blank-val.pickle",
        "ocr": "aggregated_ocr_feats/ocr-w2v.pkl",
        "speech": "aggregated_speech/speech-w2v.pickle",
    },
    text=corrected_text(openai="openai-text.pickle"),
    alternatives={  # as the list of the high-quality archive names them
        "aggregated_audio/vggish-raw.pickle": "aggregated_audio_feats/vggish-audio-raw.pickle",
        "aggregated_speech/speech-w2v.pickle": "aggregated_speech_feats/speech-w2v.pickle",
    },
    always_available=(),
    downloads={
        "features-v2": Download(gib(2.1), ("43c9c6090cb34fbbeebebe033e08ae019b11c64f",), needs_access_code=True),
        "high-quality": Download(None, ()),
    },
)
