"""Evaluating a checkpoint of the 2019 release: the recorded similarities, and the messages."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.paths import shared
from helpers.search_collection import open_searcher

import test as test_command
import train as train_command
from misc.searching.building import build_index
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.vector_store import IndexLocation

FEATS = Path("data/Parity/symlinked-feats")
CONFIG = {
    "experts": {
        "text_feat": "toy",
        "text_dim": 12,
        "ce_shared_dim": 16,
        "audio": {"dim": 128, "aggregation": "vlad"},
        "face": {"dim": 20, "kind": "vector"},
        "rgb": {"dim": 24, "kind": "vector"},
    },
    "arch": {"type": "CENet", "args": {"use_ce": True, "vlad_clusters": {"text": 3, "audio": 2}}},
    "data_loader": {
        "type": "ExpertDataLoader",
        "args": {
            "dataset_name": "Parity",
            "data_dir": "data/Parity",
            "batch_size": 4,
            "split_name": "val",
            "max_text_words": 5,
            "max_expert_tokens": 6,
        },
    },
}


@pytest.fixture
def parity(tmp_path, monkeypatch):
    """Write the recorded inputs as an archive and a config."""
    data = dict(np.load(shared("parity", "ce_ce.npz")))
    monkeypatch.chdir(tmp_path)
    FEATS.mkdir(parents=True)
    names = [f"video{b}" for b in range(6)]
    for expert in ("audio", "face", "rgb"):
        arrays = data[f"in/{expert}"]
        there = data[f"ind_missing/{expert}"]
        content = {name: x for name, x, present in zip(names, arrays, there, strict=True) if present}
        (FEATS / f"{expert}.pickle").write_bytes(pickle.dumps(content))
    text = dict(zip(names, map(list, data["in/text_eval"]), strict=True))
    (FEATS / "text-toy.pickle").write_bytes(pickle.dumps(text))
    for part in ("train", "val"):
        (FEATS / f"{part}_list.txt").write_text("\n".join(names))
    Path("eval.json").write_text(json.dumps(CONFIG))
    return data


@pytest.mark.parametrize("file", ["legacy_checkpoint", "legacy_checkpoint_floatbest", "legacy_checkpoint_cuda"])
@pytest.mark.parametrize(
    ("options", "target", "leaky"),
    [
        ([], "sims_missing_pairwise", False),
        (["--similarity", "pairwise"], "sims_missing_pairwise", False),
        (["--similarity", "paired-2019"], "sims_missing_leaky", True),
        (["--set", "arch.args.similarity=paired-2019"], "sims_missing_leaky", True),
        (["--set", "arch.args.gate_order=parallel"], "sims_missing_parallel_gate", False),
    ],
)
def test_the_recorded_similarities_come_out(parity, call, file, options, target, leaky):
    checkpoint = shared("parity", f"{file}.pth")
    code, out, err = call(test_command, "--config", "eval.json", "--resume", checkpoint, "--save_sims", "sims.npz", *options)
    assert code == 0, err
    with np.load("sims.npz") as saved:
        np.testing.assert_allclose(saved["sims"], parity[target], rtol=0, atol=1e-5)
        assert saved["leaky"] == leaky
    (path,) = Path("data/saved/log").rglob("metrics.json")
    written = json.loads(path.read_text())
    assert written["leaky"] == leaky and written["epoch"] == 42 and written["split"] == "val"
    for text in (out, (path.parent / "info.log").read_text()):
        assert ("LEAKY" in text) == leaky
        assert "evaluated with arch.args.gate_order=sequential and arch.args.mask_padding=false" in text
        (dropped,) = [line for line in text.splitlines() if "never used" in line]
        names = dropped.partition("dropped: ")[2].split(", ")
        modules = {".".join(name.split(".")[:2]) for name in names}
        unused = {"g_reason_3", "f_reason_3", "batch_norm_g1", "batch_norm_g2", "batch_norm_f1", "batch_norm_f2"}
        assert modules == {f"ce.{name}" for name in unused}


def test_a_search_returns_the_recorded_similarities(parity):
    checkpoint = shared("parity", "legacy_checkpoint.pth")
    embedder = Embedder(checkpoint, torch.device("cpu"), Path("eval.json"))
    place = IndexLocation("Parity")
    build_index(embedder, Collection("Parity", place.folder, embedder.config, embedder.experts), place, "flat")
    searcher = open_searcher(place, checkpoint, config=Path("eval.json"))
    sims = parity["sims_missing_pairwise"]  # (captions, videos)
    for video, column in enumerate(sims.T):
        hits = searcher.v2t(f"video{video}", len(column))
        np.testing.assert_allclose([hit.similarity for hit in hits], np.sort(column)[::-1], rtol=0, atol=1e-5)
    captions = [x for video in range(6) for x in parity["in/text_eval"][video]]
    texts = embedder.embed_texts(captions)
    for row, hits in zip(sims, place.open().search(texts, 6), strict=True):
        np.testing.assert_allclose([score for _, score in hits], np.sort(row)[::-1], rtol=0, atol=1e-5)
        assert hits[0][0] == f"video{row.argmax()}"


def test_the_targets_differ_enough_to_tell(parity):
    """If the targets were nearly equal, the test above could not fail."""
    targets = ("sims_missing_pairwise", "sims_missing_leaky", "sims_missing_parallel_gate", "sims_all")
    for i, one in enumerate(targets):
        for other in targets[:i]:
            assert np.abs(parity[one] - parity[other]).max() > 1e-3


def refused(call, command, *arguments):
    code, _, err = call(command, *arguments)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_what_does_not_fit_is_refused_with_its_name(parity, call):
    checkpoint = shared("parity", "legacy_checkpoint.pth")
    wrong = ["--config", "eval.json", "--resume", checkpoint, "--set"]
    message = refused(call, test_command, *wrong, "arch.args.vlad_clusters.text=4")
    assert "legacy_checkpoint.pth: 'text_pooling.clusters' is (12, 3), expected (12, 4) by the config" in message
    message = refused(call, test_command, *wrong, "arch.args.use_ce=false")
    assert "legacy_checkpoint.pth: " in message and "(and " in message


def test_a_training_cannot_resume_from_it(parity, call):
    training = {
        **CONFIG,
        "optimizer": {"type": "Adam"},
        "loss": {"type": "MaxMarginRankingLoss"},
        "trainer": {"epochs": 2},
    }
    Path("train.json").write_text(json.dumps(training))
    checkpoint = shared("parity", "legacy_checkpoint.pth")
    message = refused(call, train_command, "--config", "train.json", "--resume", checkpoint)
    assert "legacy_checkpoint.pth: a checkpoint of the 2019 release has no optimizer to resume" in message
