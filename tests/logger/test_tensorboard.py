"""TensorBoard events of a run, read back from its files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.commands import CONFIG, train
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer as PluginEvents
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import backend_context, metadata

import train as train_command
from base.checkpoint import load_checkpoint
from logger.tensorboard import rank_bins
from parse_config import ConfigParser
from trainer.build import build_loaders, build_model
from trainer.evaluation import evaluate
from trainer.trainer import Trainer

EVERYTHING = {"histograms": 0, "scalars": 0, "tensors": 0}


def log_of(folder):
    return Path(str(folder).replace("/models/", "/log/"))


def events_of(folder):
    return EventAccumulator(str(log_of(folder)), size_guidance=EVERYTHING).Reload()


def evaluation_of(checkpoint):
    """Repeat the validation after the epoch of a checkpoint."""
    state = load_checkpoint(checkpoint)
    config = ConfigParser(state["config"], "checkpoint")
    loaders = build_loaders(config, torch.device("cpu"))
    net = build_model(config)
    net.load_state_dict(state["state_dict"])
    return evaluate(net, loaders.evaluation, [], torch.device("cpu"))


def counted(histogram):
    """Return upper edge -> count of each bin that is not empty."""
    pairs = zip(histogram.bucket_limit, histogram.bucket, strict=True)
    return {limit: count for limit, count in pairs if count}


def hparams_of(events):
    content = events.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    values = metadata.parse_session_start_info_plugin_data(content).hparams
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}


def differing(folder):
    """Return the settings in which runs differ according to TensorBoard's HPARAMS page."""
    runs = PluginEvents()
    runs.AddRunsFromDirectory(str(folder))
    runs.Reload()
    provider = MultiplexerDataProvider(runs, str(folder))
    page = backend_context.Context(TBContext(data_provider=provider, logdir=str(folder)))
    request = RequestContext()
    experiment = page.experiment_from_metadata(request, "", True, page.hparams_metadata(request, ""), None)
    assert {"test_t2v_metrics/R1", "val_v2t_metrics/MedR"} <= {x.name.tag for x in experiment.metric_infos}
    return {x.name for x in experiment.hparam_infos if x.differs}


@pytest.fixture
def folder(run):
    folder, _ = train(run, "--set", "test_split=test")
    return folder


def test_scalars_of_every_epoch_and_of_the_test(folder):
    events = events_of(folder)
    states = [load_checkpoint(folder / f"checkpoint-epoch{n}.pth") for n in (1, 2, 3)]
    expected = {name.replace("_metrics_", "_metrics/"): name for name in states[0]["values"] if name != "epoch"}
    assert {"loss", "lr", "steps_per_second", "val_t2v_metrics/R1", "val_v2t_metrics/MedR"} <= expected.keys()
    for tag, name in expected.items():
        values = [(event.step, event.value) for event in events.Scalars(tag)]
        assert values == [(state["epoch"], pytest.approx(state["values"][name])) for state in states]
    metrics = json.loads((folder / "metrics.json").read_text())
    tests = {f"test_{d}/{name}": x for d in ("t2v_metrics", "v2t_metrics") for name, x in metrics[d].items()}
    for tag, value in tests.items():
        assert [(e.step, e.value) for e in events.Scalars(tag)] == [(metrics["epoch"], pytest.approx(value))]
    means = {f"moe_weights/{name}" for name in ("audio", "rgb", "scene")}
    assert set(events.Tags()["scalars"]) == expected.keys() | tests.keys() | means


