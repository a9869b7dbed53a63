"""LSMDC: arrays with a row per clip; training clips have no names, and some have no caption."""

from collections.abc import Sequence

import numpy as np
from helpers.published_layouts.benchmark import Benchmark, Captions
from helpers.published_layouts.content import MATRIX_FORMS, ROW_FORMS, TEXT_DIMS, Content

NUM_CAPTIONLESS = 5


def write_lsmdc(benchmark: Benchmark, num_train: int, num_val: int, num_test: int, seed: int) -> None:
    """Write all its files: `num_train` training clips with a caption and five without, `num_test` test clips."""
    clips = [f"train-{row}" for row in range(num_train + NUM_CAPTIONLESS)]
    films = ("0001_American_Beauty", "3009_BATTLE_LOS_ANGELES")
    tests = [f"{films[row % 2]}/{films[row % 2]}_00.{row:02d}.51.926-00.{row:02d}.54.129.avi" for row in range(num_test)]
    captionless = clips[1::3][:NUM_CAPTIONLESS]
    benchmark.ids = {"train": [clip for clip in clips if clip not in captionless], "test": tests}
    content = Content([*clips, *tests], seed)
    rows = {"train": clips, "test": tests}
    benchmark.list("test_video_paths.txt", tests)

    _matrices(benchmark, content, rows)
    _objects(benchmark, content, rows)
    for expert in ("face", "ocr"):
        _mark_missing(benchmark, expert)

    words = content.words(dict.fromkeys([*clips, *tests], 1), long=[benchmark.ids["train"][1], tests[1]])
    for clip in captionless:
        words[clip] = [[]]
    vectors = {text: content.word_vectors(words, text) for text in TEXT_FILES}
    for text, names in TEXT_FILES.items():
        for clip, empty in zip(captionless, [(0,), (0, TEXT_DIMS[text])] * 3, strict=False):
            vectors[text][clip] = [np.zeros(empty)]
        for subset, name in names.items():
            benchmark.npy(name, _objects_of([vectors[text][clip][0] for clip in rows[subset]]), python=2)
    benchmark.captions = {subset: Captions(words, vectors) for subset in rows}
    benchmark.pickle("raw-captions.pkl", {clip: words[clip] for clip in tests})


TEXT_FILES = {
    "w2v": {"train": "w2v_LSMDC.npy", "test": "w2v_LSMDC_retrieval.npy"},
    "openai": {"train": "openai-train.npy", "test": "openai-test.npy"},
}


def _matrices(benchmark: Benchmark, content: Content, rows: dict[str, list[str]]) -> None:
    """Write experts of one vector per clip: (clips, dim)."""
    forms = {"forms": MATRIX_FORMS, "vector": True}
    face, missing = {}, set()
    for subset, offset in (("train", 1), ("test", 2)):
        features, absent = content.intermittent("face", 128, np.float32, offset, ids=rows[subset], **forms)
        face.update(features)
        missing.update(absent)
    files = {
        "flow": ("X_flow.npy", "flow-retrieval.npy.tensor.npy", content.vectors("flow", 1024, np.float32)),
        "rgb": ("X_resnet.npy", "resnet152-retrieval.npy.tensor.npy", content.vectors("rgb", 2048, np.float16)),
        "scene": (
            "densenet161-scene-max-train.npy",
            "densenet161-scene-max-val.npy",
            content.vectors("scene", 2208, np.float64),
        ),
        "scene-avg": (
            "densenet161-scene-avg-train.npy",
            "densenet161-scene-avg-val.npy",
            content.vectors("scene", 2208, np.float32),
        ),
        "face": ("X_face.npy", "face-retrieval.npy.tensor.npy", face),
    }
    for expert, (train, test, features) in files.items():
        benchmark.add(expert, features, missing if expert == "face" else ())
        benchmark.npy(train, np.stack([features[clip] for clip in rows["train"]]))
        benchmark.npy(test, np.stack([features[clip] for clip in rows["test"]]))


def _objects(benchmark: Benchmark, content: Content, rows: dict[str, list[str]]) -> None:
    """Write experts of several vectors per clip: arrays of objects. Empty audio and zeros count as present."""
    audio, missing = content.intermittent("audio", 128, np.float32, 0, forms=ROW_FORMS, missing_forms=["NaN"])
    benchmark.add("audio", audio, missing)
    ocr, missing = content.intermittent("ocr", 300, np.float64, 2, forms=ROW_FORMS)
    benchmark.add("ocr", ocr, missing)
    for subset, name in (("train", "X_audio_train.npy"), ("test", "X_audio_retrieval.npy.tensor.npy")):
        benchmark.npy(name, _objects_of([audio[clip] for clip in rows[subset]]), python=2)
    for subset, name in (("train", "w2v-ocr-raw-train.npy"), ("test", "w2v-ocr-raw-val.npy")):
        benchmark.npy(name, _objects_of([ocr[clip] for clip in rows[subset]]))


def _mark_missing(benchmark: Benchmark, expert: str) -> None:
    """Write the flags of the test clips that lack `expert`, one of which has numbers in its row."""
    tests = benchmark.ids["test"]
    unmarked = next(clip for clip in tests if clip in benchmark.missing[expert])  # only its row says so
    marked = next(clip for clip in tests if clip not in benchmark.missing[expert])  # only the flag says so
    benchmark.missing[expert].add(marked)
    marks = [float(clip in benchmark.missing[expert] and clip != unmarked) for clip in tests]
    benchmark.npy(f"no_{expert}_ind_retrieval.npy", np.array(marks))


def _objects_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return a 1-d array of objects of any shapes."""
    objects = np.empty(len(arrays), dtype=object)
    for row, array in enumerate(arrays):
        objects[row] = array
    return objects
