"""The start of commands: nothing that takes long is imported before the arguments are valid, and Ctrl-C is one line."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.paths import ROOT

from misc.searching.commands import COMMANDS
from trainer.launch import prepare_early
from utils.late_imports import WAIT_VARIABLES, late_imports

FILES = ["train.py", "test.py", *sorted(f"misc/{path.name}" for path in (ROOT / "misc").glob("*.py")), "figs/draw_model.py"]
HELP = [[name, "--help"] for name in FILES] + [["misc/search.py", name, "--help"] for name in COMMANDS]
# Arguments that argparse refuses; figs/draw_model.py has none, and imports nothing of the project.
WRONG = [[name, "--nonsense"] for name in FILES[:-1]] + [["misc/search.py", name, "--nonsense"] for name in COMMANDS]
CONFIG = "configs/msrvtt/train-full-ce.json"
TRAIN = ["train.py", "--config", CONFIG]
REFUSED = [
    (["train.py"], "--config FILE: missing"),
    (["train.py", "--config", "nowhere.json"], "nowhere.json: not found"),
    (["train.py", "--config", "LICENSE"], "LICENSE: "),
    (["train.py", "--resume", "nowhere.pth"], "nowhere.pth: no such checkpoint"),
    ([*TRAIN, "--set", "trainer.epochs=many"], f"{CONFIG}: trainer.epochs: found 'many'"),
    ([*TRAIN, "--set", "trainer.epoch=3"], f"{CONFIG}: trainer.epoch: unknown key, did you mean 'epochs'?"),
    ([*TRAIN, "--resume", "x.pth", "--purge_exp_dir"], "--resume CHECKPOINT resumes one run"),
    (["test.py"], "--resume CHECKPOINT: missing"),
    (["test.py", "--resume", "nowhere.pth"], "nowhere.pth: no such checkpoint"),
    (["test.py", "--resume", "LICENSE", "--save_sims", "x.txt"], "--save_sims x.txt: expected a file .npz"),
    (["misc/benchmark.py", "--videos", "5"], "--videos 5: expected at least 1000"),
    (["misc/compare.py", "a", "--metrics", "X"], "--metrics: found 'X'"),
    (["misc/cross_validate.py", "--config", CONFIG, "--folds", "1"], "--folds 1: expected 2 or more"),
    (["misc/cross_validate.py", "--config", CONFIG, "--seeds", "x"], "--seeds x: expected"),
    (["misc/evaluate_moments.py", "--name", "x"], "expected --name and --truth, or --make_films"),
    (["misc/evaluate_speech.py", "--clips", "0"], "--clips 0: expected a number from 1"),
    (["misc/extract_experts.py", "--videos", "configs", "--name", "a b"], "--name a b: expected letters"),
    (["misc/make_demo.py", "--seed", "-1"], "--seed -1: expected a number from 0"),
    (["misc/make_stamps.py", "--workers", "0"], "--workers 0: expected a number from 1"),
    (["misc/run_ablations.py", "--suite", "demo", "--seeds", "0"], "--seeds 0: expected two or more"),
    (["misc/sync_experts.py", "--dataset", "MSRVTT", "--root_url", "x"], "--root_url x: expected an address"),
]
# Calls commands one after the other, in a process that cannot import what takes long.
CALLS = """
import contextlib, io, json, runpy, sys
for name in ("torch", "transformers", "open_clip", "faiss", "scipy", "tensorboard", "av", "h5py", "PIL", "starlette"):
    sys.modules[name] = None
results = []
for sys.argv in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_path(sys.argv[0], run_name="__main__")
        except SystemExit as stop:
            results.append([stop.code, out, err])
        except ImportError as error:
            results.append([str(error), out, err])
