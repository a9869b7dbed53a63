"""MSR-VTT: dicts by video; three splits of the same videos; the features of Miech et al. for one of them."""

import numpy as np
from helpers.published_layouts.benchmark import Benchmark, Captions, shuffled
from helpers.published_layouts.content import Content


def write_msrvtt(benchmark: Benchmark, num_train: int, num_val: int, num_test: int, seed: int) -> None:
    """Write all its files."""
    rng = np.random.default_rng(seed)
    ids = [f"video{number}" for number in rng.choice(10_000, size=num_train + num_val + num_test, replace=False)]
    content = Content(ids, seed)
    _lists(benchmark, ids, num_train, num_val, num_test)
    _features(benchmark, content)
    _features_of_miech(benchmark, content)

    short = benchmark.ids["full-test"][0]  # it has 19 captions of 20
    counts = {video: 19 if video == short else 20 for video in ids}
    words = content.words(counts, long=[ids[0], ids[num_train + 1], short])
    vectors = {text: content.word_vectors(words, text, dtype) for text, dtype in TEXT_DTYPES.items()}
    benchmark.captions = {subset: Captions(words, vectors) for subset in benchmark.ids}
    benchmark.pickle("raw-captions.pkl", words)
    benchmark.pickle("w2v_MSRVTT.pickle", shuffled(vectors["w2v"], seed))
    benchmark.pickle("w2v_MSRVTT_openAIGPT.pickle", vectors["openai"], protocol=4, python=3)
    benchmark.pickle("w2v_MSRVTT_transformer.pickle", vectors["bertxl"], protocol=3, python=3)

    benchmark.caption_index = {video: int(rng.integers(20)) for video in benchmark.ids["jsfusion-val"]}
    benchmark.caption_index[short] = 18
    benchmark.pickle("jsfusion_val_caption_idx.pkl", benchmark.caption_index, protocol=0)


TEXT_DTYPES = {"w2v": np.float64, "openai": np.float32, "bertxl": np.float16}


def _lists(benchmark: Benchmark, ids: list[str], num_train: int, num_val: int, num_test: int) -> None:
    """Write the lists of three splits; the first video of the full test set is in each test list."""
    full = {"train": ids[:num_train], "val": ids[num_train : num_train + num_val], "test": ids[num_train + num_val :]}
    others = [*full["val"], *full["test"][1:], *full["train"]]
    jsfusion_val = [*others[: num_test - 1], full["test"][0]]
    miech_test = [full["test"][0], *full["train"][: num_test - 1]]
    for subset, videos in full.items():
        benchmark.ids[f"full-{subset}"] = videos
        benchmark.list(f"{subset}_list_full.txt", videos)
    benchmark.ids["jsfusion-val"] = jsfusion_val
    benchmark.ids["jsfusion-train"] = [x for x in reversed(ids) if x not in jsfusion_val]
    benchmark.ids["miech-test"] = miech_test
    benchmark.ids["miech-train"] = [x for x in others if x not in miech_test][:-2]
    benchmark.list("train_list_jsfusion.txt", benchmark.ids["jsfusion-train"])
    benchmark.list("val_list_jsfusion.txt", jsfusion_val)
    benchmark.list("train_list_miech.txt", benchmark.ids["miech-train"])
    benchmark.list("test_list_miech.txt", miech_test)


def _features(benchmark: Benchmark, content: Content) -> None:
    audio = benchmark.add("audio", *content.intermittent("audio", 128, np.float32, 0))
    benchmark.pickle("Audio_MSRVTT_new.pickle", shuffled(audio, 1))
    face = benchmark.add("face", *content.intermittent("face", 512, np.float32, 1))
    benchmark.pickle("Face_MSRVTT_new.pickle", face)
    flow = benchmark.add("flow", content.frames("flow", 1024, np.float16))
    benchmark.pickle("I3D_MSRVTT_new.pickle", shuffled(flow, 2))
    rgb = benchmark.add("rgb", content.frames("rgb", 2048, np.float16))
    benchmark.pickle("senet154-imagenet-raw-nocrop.pickle", rgb, protocol=4, python=3)
    scene = benchmark.add("scene", content.frames("scene", 2208, np.float32))
    benchmark.npy("scene-raw.npy", scene)
    speech = benchmark.add("speech", *content.intermittent("speech", 300, np.float32, 3))
    benchmark.pickle("stt_w2v.pickle", speech, protocol=3, python=3)
    ocr = benchmark.add("ocr", *content.intermittent("ocr", 300, np.float64, 5))
    benchmark.pickle("MSR_VTT_all_text_w2v.pkl", shuffled(ocr, 3), protocol=4, python=3)


def _features_of_miech(benchmark: Benchmark, content: Content) -> None:
    """Write other features: those of faces have 128 dimensions; all but audio are already averaged over time."""
    audio, missing = content.intermittent("audio-miech", 128, np.float32, 2)
    benchmark.pickle("audio_features.pickle", benchmark.add("audio-miech", audio, missing))
    face, missing = content.intermittent("face-miech", 128, np.float64, 3, vector=True)
    benchmark.pickle("face_features.pickle", benchmark.add("face-miech", face, missing), protocol=1)
    flow = benchmark.add("flow-miech", content.vectors("flow-miech", 1024, np.float32))
    benchmark.pickle("flow_features.pickle", flow)
    rgb = benchmark.add("rgb-miech", content.vectors("rgb-miech", 2048, np.float32))
    benchmark.pickle("resnet_features.pickle", rgb)
