"""Checkpoints of the corrected release through the command line: their similarities, and what is said of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers.corrected_archive import write_pickle
from helpers.paths import shared

import test as test_command
import train as train_command

FEATS = Path("data/MSRVTT/high-quality/structured-symlinks")
FILES = {
    "audio": "aggregated_audio_feats/Audio_MSRVTT_new.pickle",
    "face": "aggregated_face_feats/facefeats-avg.pickle",
    "imagenet.senet154.0": "aggregated_imagenet_25fps_256px_stride1_offset0/senet154-avg.pickle",
}
CHECKPOINTS = ("checkpoint_legacy.pth", "checkpoint_zip.pth")
NAMES = [f"video{b}" for b in range(6)]


@pytest.fixture(params=["sims_all", "sims_missing"])
def recorded(request, tmp_path, monkeypatch):
    """The recorded inputs as an archive, with and without missing experts, and their similarities."""
    data = dict(np.load(shared("parity-2020", "checkpoint.npz")))
    monkeypatch.chdir(tmp_path)
    for expert, file in FILES.items():
        content = dict(zip(NAMES, data[f"in/{expert}"], strict=True))
        if request.param == "sims_missing":
            absent = [name for name, has in zip(NAMES, data[f"ind_missing/{expert}"], strict=True) if not has]
            content |= dict.fromkeys(absent, float("nan"))
        write_pickle(FEATS / file, content)
    write_pickle(FEATS / "aggregated_text_feats/electra.pkl", dict(zip(NAMES, map(list, data["in/text_eval"]), strict=True)))
    for part in ("train", "val", "test"):
        (FEATS / f"{part}_list_full.txt").write_text("\n".join(NAMES))
    return data[request.param]


@pytest.mark.parametrize("file", CHECKPOINTS)
@pytest.mark.parametrize("by_config", [True, False])
def test_the_recorded_similarities_come_out(recorded, call, file, by_config):
    config = json.loads(shared("parity-2020", "checkpoint_config.json").read_text())
    Path("published.json").write_text(json.dumps(config | {"inherit_from": ""}))
    options = ["--config", "published.json", "--eval_from_training_config"] if by_config else []
    code, out, err = call(test_command, "--resume", shared("parity-2020", file), "--save_sims", "sims.npz", *options)
    assert code == 0, err
    with np.load("sims.npz") as saved:
        np.testing.assert_allclose(saved["sims"], recorded, rtol=0, atol=1e-5)
    (path,) = Path("data/saved/log").rglob("metrics.json")
    written = json.loads(path.read_text())
    assert not written["leaky"] and written["epoch"] == 42 and written["split"] == "full-test"
    assert "a checkpoint of the corrected release, evaluated with arch.args.gate_order=sequential" in out


@pytest.mark.parametrize("file", CHECKPOINTS)
def test_the_gate_of_that_release_is_sequential(recorded, call, file):
    checkpoint = shared("parity-2020", file)
    options = ("--save_sims", "sims.npz", "--set", "arch.args.gate_order=parallel")
    assert call(test_command, "--resume", checkpoint, *options)[0] == 0
    with np.load("sims.npz") as saved:
        assert np.abs(saved["sims"] - recorded).max() > 1e-3


def refused(call, command, *arguments):
    code, _, err = call(command, *arguments)
    assert code == 2 and err.startswith("error: ") and err.count("\n") == 1, err
    return err


def test_it_is_no_checkpoint_to_train_on_from(recorded, call):
    message = refused(call, train_command, "--resume", shared("parity-2020", CHECKPOINTS[0]))
    assert "a checkpoint of the corrected release" in message and "only test.py reads it" in message


def test_a_checkpoint_and_a_config_of_different_releases_are_one_line(recorded, call):
    corrected, of_2019 = shared("parity-2020", CHECKPOINTS[0]), shared("parity", "legacy_checkpoint.pth")
    message = refused(call, test_command, "--resume", corrected, "--set", "arch.args.use_ce=true")
    assert "weights of the corrected release, the config describes a network of 2019" in message
    config = json.loads(shared("parity-2020", "checkpoint_config.json").read_text())
    Path("published.json").write_text(json.dumps(config | {"inherit_from": ""}))
    message = refused(call, test_command, "--resume", of_2019, "--config", "published.json")
    assert "weights of the 2019 release, the config describes a corrected network" in message