json.dump([[code, out.getvalue(), err.getvalue()] for code, out, err in results], sys.stdout)
"""


@pytest.fixture(scope="module")
def results():
    """The exit code, standard output and standard error of each command line."""
    command_lines = HELP + WRONG + [arguments for arguments, _ in REFUSED]
    content = json.dumps(command_lines)
    done = subprocess.run([sys.executable, "-c", CALLS], input=content, text=True, cwd=ROOT, capture_output=True, check=True)
    return {tuple(line): result for line, result in zip(command_lines, json.loads(done.stdout), strict=True)}


@pytest.mark.parametrize("command_line", HELP, ids=" ".join)
def test_help_needs_nothing_that_takes_long_to_import(results, command_line):
    code, out, err = results[tuple(command_line)]
    assert (code, err) == (0, "")
    assert out.startswith("usage: ") and len(out.splitlines()) > 3


@pytest.mark.parametrize(("command_line", "message"), REFUSED, ids=[" ".join(line) for line, _ in REFUSED])
def test_errors_of_arguments_and_configs_need_nothing_that_takes_long_to_import(results, command_line, message):
    code, out, err = results[tuple(command_line)]
    assert (code, out) == (2, "") and err.startswith(f"error: {message}") and err.count("\n") == 1


@pytest.mark.parametrize("command_line", WRONG, ids=" ".join)
def test_arguments_that_cannot_be_parsed_are_one_line_without_the_usage(results, command_line):
    code, out, err = results[tuple(command_line)]
    assert (code, out) == (2, "") and err.count("\n") == 1
    assert err.startswith(command_line[0].rpartition("/")[2]) and ": error: " in err and err.endswith(" (see --help)\n")


def run_with_stub(folder, module, code, *arguments):
    """Run a command with another module in place of a package; return exit code and standard error."""
    (folder / f"{module}.py").write_text(code)
    done = subprocess.run(
        [sys.executable, *(arguments or [ROOT / "train.py", "--config", CONFIG])],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in processes in the background
    )
    return done.returncode, done.stderr


# A package that makes an ImportError of whatever is raised while it is imported, as compiled ones do.
CONVERTING = """
import os, signal, time
try:
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(30)
except BaseException:
    raise ImportError("initialization failed")
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [
        ("pydantic", "raise KeyboardInterrupt"),  # before the arguments are parsed
        ("torch", "raise KeyboardInterrupt"),
        ("torch", CONVERTING),
    ],
)
def test_control_c_during_imports_is_one_line(tmp_path, module, code):
    assert run_with_stub(tmp_path, module, code) == (130, "interrupted\n")


def test_control_c_during_the_imports_of_a_misc_command_is_one_line(tmp_path):
    code, err = run_with_stub(tmp_path, "numpy", CONVERTING, Path("misc/ridge_baseline.py"), "--config", CONFIG)
    assert (code, err) == (130, "interrupted\n")


def test_other_errors_during_imports_keep_their_traceback(tmp_path):
    code, err = run_with_stub(tmp_path, "pydantic", "raise ValueError('broken')")
    assert code == 1 and "Traceback" in err and err.endswith("ValueError: broken\n")


def test_only_the_usual_handler_of_control_c_is_replaced_and_only_within_the_block():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(ValueError, match="import"), late_imports():
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            raise ValueError("import")
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with late_imports():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(("size", "early"), [(None, True), ("1", True), ("2", False)])
def test_arguments_are_checked_before_torch_is_imported_unless_there_are_several_processes(monkeypatch, size, early):
    if size:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        monkeypatch.setenv("WORLD_SIZE", size)
    calls = []
    prepared = prepare_early(lambda: calls.append(1) or 7)
    assert len(calls) == early
    assert prepared() == 7 and len(calls) == 1


@pytest.mark.parametrize(
    ("given", "expected"),
    [({}, "10000"), ({"GOMP_SPINCOUNT": "5"}, "5"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "30000000000")],
)
def test_threads_wait_in_a_loop_for_a_short_time_unless_the_environment_says_how_long(given, expected):
    libraries = list(Path(importlib.util.find_spec("torch").origin).parent.rglob("libgomp*.so*"))
    if not libraries:
        pytest.skip("torch brings no libgomp")
    program = f"import utils.late_imports, ctypes; ctypes.CDLL({str(libraries[0])!r})"
    variables = {name: value for name, value in os.environ.items() if name not in WAIT_VARIABLES}
    variables |= {"OMP_DISPLAY_ENV": "verbose", **given}
    command = [sys.executable, "-c", program]
    shown = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=True).stderr
    assert f"GOMP_SPINCOUNT = '{expected}'" in shown
