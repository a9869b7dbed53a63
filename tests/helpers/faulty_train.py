"""`train.py` with a fault in one of several processes.

Environment: FAULT is "killed", "slow", "interrupted" or "refused" (without it, nothing happens) and occurs in process VICTIM
(without it, in all), at the beginning of epoch EPOCH with seed SEED (0). With BUSY, the other processes do not notice the
end of a process by themselves. TIMEOUT is `COLLECTIVE_TIMEOUT` in seconds.
"""

import os
import signal
import time
from datetime import timedelta

import train
from trainer import distributed
from trainer.trainer import Trainer
from utils.errors import InputError

original = Trainer._train_epoch


def train_epoch(self, epoch):
    """Train an epoch, after the fault if it is due."""
    is_victim = os.environ.get("VICTIM", os.environ["RANK"]) == os.environ["RANK"]
    is_due = epoch == int(os.environ["EPOCH"]) and self.config["seed"] == int(os.environ.get("SEED", 0))
    fault = os.environ.get("FAULT")
    if is_victim and is_due and fault:
        if fault == "killed":
            time.sleep(1)  # until the other process has saved the previous epoch
            os.kill(os.getpid(), signal.SIGKILL)
        if fault == "slow":
            time.sleep(1000)
        if fault == "interrupted":
            raise KeyboardInterrupt
        raise InputError("file: found 3, expected 4")
    if is_due and fault == "killed" and os.environ.get("BUSY"):
        time.sleep(1000)  # until torchrun ends this process
    return original(self, epoch)


if __name__ == "__main__":
    Trainer._train_epoch = train_epoch
    distributed.COLLECTIVE_TIMEOUT = timedelta(seconds=int(os.environ.get("TIMEOUT", 1800)))
    train.main()
