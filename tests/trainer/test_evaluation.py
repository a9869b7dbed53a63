"""Evaluation in batches, compared with one pass over all videos."""

import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.model_variants import TEXT_DIM, make_batch, make_model
from helpers.tensor_sizes import LargestTensor
from helpers.toy_archive import CONFIG

from model import metric
from model.metric import t2v_ranks, v2t_ranks
from model.model import MODEL_INPUTS
from parse_config import ConfigParser
from trainer import evaluation
from trainer.build import build_loaders, build_model
from trainer.checkpoint_evaluation import evaluate_checkpoint
from trainer.evaluation import evaluate
from utils.errors import InputError

CPU = torch.device("cpu")


@pytest.fixture
def setup(archive):
    """Return a random model and loaders of ten videos with different numbers of captions, one without experts."""

    def setup(batch_size, *overrides):
        bare = archive.lists["val_list.txt"][3]
        archive.text[bare] = archive.text[bare][:1]
        archive.raw[bare] = archive.raw[bare][:1]
        for features in archive.features.values():
            features.pop(bare, None)
        archive.write()
        options = ["experts.rgb.may_be_missing=true", f"data_loader.args.batch_size={batch_size}", *overrides]
        config = ConfigParser(CONFIG, "test", options)
        loaders = build_loaders(config, CPU, training=False)
        torch.manual_seed(0)
        return build_model(config), loaders

    return setup


