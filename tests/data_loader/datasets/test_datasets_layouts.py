"""The published layouts: each value of a batch is the one that was written to the archive."""

import numpy as np
import pytest
from helpers.published_layouts import write_benchmark
from helpers.published_layouts.cases import CASES


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """Return the archive of a dataset, shared by all tests that do not change it."""
    benchmarks = {}

    def written(name):
        if name not in benchmarks:
            benchmarks[name] = write_benchmark(name, tmp_path_factory.mktemp(name))
        return benchmarks[name]

    return written


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


def assert_experts_are(batch, ids, benchmark, case):
    """Assert that each expert of each video of a batch is that of the archive, aggregated by a plain mean."""
    aggregation = {**dict.fromkeys(("audio", "ocr", "speech"), "vlad"), **case.loader_args["feat_aggregation"]}
    assert set(batch["experts"]) == set(batch["ind"]) == set(case.section["modalities"])
    for name, values in batch["experts"].items():
        truth = case.variants.get(name, name)
        present = [video not in benchmark.missing[truth] for video in ids]
        np.testing.assert_array_equal(batch["ind"][name], present, err_msg=name)
        for b, video in enumerate(ids):
            where = f"{name} of {video}"
            if not present[b]:
                assert values[b].isnan().all(), where
                continue
            array = benchmark.features[truth][video].astype(np.float64)
            if aggregation[name] == "vlad":
                if case.dataset == "LSMDC" and not array.any():
                    array = array[:0]  # frames of zeros are padding
                array = array.reshape(-1, values.shape[2])[: case.args["max_expert_tokens"]]
                np.testing.assert_allclose(values[b, : len(array)], array.astype(np.float32), rtol=0, err_msg=where)
                assert not values[b, len(array) :].any(), where
                mask = np.arange(values.shape[1]) < len(array)
                np.testing.assert_array_equal(batch["frame_masks"][name][b], mask, err_msg=where)
            else:
                if array.ndim == 2:
                    array = array.max(axis=0) if aggregation[name] == "max" else array.sum(axis=0) / len(array)
                np.testing.assert_allclose(values[b], array, rtol=1e-5, atol=1e-6, err_msg=where)


def captions_of(benchmark, case, subset, video, most):
    """Return the expected captions of a video: (word vectors, text) each."""
    captions = benchmark.captions[subset]
    vectors, words = captions.vectors[case.section["text_feat"]][video], captions.words[video]
    if subset == "jsfusion-val":
        index = benchmark.caption_index[video]
        vectors, words = [vectors[index]], [words[index]]
    if case.args.get("fuse_captions"):
        vectors, words = [np.concatenate(vectors)], [[word for caption in words for word in caption]]
    cut = [x[: case.args["max_text_words"]].astype(np.float32) for x in vectors]
    if case.dataset == "LSMDC" and subset == "train":  # whose texts are not in the archive
        words = [[]]
    return list(zip(cut, map(" ".join, words), strict=True))[:most]


def assert_caption_is(vectors, mask, expected):
    """Assert that word vectors and their mask are those of a caption."""
    np.testing.assert_array_equal(mask, np.arange(len(mask)) < len(expected))
    np.testing.assert_array_equal(vectors[mask], expected)
    assert not vectors[~mask].any()


def test_evaluation_batches_hold_what_the_archive_does(written, case):
    benchmark = written(case.dataset)
    subset = list(case.subsets)[1]
    most = case.loader_args["num_test_captions"]
    expected = {video: captions_of(benchmark, case, subset, video, most) for video in benchmark.ids[subset]}
    batches = list(case.loaders(benchmark, training=False).evaluation)
    assert [video for batch in batches for video in batch["ids"]] == benchmark.ids[subset]
    for batch in batches:
        assert_experts_are(batch, batch["ids"], benchmark, case)
        assert batch["text"].shape[:2] == (len(batch["ids"]), max(map(len, expected.values())))
        nothing = np.zeros((0, case.section["text_dim"]))
        for b, video in enumerate(batch["ids"]):
            captions = expected[video]
            assert batch["raw_captions"][b] == [text for _, text in captions]
            for k, (vectors, mask) in enumerate(zip(batch["text"][b], batch["word_mask"][b], strict=True)):
                assert_caption_is(vectors, mask, captions[k][0] if k < len(captions) else nothing)


