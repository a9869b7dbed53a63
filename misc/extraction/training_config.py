"""The config to train on an extracted collection."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from misc.extraction.archive_writer import read_json
from utils.errors import count_text
from utils.files import write_bytes, write_json


def make_training_config(
    name: str, data_dir: Path, text: Mapping[str, Any], experts: Mapping[str, Mapping], splits: Mapping[str, Sequence]
) -> dict[str, Any]:
    """Return a config that trains CE on a CPU, for a collection of a few hundred to tens of thousands of videos.

    `text` has the name ("feat") and the dimension ("dim") of the word vectors, and `experts` their sections of the config.
    """
    videos = len(splits["train"])
    clusters = {"text": 8} | {expert: 4 for expert, about in experts.items() if about["aggregation"] == "vlad"}
    return {
        "experts": {"text_feat": text["feat"], "text_dim": text["dim"], "ce_shared_dim": 256} | dict(experts),
        "arch": {
            "type": "CENet",
            "args": {("use_ce" if len(experts) > 1 else "mimic_ce_dims"): True, "vlad_clusters": clusters},
        },
        "data_loader": {
            "type": "ExpertDataLoader",
            "args": {
                "dataset_name": name,
                "data_dir": str(data_dir),
                "batch_size": min(videos, max(8, min(64, videos // 10))),
                "split_name": "val",
                "max_text_words": 60,
                "max_expert_tokens": 60,
            },
        },
        "test_split": "test",
        "querybank": {"choose_beta": True},
        "optimizer": {"type": "Adam", "args": {"lr": 0.001}},
        "lr_scheduler": {"type": "StepLR", "args": {"step_size": 1, "gamma": 0.95}},
        "loss": {"type": "ContrastiveLoss"},
        "visualizer": {
            "type": "Visualizer",
            "args": {"src_video_dir": str(data_dir / "videos"), "vis_vid_freq": 10, "num_samples": 100},
        },
        "trainer": {"epochs": 30, "save_period": 10, "monitor": "max val_t2v_metrics_geometric_mean_R1-R5-R10"},
    }


def write_training_config(name: str, config: dict, splits: Mapping[str, Sequence[str]]) -> bool:
    """Write the config and print the next command; return false if another one exists or there are too few videos."""
    sizes = ", ".join(f"{len(videos)} {split}" for split, videos in splits.items())
    print(f"{count_text(sum(map(len, splits.values())), 'video')} with captions: {sizes}")
    if len(splits["train"]) < 2 or not splits["val"] or not splits["test"]:
        print("too few for training, which needs at least two videos in train, one in val and one in test")
        return False
    path = Path("configs") / name / "train-full-ce.json"
    ignored = path.with_name(".gitignore")
    if path.exists() and read_json(path) != config:
        is_generated = ignored.exists() and f"/{path.name}" in ignored.read_text(errors="replace").splitlines()
        hint = "delete it to get a new one" if is_generated else "choose another --name to get a config"
        print(f"{path} exists, differs from the config for these videos and is not changed; {hint}")
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, config)
    if not ignored.exists() and list(path.parent.iterdir()) == [path]:  # not in a folder with configs of the project
        write_bytes(ignored, f"/.gitignore\n/{path.name}\n".encode())
    print(f"next: python train.py --config {path}")
    return True
