"""misc/make_teacher.py: files from trained models, and a training that learns from them."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import torch
from helpers.commands import CONFIG, train, trained
from helpers.training import CPU

from base.checkpoint import load_checkpoint
from data_loader.readers import read_file
from misc import make_teacher
from model.published import load_weights
from parse_config import ConfigParser
from trainer.build import build_loaders, build_model

FEATURES = Path("data/Toy/symlinked-feats")


def test_a_student_learns_from_the_files_of_two_teachers(run):
    folder, _ = trained(run)
    checkpoints = [folder / "trained_model.pth", folder / "checkpoint-epoch1.pth"]
    for checkpoint in checkpoints:  # a file is named by the run, so that the second would replace the first
        code, out, err = run(make_teacher, checkpoint, "--force")
        assert code == 0, err
    (file,) = (FEATURES / "teachers").iterdir()
    other = file.with_name("other.pkl")
    other.write_bytes(file.read_bytes())
    assert f'"teachers": ["{file.name}"]' in out
    code, _, err = run(make_teacher, checkpoints[0])
    assert code == 2 and re.fullmatch(rf"error: {re.escape(str(file))}: exists, expected a new file \(or --force\)\n", err)

    config = json.loads(Path(CONFIG).read_text())
    params = {"base_path": "teachers/", "teachers": [file.name, "other.pkl"]}
    Path(CONFIG).write_text(json.dumps(config | {"distil_loss": True, "distil_params": params}))
    student, out = train(run)
    assert (student / "metrics.json").exists()


def test_runs_of_one_experiment_are_different_teachers(run):
    folder, _ = trained(run)
    checkpoint = folder / "trained_model.pth"
    code, _, err = run(make_teacher, checkpoint, folder / "checkpoint-epoch1.pth")
    assert code == 2 and err.startswith("error: CHECKPOINT: two files would be toy-train-ce-")
    other = folder.with_name("2020-01-01_00-00-00")
    shutil.copytree(folder, other)
    code, out, err = run(make_teacher, checkpoint, other / "trained_model.pth")
    assert code == 0, err
    names = sorted(path.name for path in (FEATURES / "teachers").iterdir())
    assert names == sorted(f"toy-train-ce-{x.name}.pkl" for x in (folder, other)) and all(name in out for name in names)


def test_a_file_holds_weighted_texts_and_the_videos_that_have_the_expert(run):
    folder, _ = trained(run)
    checkpoint = folder / "trained_model.pth"
    assert run(make_teacher, checkpoint)[0] == 0
    (file,) = (FEATURES / "teachers").iterdir()
    content = read_file(file)
    state = load_checkpoint(checkpoint)
    config = ConfigParser.from_checkpoint(state, checkpoint)
    model = build_model(config).eval()
    load_weights(model, state, checkpoint)
    dataset = build_loaders(config, CPU).train.dataset
    assert list(content) == dataset.ids
    for index in (0, 5, 23):
        item, found = dataset[index], content[dataset.ids[index]]
        for k, words in enumerate(item["captions"]):
            with torch.no_grad():
                text = model.embed_text(torch.from_numpy(words)[None, None])
            for i, name in enumerate(model.modalities):
                expected = (text.weights[0, i] * text.experts[i][0]).numpy()
                np.testing.assert_allclose(found["text_embds"][name][k], expected, atol=1e-6)
        for name, x in item["experts"].items():
            assert found["vid_embds"][name].any() == (x is not None)


def test_a_file_has_all_captions_at_their_places_whatever_the_training_used(run, workplace):
    """A caption without a word has zeros; its place is not that of the next one."""
    workplace.text["video3"][0] = np.zeros((0, 10), np.float16)
    workplace.raw["video3"][0] = []
    workplace.write()
    folder, _ = trained(run, "--set", "data_loader.args.restrict_train_captions=1")
    assert run(make_teacher, folder / "trained_model.pth")[0] == 0
    (file,) = (FEATURES / "teachers").iterdir()
    content = read_file(file)
    for video, entry in content.items():
        for x in entry["text_embds"].values():
            assert x.any(axis=1).tolist() == [video != "video3", True], video
