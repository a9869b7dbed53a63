"""A small config, and a small archive that matches it, to be changed before it is written."""

import pickle

import numpy as np

EXPERTS = {
    "rgb": {"dim": 12, "aggregation": "avg", "may_be_missing": False},
    "scene": {"dim": 6, "kind": "vector"},
    "audio": {"dim": 8, "aggregation": "vlad"},
}
CONFIG = {
    "experts": {"text_feat": "toy", "text_dim": 10, "ce_shared_dim": 16, **EXPERTS},
    "arch": {"type": "CENet", "args": {"use_ce": True, "vlad_clusters": {"text": 2, "audio": 2}}},
    "data_loader": {
        "type": "ExpertDataLoader",
        "args": {"dataset_name": "Toy", "data_dir": "data/Toy", "batch_size": 8, "split_name": "val"},
    },
    "optimizer": {"type": "Adam", "args": {"lr": 0.01}},
    "lr_scheduler": {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.9}},
    "loss": {"type": "MaxMarginRankingLoss", "args": {"margin": 0.2, "fix_norm": True}},
    "trainer": {"epochs": 3, "monitor": "max val_t2v_metrics_geometric_mean_R1-R5-R10"},
}


REMOVE = object()


def changed(config, changes):
    """Return a copy of `config` with the values at dotted paths set or removed."""
    for path, value in changes.items():
        *parents, last = path.split(".")
        section = config
        for key in parents:
            section = section[key]
        if value is REMOVE:
            del section[last]
        else:
            section[last] = value
    return config


class Archive:
    """A small archive of a custom dataset, to be changed before it is written.

    Videos and captions share latent vectors, so that a model can learn to match them.
    """

    def __init__(self, folder, num_train=24, num_val=10, num_test=10, seed=0):
        rng = np.random.default_rng(seed)
        self.folder = folder / "data" / "Toy" / "symlinked-feats"
        self.ids = [f"video{i}" for i in range(num_train + num_val + num_test)]
        self.lists = {
            "train_list.txt": self.ids[:num_train],
            "val_list.txt": self.ids[num_train : num_train + num_val],
            "test_list.txt": self.ids[num_train + num_val :],
        }
        latent = dict(zip(self.ids, rng.normal(size=(len(self.ids), 5)), strict=True))
        maps = {name: rng.normal(size=(5, dim)) for name, dim in (("rgb", 12), ("scene", 6), ("audio", 8), ("text", 10))}

        def seen(video, name, frames):
            return (latent[video] @ maps[name] + 0.1 * rng.normal(size=(frames, maps[name].shape[1]))).astype(np.float16)

        self.features = {
            "rgb": {video: seen(video, "rgb", 3) for video in self.ids},
            "scene": {video: seen(video, "scene", 1)[0] for video in self.ids if rng.random() < 0.8},
            "audio": {video: seen(video, "audio", rng.integers(1, 6)) for video in self.ids if rng.random() < 0.5},
        }
        self.text = {video: [seen(video, "text", rng.integers(1, 7)) for _ in range(2)] for video in self.ids}
        self.raw = {video: [[f"word{i}" for i in range(len(x))] for x in captions] for video, captions in self.text.items()}

    def write(self):
        """Write all files and return self."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, features in self.features.items():
            self.dump(f"{name}.pickle", features)
        self.dump("text-toy.pickle", self.text)
        self.dump("raw-captions.pkl", self.raw)
        for name, ids in self.lists.items():
            (self.folder / name).write_text("".join(f"{video}\n" for video in ids))
        return self

    def dump(self, name, content):
        """Pickle `content` to a file of the archive."""
        with (self.folder / name).open("wb") as file:
            pickle.dump(content, file)
