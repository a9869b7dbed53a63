"""CENet: parity with the corrected release of 2020 to 2022."""

import pytest
import torch
from helpers.gradients import gradients
from helpers.parity import Parity2020

from model.loss import MaxMarginRankingLoss
from model.published import translate

CE = ("ce", "ce_plus", "ce_noghost", "ce_relu_h", "ce_nobn_g2h2", "ce_nobn_g1h1", "text_avg")
VARIANTS = (*CE, "moee", "moee_noweights", "mimic", "single", "concat", "concat_mix")
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(params=VARIANTS)
def parity(request):
    return Parity2020(request.param)


@pytest.mark.parametrize("missing", [False, True])
def test_similarities_in_evaluation(parity, missing):
    model = parity.model().eval()
    expected = parity.data["sims_missing" if missing else "sims_all"]
    torch.testing.assert_close(parity.sims(model, "text_eval", missing), expected, **CLOSE)


@pytest.mark.parametrize(
    ("key", "switch"),
    [("keep_missing_modalities", {"keep_missing_modalities": True}), ("captions_averaged", {"test_caption_mode": "avg"})],
)
def test_switches_of_the_score(parity, key, switch):
    if f"sims_missing_{key}" not in parity.data:
        pytest.skip("not recorded for the Concat variants")
    parity.arguments |= switch
    found = parity.sims(parity.model().eval(), "text_eval", missing=True)
    torch.testing.assert_close(found, parity.data[f"sims_missing_{key}"], **CLOSE)


def test_embeddings_and_mixture_weights(parity):
    if "missing/moe" not in parity.data:
        pytest.skip("not recorded for the Concat variants")
    model = parity.model().eval()
    text, experts, ind = parity.inputs("text_eval", missing=True)
    words, videos = model.embed_text(text), model.embed_video(experts, ind)
    for i, name in enumerate(model.modalities):
        torch.testing.assert_close(videos.experts[i], parity.data[f"missing/vid/{name}"], **CLOSE)
        torch.testing.assert_close(words.experts[i], parity.data[f"missing/text/{name}"].flatten(0, 1), **CLOSE)
    torch.testing.assert_close(words.weights, parity.data["missing/moe"].flatten(0, 1), **CLOSE)


@pytest.mark.parametrize("prefix", ["train", "train_missing"])
def test_training(parity, prefix):
    model = parity.model().train()
    sims = parity.sims(model, "text_train", missing=prefix == "train_missing")
    loss = MaxMarginRankingLoss(parity.margin, fix_norm=True)(sims)
    torch.testing.assert_close(sims, parity.data[f"{prefix}/sims"], **CLOSE)
    torch.testing.assert_close(loss, parity.data[f"{prefix}/loss"], **CLOSE)
    state, checked = model.state_dict(), set()
    for name, value in parity.data.items():
        if name.startswith(f"{prefix}/bn/"):
            ours = translate(name.removeprefix(f"{prefix}/bn/"), model)
            torch.testing.assert_close(state[ours], value, **CLOSE, msg=name)
            checked.add(ours)
    assert {name for name in state if "running_" in name or "num_batches" in name} == checked
    loss.backward()
    recorded = f"{prefix}/gradnorm/"
    published = {translate(k.removeprefix(recorded), model): x for k, x in parity.data.items() if k.startswith(recorded)}
    found = gradients(model)
    assert found.keys() == published.keys()
    for name, norm in published.items():
        torch.testing.assert_close(found[name].norm(), norm, rtol=1e-3, atol=1e-6, msg=name)


def test_concat_pads_videos_that_are_shorter_than_the_text():
    parity = Parity2020("concat_zero")  # the release replaced such videos by zeros
    model = parity.model().eval()
    text, experts, ind = parity.inputs("text_eval")
    sims = parity.sims(model, "text_eval")
    assert not parity.data["sims_all"].any()
    (words,), (videos,) = model.embed_text(text).experts, model.embed_video(experts, ind).experts
    pooled = torch.cat([pool(experts[n]) for n, pool in zip(model.modalities, model.pooling, strict=True)], dim=1)
    torch.testing.assert_close(videos[:, : pooled.shape[1]], pooled)
    torch.testing.assert_close(sims, words[:, : pooled.shape[1]] @ pooled.T, **CLOSE)


def test_all_weights_have_a_place():
    for variant in VARIANTS:
        parity = Parity2020(variant)
        parity.model()
        unused = {"ce.moe_fc.weight", "ce.moe_fc.bias"} if variant in ("moee_noweights", "concat", "concat_mix") else set()
        assert set(parity.dropped) == unused, variant
