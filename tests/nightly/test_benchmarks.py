"""Training and testing on each published dataset by its command, with the published config and with ours."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.daily import cases_of_today
from helpers.paths import ROOT, shared
from helpers.published_layouts import write_benchmark

import test as test_command
import train as train_command

SMALL = (
    "experts.ce_shared_dim=16",
    'arch.args.vlad_clusters={"text": 2, "audio": 2, "ocr": 2, "speech": 2}',
    *(f"experts.{name}.embed_dim=16" for name in ("audio", "face", "flow", "ocr", "rgb", "scene", "speech")),
)
HERE = ("data_loader.args.batch_size=4", "data_loader.args.num_workers=0")

# Config -> dataset, the split and the part to test on.
CONFIGS = {
    "msrvtt/train-full-ce.json": ("MSRVTT", "full-test", "full-test"),
    "msrvtt/train-full-moee.json": ("MSRVTT", "full-test", "full-test"),
    "msrvtt/train-full-concat-ablation.json": ("MSRVTT", "full-test", "full-test"),
    "msrvtt/train-jsfusion-ce.json": ("MSRVTT", "jsfusion", "jsfusion-val"),
    "msrvtt/train-miech-ce.json": ("MSRVTT", "miech", "miech-test"),
    "msrvtt/train-miech-miechfeats-moee.json": ("MSRVTT", "miech", "miech-test"),
    "msvd/train-full-ce.json": ("MSVD", "official", "test"),
    "didemo/train-full-ce.json": ("DiDeMo", "val", "val"),
    "activity-net/train-full-ce.json": ("ActivityNet", "val1", "val1"),
    "lsmdc/train-full-ce.json": ("LSMDC", "val", "test"),
}
NOT_PUBLISHED = ("miech", "didemo")  # what the names of those contain whose own config.json is not at hand
ONE_CAPTION = ("jsfusion", "miech", "val1", "val")  # of a video, in a test; on DiDeMo too


@pytest.fixture
def command(run):
    """Run a command in a folder with our configs; it must succeed; return its standard output."""
    shutil.copytree(ROOT / "configs", "configs", dirs_exist_ok=True)

    def command(module, *arguments, overrides=HERE):
        code, out, err = run(module, *arguments, *(x for override in overrides for x in ("--set", override)))
        assert code == 0, err
        return out

    return command


def train(command, path, *overrides):
    """Train for one epoch; return the checkpoint of the best model, standard output and the metrics."""
    out = command(train_command, "--config", path, "--train_single_epoch", overrides=(*HERE, *overrides))
    (path,) = Path("data/saved/models").glob("*/*/metrics.json")
    return path.with_name("trained_model.pth"), out, json.loads(path.read_text())


def number_of_captions(benchmark, split, part):
    """Return the total number of captions that the videos of a split are queried with."""
    words = benchmark.captions[part].words
    one = split in ONE_CAPTION or benchmark.name == "DiDeMo"
    return sum(1 if one else len(words[video]) for video in benchmark.ids[part])


def assert_plausible(metrics, split, num_videos, num_captions):
    """Assert that the metrics of both directions are in their ranges and in order."""
    assert metrics["split"] == split and metrics["leaky"] is False
    for direction, num_candidates in (("t2v_metrics", num_videos), ("v2t_metrics", num_captions)):
        values = metrics[direction]
        assert 0 <= values["R1"] <= values["R5"] <= values["R10"] <= values["R50"] <= 100
        assert 1 <= values["MedR"] <= num_candidates and 1 <= values["MeanR"] <= num_candidates
    assert metrics["t2v_metrics"]["R10"] == metrics["t2v_metrics"]["R50"] == 100  # of eight videos


def is_trained_and_tested_on(command, tmp_path, path, config):
    """Train for an epoch with the config at `path`, and test what was trained."""
    name, split, part = CONFIGS[config]
    benchmark = write_benchmark(name, tmp_path)
    num_captions = number_of_captions(benchmark, split, part)
    sizes = () if "concat" in config else SMALL  # its sizes have to fit, and are small
    checkpoint, out, metrics = train(command, path, *sizes)
    assert_plausible(metrics, split, 8, num_captions)
    assert f"{name}, {split}: 8 videos, {num_captions} captions" in out
    assert f"{name}, train: {len(benchmark.ids[train_part(benchmark, split)])} videos" in out
    command(test_command, "--resume", checkpoint, overrides=HERE)
    (tested,) = Path("data/saved/log").glob("*/*/metrics.json")
    again = json.loads(tested.read_text())
    assert again["split"] == split and again["checkpoint"] == str(checkpoint)
    for direction in ("t2v_metrics", "v2t_metrics"):
        assert again[direction] == pytest.approx(metrics[direction])


@pytest.mark.parametrize("config", cases_of_today(CONFIGS, 3))
def test_each_dataset_is_trained_and_tested_on(command, tmp_path, config):
    is_trained_and_tested_on(command, tmp_path, Path("configs", config), config)


@pytest.mark.parametrize("config", cases_of_today((x for x in CONFIGS if not any(name in x for name in NOT_PUBLISHED)), 3))
def test_published_configs_run_unchanged(command, tmp_path, config):
    path = shared("published-configs", config.replace("/", "-"))
    is_trained_and_tested_on(command, tmp_path, path, config)


def train_part(benchmark, split):
    """The part that is trained on."""
    return "train" if benchmark.name != "MSRVTT" else f"{split.partition('-')[0]}-train"


@pytest.mark.parametrize(("name", "split"), [("msrvtt", "full-test"), ("msvd", "official")])
def test_published_evaluation_configs_test_what_published_training_configs_train(command, tmp_path, name, split):
    benchmark = write_benchmark(name.upper(), tmp_path)
    checkpoint, _, metrics = train(command, shared("published-configs", f"{name}-train-full-ce.json"), *SMALL)
    path = shared("published-configs", f"{name}-eval-full-ce.json")
    out = command(test_command, "--config", path, "--resume", checkpoint, overrides=(*HERE, *SMALL))
    num_captions = number_of_captions(benchmark, split, "test" if name == "msvd" else "full-test")
    assert f"{name.upper()}, {split}: 8 videos, {num_captions} captions" in out
    (tested,) = Path(f"data/saved/log/{name}-eval-full-ce").glob("*/metrics.json")
    assert json.loads(tested.read_text())["t2v_metrics"] == pytest.approx(metrics["t2v_metrics"])


def test_a_split_can_be_named_on_the_command_line(command, tmp_path):
    benchmark = write_benchmark("ActivityNet", tmp_path)
    checkpoint, _, first = train(command, "configs/activity-net/train-full-ce.json", *SMALL)
    command(test_command, "--resume", checkpoint, "--split", "val2", "--save_sims", "sims.npz", overrides=HERE)
    (tested,) = Path("data/saved/log/activity-net-train-full-ce").glob("*/metrics.json")
    assert_plausible(json.loads(tested.read_text()), "val2", 8, 8)
    assert json.loads(tested.read_text())["t2v_metrics"] != first["t2v_metrics"]
    assert np.load("sims.npz")["video_ids"].tolist() == benchmark.ids["val2"]


@pytest.mark.parametrize(
    ("name", "config", "changes", "named"),
    [
        ("MSVD", "msvd", ['experts.modalities=["audio","rgb"]'], ["'audio'", "MSVD"]),
        (
            "MSRVTT",
            "msrvtt",
            ["data_loader.args.rgb_model_name=resnet50"],
            ["resnet50-imagenet-raw-nocrop.pickle: not found"],
        ),
        ("DiDeMo", "didemo", ["data_loader.args.feat_aggregation.scene=avg"], ["densenet161-scene-avg.pickle: not found"]),
        ("LSMDC", "lsmdc", ["data_loader.args.split_name=test"], ["split_name: 'test', expected one of val"]),
        ("ActivityNet", "activity-net", ["experts.text_dim=300"], ["openai-train.pkl", "768"]),
    ],
)
def test_what_a_dataset_does_not_have_is_refused(refused, tmp_path, name, config, changes, named):
    shutil.copytree(ROOT / "configs", "configs", dirs_exist_ok=True)
    write_benchmark(name, tmp_path)
    options = [x for change in (*HERE, *changes) for x in ("--set", change)]
    message = refused(train_command, "--config", f"configs/{config}/train-full-ce.json", *options)
    assert all(part in message for part in named), message


@pytest.mark.parametrize("part", ["train", "val", "test"])
def test_videos_that_only_a_list_names_are_refused(refused, tmp_path, part):
    """This includes test videos, and is noticed before the training."""
    shutil.copytree(ROOT / "configs", "configs", dirs_exist_ok=True)
    benchmark = write_benchmark("MSVD", tmp_path)
    ids = benchmark.ids[part]
    benchmark.list(f"{part}_list.txt", [ids[0], "vid9998", *ids[1:], "vid9999"])
    options = [x for change in HERE for x in ("--set", change)]
    message = refused(train_command, "--config", "configs/msvd/train-full-ce.json", *options)
    assert f"i3d-i3d-raw.pickle: 2 of {len(ids) + 2} videos are missing, first 'vid9998', 'vid9999'" in message


def test_the_published_sizes_of_a_model_run(command, tmp_path):
    """The model of 107 million parameters, on MSR-VTT."""
    write_benchmark("MSRVTT", tmp_path)
    checkpoint, _, metrics = train(command, shared("published-configs", "msrvtt-train-full-ce.json"))
    assert_plausible(metrics, "full-test", 8, 159)
    assert checkpoint.stat().st_size > 4 * 100_000_000


@pytest.mark.parametrize("config", cases_of_today(["activity-net", "didemo", "lsmdc", "msrvtt", "msvd"], 3))
def test_models_learn_each_dataset(command, tmp_path, config):
    """Captions and videos share latents, so that a model generalizes. By chance, the mean rank is 4.5."""
    name, *_ = CONFIGS[f"{config}/train-full-ce.json"]
    write_benchmark(name, tmp_path, num_train=64)
    _, _, metrics = train(command, f"configs/{config}/train-full-ce.json", *SMALL, "optimizer.args.lr=0.002")
    assert metrics["t2v_metrics"]["MeanR"] < 3
