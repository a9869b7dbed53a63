"""MSVD: dicts by video, but captions by YouTube id, up to 81 per video."""

import numpy as np
from helpers.published_layouts.benchmark import Benchmark, Captions, shuffled
from helpers.published_layouts.content import WORDS, Content


def write_msvd(benchmark: Benchmark, num_train: int, num_val: int, num_test: int, seed: int) -> None:
    """Write all its files."""
    rng = np.random.default_rng(seed)
    ids = [f"vid{number}" for number in rng.choice(np.arange(1, 1971), num_train + num_val + num_test, replace=False)]
    ids = {"train": ids[:num_train], "val": ids[num_train : num_train + num_val], "test": ids[num_train + num_val :]}
    benchmark.ids = ids
    for subset, videos in ids.items():
        benchmark.list(f"{subset}_list.txt", videos)
    content = Content([video for subset in ids.values() for video in subset], seed)

    face = benchmark.add("face", *content.intermittent("face", 512, np.float32, 0))
    benchmark.pickle("VGGFace2-ResNet50-face-raw.pickle", shuffled(face, 1), protocol=4, python=3)
    flow = benchmark.add("flow", content.frames("flow", 1024, np.float16))
    benchmark.pickle("i3d-i3d-raw.pickle", flow, protocol=3, python=3)
    rgb = benchmark.add("rgb", content.frames("rgb", 2048, np.float32))
    benchmark.pickle("senet154-imagenet-raw-nocrop.pickle", shuffled(rgb, 2), protocol=4, python=3)
    scene = benchmark.add("scene", content.vectors("scene", 2208, np.float64))
    benchmark.pickle("densenet161-scene-max.pickle", scene)
    ocr = benchmark.add("ocr", *content.intermittent("ocr", 300, np.float32, 2))
    benchmark.pickle("MSVD_all_text_w2v.pkl", ocr)

    # There are names of other videos, too, and the clips of one YouTube video differ only in their times.
    youtube = {video: f"{_youtube_id(rng)}_{start}_{start + 10}" for start, video in enumerate(content.ids)}
    youtube[content.ids[1]] = youtube[content.ids[0]][:11] + "_88_99"
    benchmark.pickle("dict_youtube_mapping.pkl", shuffled({**youtube, "vid0": "-_klmnopqrs_0_7"}, 3), protocol=0)
    raw = {}
    for subset, videos in ids.items():
        counts = {video: int(count) for video, count in zip(videos, rng.integers(1, 5, len(videos)), strict=True)}
        if subset == "test":
            counts[videos[2]] = 81
        words = content.words(counts, long=videos[:1])
        vectors = {
            "w2v": content.word_vectors(words, "w2v", np.float64),
            "openai": content.word_vectors(words, "openai", np.float32),
        }
        benchmark.captions[subset] = Captions(words, vectors)
        by_id = {text: {youtube[video]: x for video, x in captions.items()} for text, captions in vectors.items()}
        benchmark.pickle(f"w2v-caption-{subset}.pkl", shuffled(by_id["w2v"], 4))
        benchmark.pickle(f"openai-caption-{subset}.pkl", by_id["openai"], protocol=3, python=3)
        raw.update({youtube[video]: captions for video, captions in words.items()})
    benchmark.pickle("raw-captions.pkl", {**raw, "-_klmnopqrs_0_7": [list(WORDS)]})


def _youtube_id(rng: np.random.Generator) -> str:
    """Return eleven characters."""
    return "".join(rng.choice(list("abcdefghijKLMNOPQRST0123456789-_"), size=11))
