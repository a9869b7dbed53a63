"""ActivityNet: the two validation sets have other captions for many of the same videos."""

import numpy as np
from helpers.published_layouts.benchmark import Benchmark, Captions, shuffled
from helpers.published_layouts.content import Content


def write_activity_net(benchmark: Benchmark, num_train: int, num_val: int, num_test: int, seed: int) -> None:
    """Write all its files; `num_test` videos are in val2."""
    rng = np.random.default_rng(seed)
    both = min(num_val, num_test) // 2  # videos in val1 and val2
    number = num_train + num_val + num_test - both
    ids = ["v_" + "".join(rng.choice(list("abcDEF123-_"), size=11)) for _ in range(number)]
    val1 = ids[num_train : num_train + num_val]
    benchmark.ids = {"train": ids[:num_train], "val1": val1, "val2": [*ids[num_train + num_val :], *val1[:both]]}
    benchmark.list("train_list.txt", benchmark.ids["train"])
    benchmark.list("val_1_list.txt", benchmark.ids["val1"])
    benchmark.list("val_2_list.txt", benchmark.ids["val2"])
    content = Content(ids, seed)

    face = benchmark.add("face", *content.intermittent("face", 512, np.float32, 0, vector=True))
    benchmark.pickle("VGGFace2-ResNet50-face-avg.pickle", face, protocol=4, python=3)
    flow = benchmark.add("flow", content.vectors("flow", 1024, np.float64, with_row=True))
    benchmark.pickle("i3d-i3d-avg.pickle", shuffled(flow, 1))
    rgb = benchmark.add("rgb", content.vectors("rgb", 2048, np.float32))
    benchmark.pickle("senet154-imagenet-avg-nocrop.pickle", shuffled(rgb, 2), protocol=4, python=3)
    scene = benchmark.add("scene", content.vectors("scene", 2208, np.float16, with_row=True))
    benchmark.pickle("densenet161-scene-max.pickle", scene, protocol=3, python=3)
    ocr = benchmark.add("ocr", *content.intermittent("ocr", 300, np.float32, 2))
    benchmark.pickle("AN_OCR_ALL_unique_video_w2v.pkl", ocr, protocol=3, python=3)
    audio = benchmark.add("audio", *content.intermittent("audio", 128, np.float32, 4))
    benchmark.pickle("vggish-audio-raw.pickle", shuffled(audio, 3), protocol=4, python=3)
    speech = benchmark.add("speech", *content.intermittent("speech", 300, np.float64, 6))
    benchmark.pickle("stt_w2v.pickle", speech)

    for subset, videos in benchmark.ids.items():
        counts = {video: int(count) for video, count in zip(videos, rng.integers(2, 6, len(videos)), strict=True)}
        words = content.words(counts, long=videos[-1:])
        vectors = content.word_vectors(words, "openai", np.float32)
        benchmark.captions[subset] = Captions(words, {"openai": vectors})
        benchmark.pickle(f"openai-{subset}.pkl", shuffled(vectors, 4), protocol=3, python=3)
    train = benchmark.captions["train"].words
    for number in (1, 2):
        benchmark.pickle(f"raw-captions-train-val_{number}.pkl", {**train, **benchmark.captions[f"val{number}"].words})
