"""The number of parameters of every published experiment, reconciled with the published tables."""

import json
import re

import pytest
import torch
from helpers.commands import train, weights
from helpers.model_variants import SWITCHES, make_batch, make_model, similarities
from helpers.parity import Parity
from helpers.paths import ROOT, shared

from data_loader.datasets import is_published
from model.published import summary, unused_parameters
from parse_config import ConfigParser
from trainer.build import build_model

REASONING = {
    **dict.fromkeys(("g_reason_3", "f_reason_3"), 512 * 512 + 512),
    **dict.fromkeys(("batch_norm_g1", "batch_norm_g2", "batch_norm_f1", "batch_norm_f2"), 2 * 512),
}
# Experiment on MSR-VTT -> what the tables print, the parameters that a forward pass uses, what the release built besides.
PUBLISHED = {
    "full-concat-ablation": ("318.16k", 108_486, {"moe_fc": (39 * 768 + 1) * 7}),
    "full-concat-mix-ablation": ("295.84M", 295_668_000, {"moe_fc": (32 * 768 + 1) * 7}),
    "full-moee-minus-moe-weights": ("143.44M", 143_269_856, {"moe_fc": (32 * 768 + 1) * 7}),
    "full-moee": ("143.44M", 143_441_895, {}),
    "full-ce-ablation-dims": ("105.89M", 105_887_463, {}),
    "full-ce": ("107.74M", 107_207_399, REASONING),
    "full-ce-only-rgb": ("14.5M", 14_496_321, {}),
    "full-ce-only-rgb-scene": ("30.34M", 29_814_850, REASONING),
    "full-ce-only-rgb-flow": ("29.74M", 29_208_642, REASONING),
    "full-ce-only-rgb-audio": ("30.27M", 29_737_058, REASONING),
    "full-ce-only-rgb-ocr": ("34.15M", 33_618_818, REASONING),
    "full-ce-only-rgb-speech": ("34.15M", 33_618_818, REASONING),
    "full-ce-only-rgb-face": ("29.48M", 28_946_498, REASONING),
    "full-ce-only-rgb-scene-flow": ("44.01M", 43_476_035, REASONING),
    "full-ce-only-rgb-scene-flow-audio": ("58.2M", 57_665_636, REASONING),
    "full-ce-only-rgb-scene-flow-audio-ocr": ("76.27M", 75_736_997, REASONING),
    "full-ce-only-rgb-scene-flow-audio-ocr-speech": ("94.34M", 93_808_358, REASONING),
    "full-ce-ablation-restrict-captions-only-rgb": ("14.5M", 14_496_321, {}),
    "full-ce-ablation-restrict-captions": ("107.74M", 107_207_399, REASONING),
}


@pytest.fixture
def build(monkeypatch):
    """Build the model of an experiment on MSR-VTT without allocating memory."""
    monkeypatch.chdir(ROOT)

    def build(name):
        config = ConfigParser.from_file(f"configs/msrvtt/train-{name}.json", training=True)
        with torch.device("meta"):
            return build_model(config)

    return build


def count(module):
    return sum(x.numel() for x in module.parameters())


def printed(number):
    """Format a number as in the published tables: two decimals, without trailing zeros."""
    unit, name = (1e6, "M") if number >= 1e6 else (1e3, "k")
    return f"{number / unit:.2f}".rstrip("0").rstrip(".") + name


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_count_is_ours_and_the_unused_modules(build, name):
    published, used, unused = PUBLISHED[name]
    model = build(name)
    assert count(model) == used
    assert unused_parameters(model) == unused
    assert printed(used + sum(unused.values())) == published


def test_every_row_that_prints_params_is_reconciled():
    tables = shared("design", "system.md").read_text()
    rows = re.findall(r"\| ([\d.]+[kM]) \| \[config\]\([^)]*/models/msrvtt-train-([\w-]+)/", tables)
    assert len(rows) == 48 and len(rows) == len(re.findall(r"^\|.*\| [\d.]+[kM] \|", tables, re.MULTILINE))
    assert {name: count for count, name in rows} == {name: row[0] for name, row in PUBLISHED.items()}


def test_counts_are_those_of_the_release(build):
    """With one expert the released config builds less than the tables print: a `Linear(512, 512)` on the video side."""
    rows = json.loads(shared("results", "parameters.json").read_text())["rows"]
    assert [row["experiment"].removeprefix("msrvtt-train-") for row in rows] == list(PUBLISHED)
    for row, (published, used, unused) in zip(rows, PUBLISHED.values(), strict=True):
        model = build(row["experiment"].removeprefix("msrvtt-train-"))
        lacking = count(model.video_units[0].fc) if published == "14.5M" else 0
        found = (published, used - lacking, sum(unused.values()), used - lacking + sum(unused.values()))
        assert found == tuple(row[key] for key in ("published", "used", "unused", "release_2019_code")), row["experiment"]


@pytest.mark.parametrize("variant", ["ce", "mimic", "moee", "moee_noweights", "concat_mix", "concat"])
def test_what_counts_as_unused_got_no_gradient_in_the_release(variant):
    parity = Parity(variant)
    silent = {}
    for key, x in parity.data.items():
        buffer = key.endswith(("running_mean", "running_var", "num_batches_tracked"))
        if key.startswith("sd/") and not buffer and f"train/gradnorm/{key[3:]}" not in parity.data:
            module = key.removeprefix("sd/ce.").rpartition(".")[0]
            silent[module] = silent.get(module, 0) + x.numel()
    assert unused_parameters(parity.model()) == silent


@pytest.mark.parametrize("variant", SWITCHES)
def test_ours_allocates_what_it_uses(variant):
    model = make_model(variant).train()
    model(**make_batch(0, num_videos=6, num_captions=1))["cross_view_conf_matrix"].square().sum().backward()
    assert [name for name, x in model.named_parameters() if x.grad is None] == []


def test_counting_changes_neither_the_model_nor_the_random_state():
    model, batch = make_model("ce"), make_batch(0, num_videos=3, num_captions=2)
    before, state = similarities(model, batch), torch.get_rng_state()
    summary(model, published=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(similarities(model, batch), before)


def test_the_summary_prints_both_counts(build):
    assert summary(build("full-ce"), published=True) == (
        "parameters: 107,207,399 (the 2019 release counts 107,736,807, with 529,408 that no forward pass used: "
        "g_reason_3 262,656, f_reason_3 262,656, batch_norm_g1 1,024, batch_norm_g2 1,024, batch_norm_f1 1,024, "
        "batch_norm_f2 1,024)"
    )
    assert summary(build("full-moee"), published=True) == "parameters: 143,441,895 (the 2019 release counts the same)"


@pytest.mark.parametrize(("name", "published"), [("MSRVTT", True), ("lsmdc", True), ("Toy", False), ("Demo", False)])
def test_a_model_that_nobody_published_has_no_published_count(build, name, published):
    line = summary(build("full-ce"), is_published(name))
    assert ("2019 release counts" in line) == published and line.startswith("parameters: 107,207,399")


def test_a_training_prints_the_summary_once_it_has_a_model(run):
    folder, out = train(run, "--train_single_epoch")
    state = weights(folder / "trained_model.pth")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    used = sum(x.numel() for name, x in state.items() if not name.endswith(buffers))
    line = f"parameters: {used:,}\n"  # nobody published one of this dataset
    assert 0 <= out.find(line) < out.find("epoch 1/1")
