"""The recorded inputs, weights and outputs of both public releases, if ../shared exists."""

import inspect
import json

import numpy as np
import torch
from helpers.paths import shared

from model.model import CENet
from model.published import load_published

EXPERTS = ("audio", "face", "rgb")


class Parity:
    """The data of one `ce_<variant>.npz`, and models with its weights."""

    def __init__(self, variant):
        self.data = {name: torch.from_numpy(x) for name, x in np.load(shared("parity", f"ce_{variant}.npz")).items()}
        settings = json.loads(shared("parity", "manifest.json").read_text())["files"][f"ce_{variant}.npz"]["settings"]
        self.arguments = {key: settings[key] for key in ("vlad_clusters", "expert_dims")} | settings["constructor"]

    def model(self, **more):
        model = CENet(**self.arguments, **({"gate_order": "sequential", "mask_padding": False} | more))
        load_published(model, {name[3:]: x for name, x in self.data.items() if name.startswith("sd/")}, "parity")
        return model

    def sims(self, model, text, missing=False):
        inputs, ind = ("in_missing", "ind_missing") if missing else ("in", "ind_all")
        out = model(
            self.data[f"in/{text}"],
            {name: self.data[f"{inputs}/{name}"] for name in EXPERTS},
            {name: self.data[f"{ind}/{name}"] for name in EXPERTS},
        )
        return out["cross_view_conf_matrix"]


class Parity2020:
    """One `<variant>.npz` of the corrected release: its data, and models with its weights."""

    def __init__(self, variant):
        self.data = {name: torch.from_numpy(x) for name, x in np.load(shared("parity-2020", f"{variant}.npz")).items()}
        settings = json.loads(shared("parity-2020", "manifest.json").read_text())["files"][f"{variant}.npz"]["settings"]
        self.margin = settings.get("loss", {}).get("margin")
        known = inspect.signature(CENet).parameters
        self.arguments = {key: value for key, value in settings.items() if key in known}
        experts = self.arguments["expert_dims"]
        clusters = settings.get("vlad_clusters", {})
        self.arguments["vlad_clusters"] = {
            name: count
            for name, count in clusters.items()
            if name == "text" or settings["feat_aggregation"].get(name, {}).get("temporal") == "vlad"
        }
        self.experts = sorted(experts)

    def model(self, **more):
        model = CENet(**self.arguments, **({"gate_order": "sequential", "mask_padding": False} | more))
        self.dropped = load_published(model, self.state_dict(), "parity")
        return model

    def state_dict(self):
        return {name[3:]: x for name, x in self.data.items() if name.startswith("sd/")}

    def inputs(self, text, missing=False):
        inputs, ind = ("in_missing", "ind_missing") if missing else ("in", "ind_all")
        return (
            self.data[f"in/{text}"],
            {name: self.data[f"{inputs}/{name}"] for name in self.experts},
            {name: self.data[f"{ind}/{name}"] for name in self.experts},
        )

    def sims(self, model, text, missing=False):
        return model(*self.inputs(text, missing))["cross_view_conf_matrix"]
