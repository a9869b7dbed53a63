"""Our model and its plain implementation, with the same weights."""

import torch

from misc.speed.plain_model import PlainCE
from model.model import CENet

DIMS = {"audio": 6, "face": 5, "ocr": 4, "rgb": 7}
CLUSTERS = {"text": 3, "audio": 2, "ocr": 3}
ARGUMENTS = {
    "expert_dims": {name: (dim * CLUSTERS.get(name, 1), 8) for name, dim in DIMS.items()},
    "text_dim": 10,
    "vlad_clusters": CLUSTERS,
}


def make_models(release="2019"):
    """Return both, with the network of a release, in double precision and in training mode."""
    torch.manual_seed(0)
    use_ce, ghosts = (True, 0) if release == "2019" else ("pairwise", 2)
    ours = CENet(**ARGUMENTS, use_ce=use_ce, ghost_clusters={"text": ghosts}).double()
    plain = PlainCE(**ARGUMENTS, use_ce=use_ce, num_ghosts=ghosts).double()
    plain.load_state_dict(ours.state_dict())
    return ours.train(), plain.train()
