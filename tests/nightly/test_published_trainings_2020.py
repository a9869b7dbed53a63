"""Every published config of the corrected release trains an epoch on a generated archive, and is tested: each in 5 days."""

import json
from pathlib import Path

import pytest
from helpers.corrected_archive import write_archive_of_config
from helpers.daily import cases_of_today
from helpers.paths import SHARED

import train as train_command
from parse_config import ConfigParser

PUBLISHED = SHARED / "published-configs-2020"
BASES = ("base_config.json", "base_config_queryd.json")  # name neither experts nor a dataset
FILES = [path.relative_to(PUBLISHED / "configs").as_posix() for path in PUBLISHED.glob("configs/**/*.json")]
NAMES = sorted(name for name in FILES if name not in BASES)
SMALL = ["experts.ce_shared_dim=8", "trainer.epochs=1", "data_loader.args.num_workers=0", "data_loader.args.batch_size=4"]
IN_SHARE = ("msrvtt/train-full-ce.json", "msvd/train-gpt2-xl-finetuned-mte-adam.json", "didemo/train-full-ce.json")


@pytest.mark.parametrize(
    "name",
    [
        *(pytest.param(name, marks=pytest.mark.share) for name in NAMES if name in IN_SHARE),
        *cases_of_today((name for name in NAMES if name not in IN_SHARE), 5),
    ],
)
def test_a_published_config_trains_and_is_tested(name, call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("configs").symlink_to(PUBLISHED / "configs")
    config = ConfigParser.from_file(Path("configs", name), training=True)
    write_archive_of_config(config)
    clusters = {key: min(count, 2) for key, count in config["arch"]["args"]["vlad_clusters"].items()}
    settings = [*SMALL, *(f"arch.args.vlad_clusters.{key}={count}" for key, count in clusters.items())]
    code, _, err = call(train_command, "--config", f"configs/{name}", *(x for item in settings for x in ("--set", item)))
    assert code == 0, err
    (path,) = Path("data/saved/models").glob("*/*/metrics.json")
    metrics = json.loads(path.read_text())
    assert 0 <= metrics["t2v_metrics"]["R1"] <= 100
    assert metrics["split"] == config.with_eval_settings().test_split()
