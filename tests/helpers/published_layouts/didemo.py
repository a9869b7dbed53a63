"""DiDeMo: names with the suffix of a video in the lists, without it in most files; several captions per video."""

import numpy as np
from helpers.published_layouts.benchmark import Benchmark, Captions, shuffled
from helpers.published_layouts.content import Content

SUFFIXES = (".mp4", ".avi", ".", ".m2ts", ".mpeg", ".null")  # as in the published lists


def write_didemo(benchmark: Benchmark, num_train: int, num_val: int, num_test: int, seed: int) -> None:
    """Write all its files."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(10**9, 10**10, size=num_train + num_val + num_test)
    ids = [f"{number % 10**8:08d}@N{number % 9:02d}_{number}_{number % 0xFFFFFF:08x}" for number in numbers.tolist()]
    file_names = {video: video + SUFFIXES[position % len(SUFFIXES)] for position, video in enumerate(ids)}
    benchmark.ids = {
        "train": ids[:num_train],
        "val": ids[num_train : num_train + num_val],
        "test": ids[num_train + num_val :],
    }
    for subset, videos in benchmark.ids.items():
        benchmark.list(f"{subset}_list.txt", [file_names[video] for video in videos])
    content = Content(ids, seed)

    # Two aggregations of flow; the config's `feat_aggregation` selects one.
    flow = benchmark.add("flow", content.vectors("flow", 1024, np.float32))
    benchmark.pickle("i3d-i3d-avg.pickle", shuffled(flow, 1), protocol=3, python=3)
    flow = benchmark.add("flow-max", content.vectors("flow", 1024, np.float32, with_row=True))
    benchmark.pickle("i3d-i3d-max.pickle", flow, protocol=3, python=3)
    face = benchmark.add("face", *content.intermittent("face", 512, np.float32, 1, vector=True))
    benchmark.pickle("VGGFace2-ResNet50-face-avg.pickle", face, protocol=4, python=3)
    rgb = benchmark.add("rgb", content.vectors("rgb", 2048, np.float16, with_row=True))
    benchmark.pickle("senet154-imagenet-avg.pickle", shuffled(rgb, 2), protocol=4, python=3)
    scene = benchmark.add("scene", content.vectors("scene", 2208, np.float32, with_row=True))
    benchmark.pickle("densenet161-scene-max.pickle", scene)
    ocr = benchmark.add("ocr", *content.intermittent("ocr", 300, np.float64, 3))
    benchmark.pickle("ocr-feats.pkl", ocr)
    audio = benchmark.add("audio", *content.intermittent("audio", 128, np.float16, 0))
    benchmark.pickle("vggish-audio-raw.pickle", {file_names[video]: x for video, x in audio.items()}, protocol=4, python=3)
    speech = benchmark.add("speech", *content.intermittent("speech", 300, np.float32, 6))
    benchmark.pickle("stt_w2v.pickle", speech, protocol=2)

    # One caption of the first video of each subset is longer than any config allows.
    counts = {video: int(count) for video, count in zip(ids, rng.integers(3, 6, len(ids)), strict=True)}
    words = content.words(counts, long=[videos[0] for videos in benchmark.ids.values()])
    vectors = content.word_vectors(words, "openai")
    benchmark.captions = {subset: Captions(words, {"openai": vectors}) for subset in benchmark.ids}
    benchmark.pickle("openai-feats.pkl", vectors, protocol=3, python=3)
    benchmark.pickle("raw-captions.pkl", shuffled(words, 3))
