"""Teachers: their similarities against the recorded ones of the corrected release, and files that do not fit."""

import pickle

import numpy as np
import pytest
import torch
from helpers.gradients import gradients
from helpers.parity import Parity2020
from helpers.paths import shared
from helpers.training import CPU, Losses

from data_loader.teachers import Teachers
from model.loss import MaxMarginRankingLoss
from model.published import translate
from trainer.optim import instantiate_optimizer
from trainer.trainer import train_batches
from utils.errors import InputError

IDS = [f"video{i}" for i in range(6)]


def recorded():
    return {name: torch.from_numpy(x) for name, x in np.load(shared("parity-2020", "distil.npz")).items()}


def write_teachers(folder, data):
    paths = []
    for n in range(3):
        content = {video: {"vid_embds": {}, "text_embds": {}} for video in IDS}
        for key, x in data.items():
            if key.startswith(f"teacher{n}/"):
                _, kind, expert = key.split("/")
                for video, vectors in zip(IDS, x.numpy(), strict=True):
                    content[video][f"{kind}_embds"][expert] = vectors
        paths.append(folder / f"{n}.pkl")
        paths[-1].write_bytes(pickle.dumps(content))
    return paths


def batch_of(**more):
    return {"ids": IDS, "caption_positions": [[0]] * 6, **more}


def test_parity_of_the_teachers_similarities(tmp_path):
    data = recorded()
    teachers = Teachers(write_teachers(tmp_path, data), IDS, [1] * 6)
    torch.testing.assert_close(teachers.similarities(batch_of()), data["teacher_sims"], rtol=0, atol=1e-5)


def test_parity_of_a_training_step(tmp_path):
    data, parity = recorded(), Parity2020("ce")
    teachers = Teachers(write_teachers(tmp_path, data), IDS, [1] * 6)
    text, experts, ind = parity.inputs("text_train", missing=True)
    batch = batch_of(text=text, experts=experts, ind=ind, word_mask=None, frame_masks=None)
    model = parity.model().train()
    optimizer = instantiate_optimizer({"type": "RAdam", "args": {"lr": 0.001, "weight_decay": 1e-5}}, model.parameters())
    losses = Losses(CPU)
    margin = MaxMarginRankingLoss(parity.margin, fix_norm=True)
    train_batches(model, margin, optimizer, [batch], CPU, losses, teachers=teachers)
    torch.testing.assert_close(losses.all[0], data["loss_total"], rtol=0, atol=1e-5)
    norms, after = (
        {translate(key.removeprefix(prefix), model): x for key, x in data.items() if key.startswith(prefix)}
        for prefix in ("gradnorm/", "after_step/")
    )
    found = gradients(model)
    assert found.keys() == norms.keys() and len(after) == 4
    for name, x in norms.items():
        torch.testing.assert_close(found[name].norm(), x, rtol=1e-3, atol=1e-6, msg=name)
    for name, x in after.items():
        torch.testing.assert_close(model.state_dict()[name], x, rtol=0, atol=1e-5, msg=name)


def entry(**changes):
    return {"vid_embds": {"rgb": np.ones(3)}, "text_embds": {"rgb": np.ones((2, 3))}} | changes


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": entry()}, "has no 'b'"),
        ({"a": entry(), "b": {"vid_embds": {"rgb": np.ones(3)}}}, "'b' has no text_embds"),
        ({"a": entry(), "b": entry(text_embds={"rgb": np.ones((1, 3))})}, "'b' has 1 vectors of 'rgb', expected 2"),
        (
            {"a": entry(), "b": entry(text_embds={"rgb": np.ones((2, 4))})},
            "'b' has a vector of 4 numbers of 'rgb', expected 3",
        ),
        ({"a": entry(), "b": entry(vid_embds={"rgb": np.ones(4)})}, "'b' has a vector of 4 numbers of 'rgb'"),
        ({"a": entry(), "b": entry(vid_embds={"face": np.ones(3)})}, "'b' has .* vid_embds of face, expected rgb as 'a'"),
        (
            {"a": entry(), "b": entry(text_embds={1: np.ones((2, 3))})},
            "'b' has no text_embds, expected a dict",
        ),
        ({video: {"vid_embds": {}, "text_embds": {}} for video in "ab"}, "'a' has no text_embds"),
        ({video: entry(vid_embds={}) for video in "ab"}, "no video has a vector of an expert"),
        ({"a": entry(), "b": entry(vid_embds={"rgb": np.array([1, np.nan, 1])})}, "'b' has NaN or inf in 'rgb'"),
        ({"a": entry(), "b": entry(vid_embds={"rgb": ["x", "y", "z"]})}, "'b' has 0 vectors of 'rgb'"),
    ],
)
def test_a_file_that_does_not_fit_is_one_line(tmp_path, content, message):
    path = tmp_path / "teacher.pkl"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=rf"^{path}: {message}"):
        Teachers([path], ["a", "b"], [2, 2])


@pytest.mark.parametrize("missing", [np.full(3, np.nan), np.nan, None])
def test_an_expert_that_a_video_lacks_adds_nothing(tmp_path, missing):
    two = {"rgb": np.ones((1, 3)), "face": np.ones((1, 2))}
    content = {"a": {"vid_embds": {"rgb": np.ones(3), "face": np.ones(2)}, "text_embds": two}}
    content["b"] = {"vid_embds": {"rgb": missing, "face": np.ones(2)}, "text_embds": two}
    if missing is None:
        del content["b"]["vid_embds"]["rgb"]
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(content))
    teachers = Teachers([tmp_path / "0.pkl"], ["a", "b"], [1, 1])
    found = teachers.similarities({"ids": ["a", "b"], "caption_positions": [[0], [0]]})
    assert found.tolist() == [[5, 2], [5, 2]]


def test_the_caption_that_was_drawn_picks_the_row(tmp_path):
    rng = np.random.default_rng(0)
    content = {
        video: {"vid_embds": {e: rng.normal(size=4) for e in "xy"}, "text_embds": {e: rng.normal(size=(3, 4)) for e in "xy"}}
        for video in "abc"
    }
    paths = [tmp_path / "0.pkl", tmp_path / "1.pkl"]
    paths[0].write_bytes(pickle.dumps(content))
    halved = {v: {k: {e: x / 2 for e, x in part.items()} for k, part in both.items()} for v, both in content.items()}
    paths[1].write_bytes(pickle.dumps(halved))
    teachers = Teachers(paths, list("cab"), [3, 3, 3])
    found = teachers.similarities({"ids": ["b", "c"], "caption_positions": [[2], [0]]})
    for row, (video, k) in enumerate((("b", 2), ("c", 0))):
        for column, other in enumerate("bc"):
            one = sum(content[video]["text_embds"][e][k] @ content[other]["vid_embds"][e] for e in "xy")
            np.testing.assert_allclose(found[row, column], (one + one / 4) / 2, rtol=1e-5)


def test_of_more_captions_than_in_the_dataset_the_first_are_used(tmp_path):
    content = {video: {"vid_embds": {"x": [1.0]}, "text_embds": {"x": [[1.0], [2.0], [4.0]]}} for video in "ab"}
    (tmp_path / "0.pkl").write_bytes(pickle.dumps(content))
    teachers = Teachers([tmp_path / "0.pkl"], list("ab"), [2, 1])
    found = teachers.similarities({"ids": ["a", "b"], "caption_positions": [[1], [0]]})
    assert found.tolist() == [[2, 2], [1, 1]]
