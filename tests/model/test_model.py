"""CENet: parity with the 2019 release, properties of the new scores, and invalid arguments."""

import pytest
import torch
from helpers.gradients import gradients
from helpers.model_variants import CLUSTERS, DIMS, SWITCHES, TEXT_DIM, make_batch, make_model, similarities
from helpers.parity import Parity

from model.loss import MaxMarginRankingLoss
from model.model import CENet
from model.published import translate
from utils.errors import InputError

PUBLISHED = ("ce", "mimic", "moee", "moee_noweights", "concat_mix", "concat")
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


@pytest.fixture(params=PUBLISHED)
def parity(request):
    return Parity(request.param)


def test_parity_in_evaluation(parity):
    model = parity.model().eval()
    torch.testing.assert_close(parity.sims(model, "text_eval"), parity.data["sims_all"], **CLOSE)
    leak_free = parity.data.get("sims_missing_pairwise", parity.data.get("sims_missing_text_unmasked"))
    torch.testing.assert_close(parity.sims(model, "text_eval", missing=True), leak_free, **CLOSE)
    leaky = parity.model(similarity="paired-2019").eval()
    torch.testing.assert_close(parity.sims(leaky, "text_eval", missing=True), parity.data["sims_missing_leaky"], **CLOSE)


def test_parity_of_the_parallel_gate():
    parity = Parity("ce")
    model = parity.model(gate_order="parallel").eval()
    torch.testing.assert_close(parity.sims(model, "text_eval"), parity.data["sims_all_parallel_gate"], **CLOSE)
    found = parity.sims(model, "text_eval", missing=True)
    torch.testing.assert_close(found, parity.data["sims_missing_parallel_gate"], **CLOSE)


@pytest.mark.parametrize("missing", [False, True])
def test_parity_in_training(parity, missing):
    prefix, suffix = ("train_missing", "_leaky") if missing else ("train", "")
    model = parity.model(similarity="paired-2019" if missing else "pairwise").train()
    sims = parity.sims(model, "text_train", missing)
    loss = MaxMarginRankingLoss(0.2, fix_norm=True)(sims)
    torch.testing.assert_close(sims, parity.data[f"{prefix}/sims{suffix}"], **CLOSE)
    torch.testing.assert_close(loss, parity.data[f"{prefix}/loss{suffix}"], **CLOSE)
    state, checked = model.state_dict(), 0
    for name, value in parity.data.items():
        ours = translate(name.removeprefix(f"{prefix}/bn/"), model)
        if name.startswith(f"{prefix}/bn/") and ours in state:
            torch.testing.assert_close(state[ours], value, **CLOSE)
            checked += 1
    assert checked == sum(name.endswith(("running_mean", "running_var")) for name in state)

    loss.backward()
    if not missing:
        prefix = "train/gradnorm/"
        published = {
            translate(key.removeprefix(prefix), model): x for key, x in parity.data.items() if key.startswith(prefix)
        }
        found = gradients(model)
        assert found.keys() == published.keys()
        for name, norm in published.items():
            torch.testing.assert_close(found[name].norm(), norm, rtol=1e-3, atol=1e-6, msg=name)


def test_training_with_missing_experts_is_leak_free(parity):
    if "train_missing/sims_pairwise" not in parity.data:
        pytest.skip("not recorded for the Concat variants")
    model = parity.model().train()
    sims = parity.sims(model, "text_train", missing=True)
    torch.testing.assert_close(sims, parity.data["train_missing/sims_pairwise"], **CLOSE)
    loss = MaxMarginRankingLoss(0.2, fix_norm=True)(sims)
    torch.testing.assert_close(loss, parity.data["train_missing/loss_pairwise"], **CLOSE)


@pytest.mark.parametrize("variant", SWITCHES)
def test_inputs_are_never_modified_and_a_second_pass_gives_the_same(variant):
    model, batch, untouched = make_model(variant), make_batch(0, 4, 2), make_batch(0, 4, 2)
    first = similarities(model, batch)
    for part in ("experts", "ind", "frame_masks"):
        for name, x in untouched[part].items():
            assert torch.equal(batch[part][name].nan_to_num(99), x.nan_to_num(99))
    assert torch.equal(batch["text"], untouched["text"])
    assert torch.equal(first, similarities(model, batch))


def test_nan_in_an_expert_that_is_present_names_expert_and_item():
    model, batch = make_model("ce"), make_batch(0, 4, 1, missing=0)
    batch["experts"]["rgb"][2, 3] = torch.nan
    with pytest.raises(InputError, match="expert 'rgb', item 2"):
        model(**batch)
    assert similarities(model, make_batch(0, 4, 1)).isfinite().all()  # it is not held against the next batch
    model.raise_if_nan()


@pytest.mark.parametrize("variant", SWITCHES)
def test_captions_of_a_video_are_averaged_in_training_and_on_request(variant):
    batch = make_batch(0, 4, 3)
    batch["word_mask"][1, 2] = False  # a video with two captions
    sims = similarities(make_model(variant), batch).view(4, 3, 4)
    averaged = similarities(make_model(variant, test_caption_mode="avg"), batch)
    for v in range(4):
        count = 2 if v == 1 else 3
        torch.testing.assert_close(averaged[v], sum(sims[v, k] for k in range(count)) / count)
    assert similarities(make_model(variant).train(), batch).shape == (4, 4)


