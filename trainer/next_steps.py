"""The commands that resume a run or use its model, for the log."""

import argparse
import shlex
from pathlib import Path

import torch

from base.experiment import AUTO
from parse_config import ConfigParser
from trainer.distributed import launch_command

# The file that marks a collection of misc/extract_experts.py, which misc/search.py can search.
EXTRACTION = "extraction.json"


def resume_hint(saved: Path | None, config: ConfigParser, device: torch.device) -> str:
    """Return the message of an interrupted training: the command that resumes from the checkpoint `saved`."""
    if saved is None:
        return "interrupted before the first checkpoint"
    command = [*launch_command(), "train.py", "--resume", str(saved), *_options(config, saved, device.index)]
    return f"interrupted; resume with: {shlex.join(command)}"


def resume_seeds_command(args: argparse.Namespace) -> str:
    """Return the command that resumes the newest unfinished run of `--seeds`."""
    command = [*launch_command(), "train.py", "--config", str(args.config), "--seeds", args.seeds, "--resume", str(AUTO)]
    command += [] if args.device is None else ["--device", str(args.device)]
    return shlex.join([*command, *(word for override in args.set for word in ("--set", override))])


def next_steps(config: ConfigParser, checkpoint: Path, device: int | None, page: Path) -> str:
    """Return the commands that use a trained model, one per line; `page` is the folder of its ranking page, if any."""
    gpu = [] if device is None else ["--device", str(device)]
    steps = {"evaluate": ["python", "test.py", "--resume", str(checkpoint), *_options(config, checkpoint, device)]}
    args = config["data_loader"]["args"]
    name, folder = args["dataset_name"], Path(args["data_dir"])
    if (folder / EXTRACTION).exists():
        collection = ["--checkpoint", str(checkpoint), "--name", name, *gpu]
        collection += [] if folder == Path("data", name) else ["--data_dir", str(folder)]
        steps["search"] = ["python", "misc/search.py", "what you look for", *collection]
        steps["search in a browser"] = ["python", "misc/search.py", "serve", *collection, "--open"]
    lines = [f"{step}: {shlex.join(command)}" for step, command in steps.items()]
    if (page / "index.html").exists():
        lines.append(f"open the ranking page: {page / 'index.html'}")
    return "next:" + "".join(f"\n  {line}" for line in lines)


def _options(config: ConfigParser, checkpoint: Path, device: int | None) -> list[str]:
    """Return the options of a command on a checkpoint: the GPU, and `--set` for paths outside the working folder.

    Without `--set`, a command refuses such a path in a checkpoint, which may come from somebody else.
    """
    options = [] if device is None else ["--device", str(device)]
    for key, path in config.paths_outside_cwd(checkpoint).items():
        options += ["--set", f"{key}={path}"]
    return options
