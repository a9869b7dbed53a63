"""Commands that continue or use a run."""

import shlex
from pathlib import Path

import torch

from parse_config import DATA_DIR, ConfigParser
from trainer.distributed import launch_command


def resume_hint(saved: Path | None, config: ConfigParser, device: torch.device) -> str:
    """What to say of a training that was interrupted: the command that goes on from the checkpoint `saved`."""
    if saved is None:
        return "interrupted before the first checkpoint"
    options = "" if device.type == "cpu" else f" --device {device.index}"
    paths = config.paths_outside_cwd(saved)
    if (folder := config.data_dir_outside_cwd()) is not None:
        paths[DATA_DIR] = folder
    options += "".join(f" --set {shlex.quote(f'{key}={path}')}" for key, path in paths.items())
    return f"interrupted; go on with: {' '.join(launch_command())} train.py --resume {saved}{options}"