def test_a_video_without_a_caption_scores_zero_and_not_nan_in_averages():
    model, batch = make_model("ce", test_caption_mode="avg"), make_batch(0, 4, 2)
    whole = similarities(model, batch)
    batch["word_mask"][1] = False
    found = similarities(model, batch)
    assert (found[1] == 0).all()
    torch.testing.assert_close(found[[0, 2, 3]], whole[[0, 2, 3]])


@pytest.mark.parametrize("similarity", ["pairwise", "paired-2019"])
def test_scores_are_not_rounded_by_autocast(similarity):
    """In bfloat16 many scores would be equal, and ties would change the ranks."""
    model, batch = make_model("ce", similarity=similarity), make_batch(0, 6, 1, missing=0)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        text, video = (
            type(embedding)([x.float() for x in embedding[0]], embedding[1].float())
            for embedding in (
                model.embed_text(batch["text"], batch["word_mask"]),
                model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"]),
            )
        )
        found = model.score(text, video)
    assert found.dtype == torch.float32
    with torch.no_grad():
        assert torch.equal(found, model.score(text, video))


def test_the_2019_score_of_texts_of_later_videos_takes_the_experts_of_those():
    """An evaluation scores all videos for one batch of texts after another."""
    model, batch = make_model("moee", similarity="paired-2019"), make_batch(5, 6, 2)
    with torch.no_grad():
        text = model.embed_text(batch["text"], batch["word_mask"])
        video = model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"])
        mask = batch["word_mask"].any(dim=-1)
        whole = model.score(text, video, mask)
        part = type(text)([x[4:10] for x in text.experts], text.weights[4:10])
        torch.testing.assert_close(model.score(part, video, mask[2:5], first_video=2), whole[4:10])


def test_switches_do_what_they_say():
    batch = make_batch(0, 5, 1)
    everything = make_batch(0, 5, 1)
    everything["ind"] = {name: torch.ones(5) for name in DIMS}
    everything["experts"] = {name: x.nan_to_num(0) for name, x in everything["experts"].items()}
    kept = similarities(make_model("moee", keep_missing_modalities=True), batch)
    torch.testing.assert_close(kept, similarities(make_model("moee"), everything))
    assert not torch.allclose(kept, similarities(make_model("moee"), batch))

    noisy = make_model("moee", randomise_feats="rgb, face")
    other = make_batch(0, 5, 1)
    other["experts"]["rgb"] = other["experts"]["rgb"] + 1
    assert torch.equal(similarities(noisy, batch), similarities(noisy, other))
    other["experts"]["audio"] = other["experts"]["audio"] + 1
    assert not torch.equal(similarities(noisy, batch), similarities(noisy, other))

    weights = make_model("moee-mw")(**batch)["moe_weights"]
    assert (weights == 0.25).all()


def test_without_masks_every_position_counts_and_mask_padding_false_ignores_masks():
    batch = make_batch(0, 4, 2, missing=0)
    bare = {key: batch[key] for key in ("text", "experts", "ind")}
    unmasked = similarities(make_model("ce", mask_padding=False), batch)
    assert torch.equal(similarities(make_model("ce"), bare), unmasked)
    assert not torch.allclose(similarities(make_model("ce"), batch), unmasked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"use_ce": True, "mimic_ce_dims": True}, "use_ce and mimic_ce_dims are both true"),
        ({"use_ce": True, "expert_dims": {"rgb": (4, 6)}}, r"use_ce with one expert \(rgb\)"),
        ({"use_ce": True, "expert_dims": {"rgb": (4, 6), "face": (4, 5)}}, r"embeddings of \[5, 6\] dims"),
        ({"concat_experts": True, "text_dim": 3}, "text of 6 dims .* experts of 26 dims"),
        ({"randomise_feats": "rgb,flwo"}, "names 'flwo', expected one of audio, face, rgb, speech"),
        ({"gate_order": "random"}, "gate_order is 'random', expected one of parallel, sequential"),
        ({"use_ce": "triplet"}, "use_ce is 'triplet', expected one of pairwise"),
        ({"vlad_clusters": CLUSTERS | {"audio": 0}}, "vlad_clusters.audio is 0, expected at least one cluster"),
        ({"expert_dims": {}}, "no expert"),
        ({"expert_dims": {"audio": (7, 4)}}, "'audio' of 7 pooled dims is no multiple of its 2 clusters"),
    ],
)
def test_refuses_what_does_not_go_together(arguments, message):
    dims = {name: (dim, 6) for name, dim in DIMS.items()}
    with pytest.raises(InputError, match=message):
        CENet(**({"expert_dims": dims, "text_dim": TEXT_DIM, "vlad_clusters": CLUSTERS} | arguments))


def test_parameters_of_ce_at_its_published_size():
    """The published 107,736,807 less the 529,408 that the release never used."""
    sizes = {"audio": 128 * 16, "face": 512, "flow": 1024, "ocr": 300 * 32, "rgb": 2048, "scene": 2208, "speech": 300 * 32}
    with torch.device("meta"):
        model = CENet(
            expert_dims={name: (dim, 512) for name, dim in sizes.items()},
            text_dim=768,
            vlad_clusters={"text": 32, "audio": 16, "speech": 32, "ocr": 32},
            use_ce=True,
        )
    assert sum(p.numel() for p in model.parameters()) == 107_736_807 - 529_408
