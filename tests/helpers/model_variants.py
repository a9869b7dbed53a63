"""Small models of every variant, and random batches with missing experts, for tests of the model and of its evaluation."""

import torch

from model.model import CENet

SEQUENCES = {"audio": 3, "speech": 4}  # raw dims; two clusters each
VECTORS = {"face": 5, "rgb": 7}
CLUSTERS = {"text": 2, "audio": 2, "speech": 2}
DIMS = {**{name: 2 * dim for name, dim in SEQUENCES.items()}, **VECTORS}
TEXT_DIM = sum(DIMS.values()) // 2  # what Concat needs
SHARED = 6

SWITCHES = {
    "ce": {"use_ce": True},
    "ce-sequential": {"use_ce": True, "gate_order": "sequential"},
    "ce-corrected": {"use_ce": "pairwise", "ghost_clusters": {"text": 1}},
    "ce-corrected-sequential": {"use_ce": "pairwise", "gate_order": "sequential", "num_h_layers": 1, "include_self": False},
    "ce-cg": {"mimic_ce_dims": True},
    "one-expert": {"mimic_ce_dims": True},
    "moee": {},
    "moee-mw": {"freeze_weights": True},
    "moee-l2renorm": {"l2renorm": True},
    "moee-randomised": {"randomise_feats": "audio,face"},
    "concat-g": {"concat_mix_experts": True},
    "concat": {"concat_experts": True},
}


def make_model(variant, seed=0, **more):
    """Return a model in evaluation mode, whose batch norm statistics are those of other data."""
    torch.manual_seed(seed)
    switches = SWITCHES[variant] | more
    shared = switches.get("use_ce") or switches.get("mimic_ce_dims")
    names = ["rgb"] if variant == "one-expert" else list(DIMS)
    dims = {name: (DIMS[name], SHARED if shared else DIMS[name] // 2) for name in names}
    model = CENet(expert_dims=dims, text_dim=TEXT_DIM, vlad_clusters=CLUSTERS, **switches).eval()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.running_mean.normal_(std=0.2)
            module.running_var.uniform_(0.5, 2)
    return model


def make_batch(seed, num_videos, num_captions, words=5, frames=4, missing=0.5):
    """Return inputs of `CENet.forward`, padded with zeros; missing experts are NaN, including their padding."""
    generator = torch.Generator().manual_seed(seed)

    def masked(*shape):
        lengths = torch.randint(1, shape[-2] + 1, shape[:-2], generator=generator)
        mask = torch.arange(shape[-2]) < lengths[..., None]
        return torch.randn(shape, generator=generator) * mask[..., None], mask

    text, word_mask = masked(num_videos, num_captions, words, TEXT_DIM)
    experts, ind, frame_masks = {}, {}, {}
    for name in DIMS:
        ind[name] = (torch.rand(num_videos, generator=generator) >= missing).float()
        if name in SEQUENCES:
            x, frame_masks[name] = masked(num_videos, frames, SEQUENCES[name])
            frame_masks[name] = frame_masks[name] & ind[name].bool()[:, None]
        else:
            x = torch.randn(num_videos, VECTORS[name], generator=generator)
        x[ind[name] == 0] = torch.nan
        experts[name] = x
    return {"text": text, "experts": experts, "ind": ind, "word_mask": word_mask, "frame_masks": frame_masks}


def similarities(model, batch):
    """Return the similarities of a batch."""
    with torch.no_grad():
        return model(**batch)["cross_view_conf_matrix"]
