"""A suite of experiments that Ctrl-C stops, in processes."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from helpers.commands import MODELS
from helpers.markdown_tables import tables as tables_of
from helpers.paths import ROOT
from helpers.toy_suite import PAGE, SUITE, TABLES, write_suite

from base.runs import list_runs

DRIVER = """
import sys
sys.path[:0] = [{root!r}, {tests!r}]
from misc import run_ablations
from misc.reporting import tables
from helpers.toy_suite import TABLES
tables.TABLES = TABLES
run_ablations.main()
"""


def test_control_c_stops_the_trainings_and_they_go_on(workplace):
    write_suite()
    config = Path("configs/toy/train-ce.json")
    content = json.loads(config.read_text())
    content["trainer"]["epochs"] = 12
    config.write_text(json.dumps(content))
    Path("driver.py").write_text(DRIVER.format(root=str(ROOT), tests=str(ROOT / "tests")))
    command = [sys.executable, "-u", "driver.py", *SUITE, "--jobs", "2"]
    with_default_signal = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)}  # even where CI ignores it
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(command, **pipes, **with_default_signal)
    outputs = [Path(f"data/saved/log/toy-train-{name}/train.out") for name in ("ce", "rgb")]
    while not all(path.exists() and "epoch 3/" in path.read_text() for path in outputs):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, "interrupted")
    assert "resume with: python misc/run_ablations.py --suite toy --seeds 0,1 --jobs 2" in out
    assert all("interrupted" in path.read_text() and "--resume auto" in path.read_text() for path in outputs)
    begun = {name: list_runs(MODELS.with_name(name)) for name in ("toy-train-ce", "toy-train-rgb")}

    result = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stdout + result.stderr
    assert {name: list_runs(MODELS.with_name(name)) for name in begun} == begun  # in the same folders
    assert "page.md: written" in result.stdout
    assert {*tables_of(Path(PAGE).read_text())} == set(TABLES)
