"""The memory, files and processes of a long training."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers.commands import CONFIG
from helpers.paths import ROOT
from helpers.toy_archive import Archive

VIDEOS, BATCH, EPOCHS = 200, 4, 40
STEPS = EPOCHS * VIDEOS // BATCH
SETTINGS = [f"data_loader.args.batch_size={BATCH}", "data_loader.args.num_workers=1", f"trainer.epochs={EPOCHS}"]
SETTINGS += ['visualizer={"type": "Visualizer", "args": {"vis_vid_freq": 5}}', "trainer.save_period=5"]
MIB = 1 << 20


def of_process(pid):
    """Return resident bytes, open files, threads and the number of children of a process."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    resident = int(status["VmRSS"].split()[0]) * 1024
    return resident, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(status["Threads"]), len(children)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="there is no /proc")
def test_thousands_of_steps_evaluations_and_pages_leave_nothing_behind(workplace, tmp_path, capsys):
    Archive(tmp_path, num_train=VIDEOS).write()
    command = [sys.executable, "-u", ROOT / "train.py", "--config", CONFIG]
    command += [word for setting in SETTINGS for word in ("--set", setting)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # several would wait for cores that others use
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    seen = {}
    started = time.perf_counter()
    for line in process.stdout:
        if line.startswith("epoch ") and (epoch := int(line.split()[1].partition("/")[0])) % 5 == 0:
            seen[epoch] = of_process(process.pid)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    process.stderr.close()
    process.stdout.close()
    early, late = ([seen[epoch] for epoch in epochs] for epochs in ((10, 15, 20), (30, 35, 40)))
    growth = min(x[0] for x in late) - min(x[0] for x in early)
    with capsys.disabled():
        print(
            f"\nsoak: {STEPS} steps, {EPOCHS} evaluations in {time.perf_counter() - started:.0f} s; memory "
            f"{late[-1][0] / MIB:.0f} MiB, {growth / MIB:+.1f} MiB since epoch 10; files, threads, children {late[-1][1:]}"
        )
    assert growth < 8 * MIB
    for column in (1, 2, 3):  # a file or a thread may be there for a moment
        assert min(x[column] for x in late) <= max(x[column] for x in early) + 1
