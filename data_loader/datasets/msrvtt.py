"""MSR-VTT: 10,000 web clips with 20 captions each, in the splits full, 1k-A (jsfusion) and 1k-B (miech)."""

from data_loader.datasets.layout import Download, Layout, Split, Subset, corrected_text, gib

LAYOUT = Layout(
    name="MSRVTT",
    folder="MSRVTT",
    subsets={
        "full-train": Subset("train_list_full.txt", 6513),
        "full-val": Subset("val_list_full.txt", 497),
        "full-test": Subset("test_list_full.txt", 2990),
        "jsfusion-train": Subset("train_list_jsfusion.txt", 9000),
        "jsfusion-val": Subset("val_list_jsfusion.txt", 1000, caption_index="jsfusion_val_caption_idx.pkl"),
        "miech-train": Subset("train_list_miech.txt", 6656),
        "miech-test": Subset("test_list_miech.txt", 1000),
    },
    splits={
        "full-val": Split("full-train", "full-val"),
        "full-test": Split("full-train", "full-test"),
        "jsfusion": Split("jsfusion-train", "jsfusion-val"),
        "miech": Split(
            "miech-train",
            "miech-test",
            experts={
                "audio": "audio_features.pickle",
                "face": "face_features.pickle",
                "flow": "flow_features.pickle",
                "rgb-resnet": "resnet_features.pickle",
            },
        ),
    },
    experts={
        "audio": "Audio_MSRVTT_new.pickle",
        "face": "Face_MSRVTT_new.pickle",
        "flow": "I3D_MSRVTT_new.pickle",
        "ocr": "MSR_VTT_all_text_w2v.pkl",
        "rgb": "{rgb_model_name}-imagenet-raw-nocrop.pickle",
        "scene": "scene-raw.npy",
        "speech": "stt_w2v.pickle",
    },
    text={
        "w2v": "w2v_MSRVTT.pickle",
        "openai": "w2v_MSRVTT_openAIGPT.pickle",
        "bertxl": "w2v_MSRVTT_transformer.pickle",
    },
    download=Download(gib(19.6), ("959bda588793ef05f348d16de26da84200c5a469",)),
)

CORRECTED = Layout(
    name="MSRVTT",
    folder="MSRVTT",
    release="2020",
    subsets=LAYOUT.subsets,
    splits={
        **LAYOUT.splits,
        "miech": Split(
            "miech-train",
            "miech-test",
            experts={
                "antoine-rgb": "antoine/resnet_features.pickle",
                "audio": "antoine/audio_features.pickle",
                "face": "antoine/facefeats-clone.pickle",
                "flow": "antoine/flow_features.pickle",
            },
        ),
    },
    experts={
        "audio": "aggregated_audio_feats/Audio_MSRVTT_new.pickle",
        "face": "aggregated_face_feats/facefeats-avg.pickle",
        "ocr": "aggregated_ocr_feats/ocr-raw.pickle",
        "speech": "aggregated_speech/speech-w2v.pickle",
    },
    text=corrected_text(openai="w2v_MSRVTT_openAIGPT.pickle"),
    alternatives={"aggregated_text_feats/w2v.pkl": "aggregated_text_feats/w2v_MSRVTT.pickle"},
    always_available=(),
    downloads={
        "features-v2": Download(None, ("9018a9bf215e174c982b997fd4ee140eb0865040",)),
        "high-quality": Download(
            None, ("734650c3b98509996da75cdedc12101836624917", "311529eeb17527a728a1b930f64415dc15a11298")
        ),
    },
)
