"""`train.py` with a worker that hangs while it reads the second batch; "hangs" is printed when the main process waits."""

import time

import train
from data_loader.dataset import EpochBatchSampler, ExpertDataset
from trainer.loop_helpers import LossSum

add, sample = LossSum.add, EpochBatchSampler.__iter__


def sample_hanging(self):
    """Replace the second batch by one that no worker can read."""
    yield from ([(None, None)] if i == 1 else batch for i, batch in enumerate(sample(self)))


def read(self, key, original=ExpertDataset.__getitem__):
    """Hang in the second batch."""
    if key == (None, None):
        time.sleep(1000)
    return original(self, key)


def add_and_print(self, loss, step):
    """Print that the first step is done: a wait follows."""
    add(self, loss, step)
    print("hangs", flush=True)


if __name__ == "__main__":
    EpochBatchSampler.__iter__, LossSum.add = sample_hanging, add_and_print
    ExpertDataset.__getitem__ = read
    train.main()
