"""Resuming runs that are not finished."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, MODELS, assert_equal_weights, train, trained

import train as train_command
from base.runs import ResumePoint, find_complete_run, find_unfinished_run, list_runs, run_lock, seed_folders
from trainer.trainer import Trainer
from utils.errors import InputError

SEEDS = ("--config", CONFIG, "--seeds", "0,1")


@pytest.fixture
def interrupted(run, monkeypatch):
    """Interrupt a training at an epoch of a seed; return the folder of the run and standard output."""

    def interrupted(seed, epoch, *arguments):
        def interrupt(self, number, *args):
            if (self.config["seed"], number) == (seed, epoch):
                raise KeyboardInterrupt
            return original(self, number, *args)

        original = Trainer._train_epoch
        monkeypatch.setattr(Trainer, "_train_epoch", interrupt)
        before = set(MODELS.glob("*"))
        code, out, _ = run(train_command, *arguments)
        assert code == 130
        monkeypatch.setattr(Trainer, "_train_epoch", original)
        return next(iter(set(MODELS.glob("*")) - before), None), out

    return interrupted


def content(folder):
    """Return the results without the names of folders."""
    results = {path.relative_to(folder): json.loads(path.read_text()) for path in folder.rglob("*.json")}
    for result in results.values():
        result.pop("checkpoint", None)
        result.get("validation", {}).pop("steps_per_second", None)
    return results


@pytest.mark.parametrize(("seed", "epoch"), [(0, 2), (1, 1), (1, 3)])
def test_resumed_seeds_end_as_uninterrupted_ones(run, interrupted, seed, epoch):
    whole, _ = trained(run, "--seeds", "0,1")
    part, out = interrupted(seed, epoch, *SEEDS, "--disable_workers")
    command = f"python train.py --config {CONFIG} --seeds 0,1 --resume auto --set data_loader.args.num_workers=0"
    left = ["0,1", "1"][seed]
    assert f"seeds that are not done: {left}; no summary was written; resume with: {command}" in out
    assert not (part / "summary.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (part / "seed-0").iterdir()} if seed else {}

    code, out, err = run(train_command, *command.split()[2:])
    assert code == 0, err
    assert f"resuming {part}" in out and (f"seed 0 is done: {part}/seed-0" in out) is (seed == 1)
    assert set(MODELS.glob("*")) == {whole, part}
    assert {path: path.stat().st_mtime_ns for path in done} == done
    assert out.count("/3: loss") == 4 - epoch + 3 * (1 - seed)  # what was left of this seed, and the seed after it
    assert content(part) == content(whole)
    for n in (0, 1):
        for name in ("checkpoint-epoch3.pth", "trained_model.pth"):
            assert_equal_weights(whole / f"seed-{n}" / name, part / f"seed-{n}" / name)


def test_without_a_checkpoint_resuming_starts_a_run(run, interrupted):
    finished, _ = train(run, "--seeds", "0,1", "--set", "trainer.epochs=1")
    other, _ = interrupted(1, 1, "--config", CONFIG, "--seeds", "0,1", "--set", "trainer.epochs=2")
    folder, out = train(run, "--seeds", "0,1", "--resume", "auto", "--set", "trainer.epochs=1")
    assert "no unfinished run of this config: starting a new one" in out
    assert (folder / "summary.json").exists() and not (other / "summary.json").exists()
    assert folder not in (finished, other)


def test_a_run_without_seeds_is_resumed(run, interrupted):
    whole, _ = trained(run)
    part, _ = interrupted(0, 3, "--config", CONFIG)
    shutil.copytree(part, part.with_name("2020-01-01_00-00-00"))  # an older one
    code, out, err = run(train_command, "--config", CONFIG, "--resume", "auto")
    assert code == 0, err
    assert f"resuming {part}" in out and "epoch 3/3" in out and "epoch 2/3" not in out
    assert content(part) == content(whole)
    assert_equal_weights(whole / "trained_model.pth", part / "trained_model.pth")


def test_a_run_that_lacks_only_its_summary_gets_it(run):
    folder, _ = trained(run, "--seeds", "0,1")
    summary = folder / "summary.json"
    before = summary.read_text()
    summary.unlink()
    code, out, err = run(train_command, "--config", CONFIG, "--seeds", "0,1", "--resume", "auto")
    assert code == 0, err
    assert summary.read_text() == before and "epoch" not in out and "2 seeds, split val, mean (std)" in out


def test_refuses_what_cannot_be_resumed(run, refused):
    folder, _ = trained(run, "--seeds", "0,1")
    checkpoint = folder / "seed-0" / "checkpoint-epoch1.pth"
    assert "not with --seeds (except 'auto')" in refused(train_command, "--resume", checkpoint, "--seeds", "0,1")
    assert "--purge_exp_dir" in refused(train_command, *SEEDS, "--resume", "auto", "--purge_exp_dir")
    assert "--config FILE: missing" in refused(train_command, "--resume", "auto")
    (folder / "summary.json").unlink()
    (folder / "seed-1" / "metrics.json").unlink()
    with run_lock(folder / "seed-1"):
        message = refused(train_command, "--config", CONFIG, "--seeds", "0,1", "--resume", "auto")
    assert f"{folder}/seed-1: another process is training there" in message
    for damaged in ("{", "[" * 10**6):
        (folder / "seed-0" / "metrics.json").write_text(damaged)
        message = refused(train_command, "--config", CONFIG, "--seeds", "0,1", "--resume", "auto")
        assert f"{folder}/seed-0/metrics.json: not JSON" in message


@pytest.mark.parametrize("damaged", ["{", "[" * 10**6, "\xff"])
def test_a_run_whose_config_cannot_be_read_is_not_gone_on_with(run, damaged):
    folder, _ = trained(run)
    (folder / "metrics.json").unlink()
    (folder / "config.json").write_text(damaged, encoding="latin1")
    other, out = train(run, "--resume", "auto")
    assert other != folder and "no unfinished run of this config: starting a new one" in out


def write(folder, **files):
    """Write a run of experiment `x` from a mapping of file name (without .json) to content."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.json").write_text(text if isinstance(text, str) else json.dumps(text))


