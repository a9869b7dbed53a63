"""`train.py`, in which something happens to one of several processes.

Environment: MISHAP is what happens (nothing else than training without it), to process VICTIM (all without it), at the
beginning of epoch EPOCH with seed SEED (0).
"""

import os
import signal
import time
from datetime import timedelta

import train
from trainer import distributed
from utils.errors import InputError

original = train.Trainer._train_epoch


def train_epoch(self, epoch):
    """Let it happen in the midst of an epoch."""
    here = os.environ.get("VICTIM", os.environ["RANK"]) == os.environ["RANK"]
    when = epoch == int(os.environ["EPOCH"]) and self.config["seed"] == int(os.environ.get("SEED", 0))
    if here and when and (mishap := os.environ.get("MISHAP")):
        if mishap == "killed":
            time.sleep(1)  # until the other has saved the epoch before
            os.kill(os.getpid(), signal.SIGKILL)
        if mishap == "slow":
            time.sleep(1000)
        if mishap == "interrupted":
            raise KeyboardInterrupt
        raise InputError("file: found 3, expected 4")
    if when and os.environ.get("MISHAP") == "killed" and os.environ.get("BUSY"):
        time.sleep(1000)  # what torchrun ends
    return original(self, epoch)


if __name__ == "__main__":
    train.Trainer._train_epoch = train_epoch
    distributed.COLLECTIVE_TIMEOUT = timedelta(seconds=int(os.environ.get("PATIENCE", 1800)))
    train.main()