def test_training_batches_hold_every_video_with_one_of_its_captions(written, case):
    benchmark = written(case.dataset)
    subset = list(case.subsets)[0]
    videos = benchmark.ids[subset]
    loaders = case.loaders(benchmark, batch_size=len(videos))
    (batch,) = loaders.train
    ids = batch["ids"]
    if case.dataset == "LSMDC":  # in the archive they have only a row
        ids = [f"train-{int(name.removeprefix('train-'))}" for name in ids]
    assert sorted(ids) == sorted(videos) and ids != videos
    assert_experts_are(batch, ids, benchmark, case)
    assert batch["text"].shape[:2] == (len(videos), 1)
    for b, video in enumerate(ids):
        mask = batch["word_mask"][b, 0]
        found = (batch["text"][b, 0][mask].numpy(), *batch["raw_captions"][b])
        options = captions_of(benchmark, case, subset, video, None)
        assert any(text == found[1] and np.array_equal(x, found[0]) for x, text in options), video
        assert mask.sum() == len(found[0]) and not batch["text"][b, 0][~mask].any()


@pytest.mark.parametrize("mask_padding", [True, False])
def test_sequences_of_lsmdc_that_are_padded_to_one_array_are_those_that_are_not(tmp_path, mask_padding):
    """The published files of the test clips are padded to one array; those of the training clips are not."""
    benchmark, case = write_benchmark("LSMDC", tmp_path), CASES["LSMDC"]

    def batches():
        return list(case.loaders(benchmark, training=False, pad_to_max=not mask_padding).evaluation)

    ragged = batches()
    for file in ("X_audio_retrieval.npy.tensor.npy", "w2v-ocr-raw-val.npy"):
        arrays = benchmark.contents[file]
        padded = np.zeros((len(arrays), max(map(len, arrays)) + 2, max(x.shape[-1] for x in arrays)), np.float32)
        for row, array in zip(padded, arrays, strict=True):
            row[: len(array)] = array.reshape(-1, padded.shape[2])
        benchmark.npy(file, padded)
    for one, other in zip(ragged, batches(), strict=True):
        for name in ("audio", "ocr"):
            for key in ("experts", "frame_masks", "ind"):
                np.testing.assert_array_equal(one[key][name], other[key][name])


def test_training_can_be_restricted_to_the_first_caption(written):
    case, benchmark = CASES["MSVD dev"], written("MSVD")
    (batch,) = case.loaders(benchmark, batch_size=16, restrict_train_captions=1).train
    words = benchmark.captions["train"].words
    assert max(map(len, words.values())) > 1
    assert batch["raw_captions"] == [[" ".join(words[video][0])] for video in batch["ids"]]


def test_other_numbers_of_videos_than_the_published_ones_are_logged(written, case, caplog):
    benchmark = written(case.dataset)
    case.loaders(benchmark)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    for subset, published in case.subsets.items():
        found = len(benchmark.ids[subset]) + 5 * (subset == "train" and case.dataset == "LSMDC")
        (message,) = [text for text in warnings if str(published) in text.split()]
        assert str(found) in message.split()


def test_the_published_number_of_videos_is_not_logged(tmp_path, caplog):
    benchmark = write_benchmark("MSVD", tmp_path, num_val=100)
    CASES["MSVD dev"].loaders(benchmark)
    assert "train_list.txt: 16 videos" in caplog.text and "val_list.txt" not in caplog.text


def test_the_config_names_the_network_that_rgb_comes_from(tmp_path):
    benchmark, case = write_benchmark("MSVD", tmp_path), CASES["MSVD official"]
    other = {video: x[:1] + 1 for video, x in benchmark.features["rgb"].items()}
    benchmark.pickle("resnet50-imagenet-raw-nocrop.pickle", other)
    first = benchmark.ids["test"][0]
    for name, expected in (("senet154", benchmark.features["rgb"]), ("resnet50", other)):
        batch = next(iter(case.loaders(benchmark, training=False, rgb_model_name=name).evaluation))
        np.testing.assert_allclose(batch["experts"]["rgb"][0], expected[first].mean(axis=0), rtol=1e-5, atol=1e-6)
