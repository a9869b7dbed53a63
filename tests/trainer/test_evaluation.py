"""Evaluation in batches against one pass over all videos at once."""

import pytest
import torch
from conftest import CONFIG

from base.arguments import loader_arguments, model_arguments
from data_loader import data_loaders
from model import model as models
from model.metric import t2v_metrics, v2t_metrics
from parse_config import ConfigParser
from trainer.evaluation import evaluate

CPU = torch.device("cpu")


@pytest.fixture
def setup(archive):
    """A random model, and loaders of ten videos whose captions differ in number, one of them without any expert."""

    def setup(batch_size, *overrides):
        bare = archive.lists["val_list.txt"][3]
        archive.text[bare] = archive.text[bare][:1]
        archive.raw[bare] = archive.raw[bare][:1]
        for features in archive.features.values():
            features.pop(bare, None)
        archive.write()
        options = ["experts.rgb.may_be_missing=true", f"data_loader.args.batch_size={batch_size}", *overrides]
        config = ConfigParser(CONFIG, "test", options)
        loaders = config.init("data_loader", data_loaders, training=False, **loader_arguments(config, CPU))
        torch.manual_seed(0)
        return config.init("arch", models, **model_arguments(config)), loaders

    return setup


@pytest.mark.parametrize("mode", ["indep", "avg"])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_batches_change_nothing(setup, batch_size, mode):
    model, loaders = setup(batch_size, f"arch.args.test_caption_mode={mode}")
    metrics = [t2v_metrics, v2t_metrics]
    found = evaluate(model, loaders.evaluation, metrics, CPU)
    model, loaders = setup(10, f"arch.args.test_caption_mode={mode}")
    (batch,) = loaders.evaluation
    ids = batch.pop("ids")
    model.eval()
    with torch.no_grad():
        out = model(**batch)
    torch.testing.assert_close(torch.from_numpy(found.sims), out["cross_view_conf_matrix"], rtol=1e-5, atol=1e-6)
    assert found.video_ids == ids and found.raw_captions == batch["raw_captions"]
    masks = batch["word_mask"].any(-1).numpy()
    assert found.query_masks.shape == ((10, 2) if mode == "indep" else (10, 1))
    if mode == "indep":
        assert (found.query_masks == masks).all() and masks.sum() == 19
    for metric in metrics:
        assert found.metrics[metric.__name__] == metric(found.sims, found.query_masks)
    weights = out["moe_weights"][torch.from_numpy(masks).flatten()]
    torch.testing.assert_close(torch.from_numpy(found.weights), weights, rtol=1e-4, atol=1e-6)
    assert found.modalities == ["audio", "rgb", "scene"]
    assert (found.available == torch.stack([batch["ind"][name] for name in found.modalities], 1).numpy()).all()


def test_a_video_without_any_expert_scores_zero_and_breaks_nothing(setup):
    model, loaders = setup(4)
    found = evaluate(model, loaders.evaluation, [t2v_metrics], CPU)
    assert (found.sims[:, 3] == 0).all() and (found.sims[:, [0, 1, 2, 4]] != 0).all()


def test_published_padding_is_to_fixed_lengths(setup):
    model, loaders = setup(5, "arch.args.mask_padding=false", "data_loader.args.max_text_words=9")
    for batch in loaders.evaluation:
        assert batch["text"].shape[2] == 9 and batch["experts"]["audio"].shape[1] == 30
    assert evaluate(model, loaders.evaluation, [t2v_metrics], CPU).sims.shape == (20, 10)
