"""Teachers: their similarities against the recorded ones of the corrected release, and files that do not fit."""

import json
import pickle

import numpy as np
import pytest
import torch
from helpers.paths import shared
from helpers.training import CPU, Losses

from data_loader.teachers import Teachers
from helpers.gradients import gradients
from helpers.parity import Parity2020
from model.loss import MaxMarginRankingLoss, distillation_loss
from model.published import translate
from trainer.optim import instantiate_optimizer
from trainer.trainer import train_batches

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
    for name, x in gradients(model).items():
        published = {translate(key.partition("/")[2], model): key for key in data if key.startswith("gradnorm/")}
        torch.testing.assert_close(x.norm(), data[published[name]], rtol=1e-3, atol=1e-6, msg=name)
    for name, x in model.state_dict().items():
        published = {translate(key.partition("/")[2], model): key for key in data if key.startswith("after_step/")}
        if name in published:
            torch.testing.assert_close(x, data[published[name]], rtol=0, atol=1e-5, msg=name)