def test_ranks_and_weights_are_those_of_the_validation(folder):
    events = events_of(folder)
    for epoch in (1, 2, 3):
        evaluation = evaluation_of(folder / f"checkpoint-epoch{epoch}.pth")
        sims, (num_videos, num_captions) = evaluation.sims, evaluation.query_masks.shape
        assert evaluation.query_masks.all()
        t2v = [1 + sum(row > row[i // num_captions]) for i, row in enumerate(sims)]
        v2t = [1 + sum(x > max(x[v * num_captions : (v + 1) * num_captions])) for v, x in enumerate(sims.T)]
        for task, ranks in (("t2v", t2v), ("v2t", v2t)):
            histogram = events.Histograms(f"val_ranks/{task}")[epoch - 1].histogram_value
            assert events.Histograms(f"val_ranks/{task}")[epoch - 1].step == epoch
            edges = {1: 1.5} | {rank: rank + 1 for rank in range(2, 21)}
            assert counted(histogram) == {edges[rank]: ranks.count(rank) for rank in sorted(set(ranks))}
            assert (histogram.min, histogram.max) == (min(ranks), max(ranks))
        for name, weights in zip(evaluation.modalities, evaluation.weights.T, strict=True):
            assert events.Scalars(f"moe_weights/{name}")[epoch - 1].value == pytest.approx(weights.mean())
            histogram = events.Histograms(f"moe_weights_by_caption/{name}")[epoch - 1].histogram_value
            counts = np.bincount(np.ceil(weights * 50).astype(int))
            assert counted(histogram) == pytest.approx({i / 50: n for i, n in enumerate(counts) if n})
            assert histogram.num == num_videos * num_captions


def test_all_experts_are_in_one_chart(folder):
    (event,) = events_of(folder).Tensors("custom_scalars__config__")
    layout = layout_pb2.Layout.FromString(event.tensor_proto.string_val[0])
    (chart,) = layout.category[0].chart
    assert list(chart.multiline.tag) == ["^moe_weights/"]


def test_hparams_are_the_keys_that_are_varied(folder, run):
    events = events_of(folder)
    found = hparams_of(events)
    expected = {
        "seed": 0,
        "experts": "audio rgb scene",
        "arch.args.use_ce": True,
        "arch.args.vlad_clusters.text": 2,
        "optimizer.type": "Adam",
        "optimizer.args.lr": 0.01,
        "lr_scheduler.args.gamma": 0.9,
        "loss.args.margin": 0.2,
        "data_loader.args.batch_size": 8,
        "trainer.epochs": 3,
    }
    assert found.items() >= expected.items()
    assert not {key for key in found if key.startswith(("name", "trainer.save", "trainer.verb", "metrics"))}
    end = events.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
    assert metadata.parse_session_end_info_plugin_data(end).status == 1  # success
    # With no list of keys of its own a run does not hide those of others, and no run is made beside it.
    assert metadata.EXPERIMENT_TAG not in events.Tags()["tensors"]
    assert list(EventMultiplexer().AddRunsFromDirectory(str(log_of(folder).parent)).Runs()) == [folder.name]
    other, _ = train(run, "--set", 'experts.modalities=["rgb", "scene"]', "--set", "seed=4")
    assert hparams_of(events_of(other)).items() >= {"experts": "rgb scene", "seed": 4}.items()
    assert differing(log_of(folder).parent) == {"experts", "seed"}


def test_a_resumed_run_has_every_epoch_once(run, monkeypatch):
    def interrupt(self, epoch, *args):
        if epoch == 3:
            raise KeyboardInterrupt
        return original(self, epoch, *args)

    original = Trainer._train_epoch
    monkeypatch.setattr(Trainer, "_train_epoch", interrupt)
    code, _, _ = run(train_command, "--config", CONFIG)
    assert code == 130
    (folder,) = Path("data/saved/models/toy-train-ce").iterdir()
    events = events_of(folder)
    assert [e.step for e in events.Scalars("loss")] == [1, 2]
    assert metadata.SESSION_END_INFO_TAG not in events.Tags()["tensors"]
    monkeypatch.setattr(Trainer, "_train_epoch", original)
    code, _, err = run(train_command, "--resume", folder / "checkpoint-epoch1.pth")  # epoch 2 is trained again
    assert code == 0, err
    events = events_of(folder)
    whole, _ = train(run)
    for tag in events_of(whole).Tags()["scalars"]:
        values = [[(e.step, e.value) for e in found.Scalars(tag)] for found in (events, events_of(whole))]
        assert values[0] == values[1] or tag == "steps_per_second", tag
    assert [e.step for e in events.Histograms("val_ranks/t2v")] == [1, 2, 3]
    assert hparams_of(events)["trainer.epochs"] == 3


def test_the_leaky_similarity_marks_what_it_measures(run):
    folder, _ = train(run, "--set", "arch.args.similarity=paired-2019", "--train_single_epoch")
    tags = events_of(folder).Tags()
    leaky = {"leaky_val_t2v_metrics/R1", "leaky_test_v2t_metrics/MedR", "loss", "moe_weights/rgb"}
    assert set(tags["scalars"]) >= leaky and {"leaky_val_ranks/t2v", "leaky_val_ranks/v2t"} <= set(tags["histograms"])
    assert not [x for kind in ("scalars", "histograms") for x in tags[kind] if x.startswith(("val_", "test_"))]


def test_no_weights_without_experts_and_no_events_if_disabled(run):
    folder, _ = train(run, "--set", "arch.args.use_ce=false", "--set", "arch.args.concat_mix_experts=true")
    tags = events_of(folder).Tags()
    assert not [tag for kind in ("scalars", "histograms") for tag in tags[kind] if "moe" in tag]
    folder, _ = train(run, "--set", "trainer.tensorboard=false")
    assert [path.name for path in log_of(folder).iterdir()] == ["info.log"]


@pytest.mark.parametrize("candidates", [1, 10, 50, 51, 1000, 59800])
def test_recall_can_be_read_from_the_bins_of_ranks(candidates):
    edges = rank_bins(candidates)
    assert edges[0] == 1 and edges[-1] > candidates and (np.diff(edges) > 0).all() and len(edges) < 140
    assert {1.5, 6, 11, 51} <= set(edges)  # 0-based: 0 and below 5, 10 and 50, as `model.metric` counts them