def test_the_newest_run_of_the_same_config_and_seeds_is_found(tmp_path):
    config, runs = {"name": "x", "seed": 0, "y": 1, "trainer": {"save_dir": str(tmp_path)}}, tmp_path / "models" / "x"
    assert find_unfinished_run(config, [0, 1]) is None
    names = [f"2026-01-01_00-00-0{i}" for i in range(10)]
    for seed in (0, 1):
        write(runs / names[0] / f"seed-{seed}", config=config | {"seed": seed})
    write(runs / names[1] / "seed-1", config=config | {"seed": 1})
    write(runs / names[2] / "seed-0", config=config | {"y": 2})  # another config
    write(runs / names[3] / "seed-3", config=config | {"seed": 3})  # another seed
    write(runs / names[4] / "seed-0", config=config, metrics={})
    write(runs / names[4], summary={})  # done
    (runs / names[5] / "seed-0").mkdir(parents=True)  # did not get as far as a config
    write(runs / names[6] / "seed-0", config="{")
    write(runs / names[7], config=config)  # a single run
    write(runs / names[8], config=config, metrics={})
    write(runs / names[9], config=config | {"seed": 1})
    assert find_unfinished_run(config, [0, 1]).models == runs / names[1]
    assert find_unfinished_run(config, [0]) is None
    assert find_unfinished_run(config, [3]).models == runs / names[3]
    assert find_unfinished_run(config | {"seed": 7}, [0, 1]).models == runs / names[1]  # the seeds are those of --seeds
    assert find_unfinished_run(config, None).models == runs / names[7]
    assert find_unfinished_run(config | {"seed": 1}, None).models == runs / names[9]


def test_only_the_newest_run_of_several_seeds_counts_as_complete(tmp_path):
    config, runs = {"name": "x", "seed": 0, "y": 1, "trainer": {"save_dir": str(tmp_path)}}, tmp_path / "models" / "x"
    first, second = (runs / f"2026-01-01_00-00-0{i}" for i in (1, 2))
    assert find_complete_run(config, [0, 1]) is None
    for seed in (0, 1):
        write(first / f"seed-{seed}", config=config | {"seed": seed})
    assert find_complete_run(config, [0, 1]) is None
    write(first, summary={})
    (runs / "2026-01-01_00-00-03").mkdir()  # without a seed, as a single run or one that did not get far
    assert find_complete_run(config, [0, 1]) == find_complete_run(config | {"seed": 9}, [1, 0]) == first
    assert (
        find_complete_run(config, [0])
        is find_complete_run(config, [0, 1, 2])
        is find_complete_run(config | {"y": 2}, [0, 1])
        is None
    )
    write(second / "seed-0", config=config)
    assert find_complete_run(config, [0, 1]) is None


def test_order_of_runs_and_seeds(tmp_path):
    names = ["2026-01-01_00-00-00", "2026-01-01_00-00-01", "2026-01-01_00-00-01-2", "2026-01-01_00-00-01-10"]
    for name in names:
        (tmp_path / name).mkdir()
    assert [path.name for path in list_runs(tmp_path)] == names[::-1]
    for name in ("seed-10", "seed-9", "seed-x"):
        (tmp_path / names[0] / name).mkdir()
    assert list(seed_folders(tmp_path / names[0])) == [9, 10]


def test_the_latest_epoch_is_gone_on_from(run):
    folder, _ = trained(run)
    assert ResumePoint.newest(folder).path.name == "checkpoint-epoch3.pth"
    state = torch.load(folder / "trained_model.pth", weights_only=True)
    torch.save(state | {"epoch": 4}, folder / "trained_model.pth")
    assert ResumePoint.newest(folder).path.name == "trained_model.pth"
    assert ResumePoint.newest(Path("nowhere")) is None


def test_a_folder_is_free_again_behind_the_block(tmp_path):
    refused = pytest.raises(InputError, match="another process is training there")
    for _ in range(2):
        with run_lock(tmp_path), refused, run_lock(tmp_path):
            pass