@pytest.mark.parametrize("mode", ["indep", "avg"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_change_nothing(setup, batch_size, mode):
    model, loaders = setup(batch_size, f"arch.args.test_caption_mode={mode}")
    metrics = ["t2v_metrics", "v2t_metrics"]
    found = evaluate(model, loaders.evaluation, metrics, CPU)
    model, loaders = setup(10, f"arch.args.test_caption_mode={mode}")
    (batch,) = loaders.evaluation
    model.eval()
    with torch.no_grad():
        out = model(**{key: batch[key] for key in MODEL_INPUTS})
    torch.testing.assert_close(torch.from_numpy(found.sims), out["cross_view_conf_matrix"], rtol=1e-5, atol=1e-6)
    assert found.video_ids == batch["ids"] and found.raw_captions == batch["raw_captions"]
    masks = batch["word_mask"].any(-1).numpy()
    assert found.query_masks.shape == ((10, 2) if mode == "indep" else (10, 1))
    if mode == "indep":
        assert (found.query_masks == masks).all() and masks.sum() == 19
    for name in metrics:
        assert found.metrics[name] == getattr(metric, name)(found.sims, found.query_masks)
    weights = out["moe_weights"][torch.from_numpy(masks).flatten()]
    torch.testing.assert_close(torch.from_numpy(found.weights), weights, rtol=1e-4, atol=1e-6)
    assert found.modalities == ["audio", "rgb", "scene"]
    assert (found.available == torch.stack([batch["ind"][name] for name in found.modalities], 1).numpy()).all()


def test_the_named_functions_are_called_and_given_the_ranks(setup, monkeypatch):
    def t2v_metrics(sims, query_masks, ranks):
        return {"queries": len(ranks)}

    model, loaders = setup(5)
    t2v_metrics.__module__ = metric.__name__
    monkeypatch.setattr(metric, "t2v_metrics", t2v_metrics)
    assert evaluate(model, loaders.evaluation, ["t2v_metrics"], CPU).metrics == {"t2v_metrics": {"queries": 19}}


VARIANTS = {
    "ce": (),
    "avg": ("arch.args.test_caption_mode=avg",),
    "paired": ("arch.args.similarity=paired-2019",),
    "paired-avg": ("arch.args.similarity=paired-2019", "arch.args.test_caption_mode=avg"),
    "l2renorm": ("arch.args.l2renorm=true",),
    "paired-l2renorm": ("arch.args.similarity=paired-2019", "arch.args.l2renorm=true"),
    "concat": ("arch.args.use_ce=false", "arch.args.concat_mix_experts=true"),
    "padding": ("arch.args.mask_padding=false",),
}


@pytest.mark.parametrize("batch_size", [3, 64])
@pytest.mark.parametrize("variant", VARIANTS)
def test_no_memory_changes_no_rank(setup, variant, batch_size):
    """Captions and videos one by one, with everything in files, have exactly the same ranks."""
    model, loaders = setup(batch_size, *VARIANTS[variant])
    whole = evaluate(model, loaders.evaluation, ["t2v_metrics", "v2t_metrics"], CPU)
    found = evaluate(model, loaders.evaluation, ["t2v_metrics", "v2t_metrics"], CPU, memory=0)
    assert not isinstance(whole.sims, np.memmap) and isinstance(found.sims, np.memmap)
    np.testing.assert_allclose(found.sims[:], whole.sims, rtol=1e-5, atol=1e-6)
    (batch,) = setup(10, *VARIANTS[variant])[1].evaluation
    with torch.no_grad():
        expected = model.eval()(**{key: batch[key] for key in MODEL_INPUTS})["cross_view_conf_matrix"].numpy()
    np.testing.assert_allclose(found.sims[:], expected, rtol=1e-5, atol=1e-6)
    for ranks_of in (t2v_ranks, v2t_ranks):
        assert ranks_of(found.sims, found.query_masks).tolist() == ranks_of(expected, whole.query_masks).tolist()
    assert found.metrics == whole.metrics
    assert (found.query_masks == whole.query_masks).all() and (found.available == whole.available).all()
    if variant == "concat":
        assert found.weights is whole.weights is None
    else:
        np.testing.assert_allclose(found.weights, whole.weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("mode", ["indep", "avg"])
def test_no_tensor_grows_with_the_number_of_captions(mode):
    def most(num_videos, num_captions):
        model = make_model("ce", test_caption_mode=mode)
        batches = [make_batch(seed, 2, num_captions, words=30) for seed in range(num_videos // 2)]
        for batch in batches:
            batch |= {"ids": ["a", "b"], "raw_captions": [[], []]}
        with LargestTensor() as largest:
            evaluate(model, batches, [], CPU, memory=1)
        return largest.most

    few, many = most(40, 10), most(40, 200)
    words = 200 * 2 * 30 * TEXT_DIM * 4  # of a batch, which is there before it is cut
    assert few <= many <= max(words, (1 << 20) // 4)


def test_the_tensors_of_a_checkpoint_are_dropped(setup, config):
    model, loaders = setup(10)
    state = {"state_dict": model.state_dict(), "optimizer": {}, "epoch": 3}
    evaluate_checkpoint(model, ConfigParser(config, "x.json"), loaders, state, Path("x.pth"), CPU)
    assert state == {"epoch": 3}


def test_temporary_files_are_gone_when_an_evaluation_fails(setup, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = sorted(tmp_path.iterdir())
    model, loaders = setup(4)

    def failing(sims, _masks):
        assert isinstance(sims, np.memmap)
        assert sorted(x for x in tmp_path.iterdir() if x not in before) == [tmp_path / "data"]
        raise InputError("no")

    monkeypatch.setattr(evaluation, "t2v_ranks", failing)
    with pytest.raises(InputError, match="no"):
        evaluate(model, loaders.evaluation, [], CPU, memory=0)
    assert sorted(x for x in tmp_path.iterdir() if x not in before) == [tmp_path / "data"]


def test_a_video_without_any_expert_scores_zero_and_breaks_nothing(setup):
    model, loaders = setup(4)
    found = evaluate(model, loaders.evaluation, ["t2v_metrics"], CPU)
    assert (found.sims[:, 3] == 0).all() and (found.sims[:, [0, 1, 2, 4]] != 0).all()


def test_published_padding_has_fixed_lengths(setup):
    model, loaders = setup(5, "arch.args.mask_padding=false", "data_loader.args.max_text_words=9")
    for batch in loaders.evaluation:
        assert batch["text"].shape[2] == 9 and batch["experts"]["audio"].shape[1] == 30
    assert evaluate(model, loaders.evaluation, ["t2v_metrics"], CPU).sims.shape == (20, 10)


def test_nan_that_was_noted_on_a_gpu_is_refused(setup):
    """On a GPU nothing is refused while batches are embedded."""
    model, loaders = setup(5)
    model.inputs.check_nan = False
    handle = model.text_units.register_forward_hook(lambda *_: model.inputs._nan_items.update(rgb=torch.tensor(2)))
    with pytest.raises(InputError, match="expert 'rgb', item 2 of the batch: NaN"):
        evaluate(model, loaders.evaluation, ["t2v_metrics"], CPU)
    handle.remove()
    evaluate(model, loaders.evaluation, ["t2v_metrics"], CPU)
