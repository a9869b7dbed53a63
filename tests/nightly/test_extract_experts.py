"""The command itself, in a new process: signals, full disks, terminals."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import numpy as np
import pytest
from helpers.daily import cases_of_today
from helpers.extraction import ARCHIVE, contents, film
from helpers.paths import ROOT
from helpers.permissions import drop_root_overrides, read_only

COMMAND = [sys.executable, str(ROOT / "misc/extract_experts.py"), "--videos", "clips", "--name", "Mine"]


def start(*arguments, largest=None, **options):
    """Start the command in a process to which permissions apply; files over `largest` bytes mean a full disk."""
    import resource

    def limit():
        signal.signal(signal.SIGINT, signal.default_int_handler)  # even where CI ignores it
        drop_root_overrides()
        if largest:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([*COMMAND, *arguments], preexec_fn=limit, **pipes | options)


def in_session(session):
    """Return the processes of a session."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


REAL = ("--config", "config.json", "--workers", "2")
WITH_ONE_WORKER = (*REAL[:-1], "1")


def prepare():
    """Write a config with quick experts and a few videos."""
    Path("config.json").write_text(json.dumps({"experts": {name: {"extractor": name} for name in ("scene", "flow")}}))
    for i in range(12):
        film(f"v{i:02d}.mkv", i)


@pytest.fixture
def real(tmp_path, monkeypatch):
    """Enter a working directory with them."""
    monkeypatch.chdir(tmp_path)
    prepare()
    return REAL


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Return what the command writes without interruption."""
    with contextlib.chdir(tmp_path_factory.mktemp("undisturbed")):
        prepare()
        process = start(*REAL)
        _, err = process.communicate(timeout=300)
        assert (process.returncode, err) == (0, "")
        return contents()


@pytest.mark.parametrize(
    ("number", "code"), [*cases_of_today([(signal.SIGINT, 130), (signal.SIGTERM, 143)], 2), (signal.SIGKILL, -9)]
)
def test_a_signal_leaves_no_process_and_no_partial_file(real, undisturbed, number, code):
    """As at a terminal, where Ctrl-C reaches all processes; after the worst the command ends as one undisturbed."""
    process = start(*real, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(Path("data").rglob("*.npz")) and time.monotonic() < deadline:
        time.sleep(0.02)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    if number != signal.SIGKILL:
        assert err == {130: "interrupted\n", 143: "terminated\n"}[code] and "continues with the remaining videos" in out
    deadline = time.monotonic() + 60
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_session(process.pid) == []
    done = {path: path.stat().st_mtime_ns for path in Path("data").rglob("*.npz")}
    assert 0 < len(done) <= 12
    if number != signal.SIGKILL:
        return
    again = start(*real)
    out, err = again.communicate(timeout=300)
    assert (again.returncode, err) == (0, ""), err
    assert f"12 videos, {len(done)} of them already extracted" in out
    assert all(path.stat().st_mtime_ns == time for path, time in done.items())
    assert contents() == undisturbed


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3, 1.0])
@pytest.mark.usefixtures("real")
def test_control_c_ends_processes_that_are_starting(seconds):
    process = start(*REAL, start_new_session=True)
    while len(in_session(process.pid)) < 4:  # it, two processes, and one of multiprocessing
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "interrupted\n")
    deadline = time.monotonic() + 60
    while in_session(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert in_session(process.pid) == []


@pytest.mark.usefixtures("real")
def test_a_full_or_read_only_disk_is_one_line():
    Path("data/Mine").mkdir(parents=True)
    with read_only(Path("data")):
        process = start(*WITH_ONE_WORKER)
        _, err = process.communicate(timeout=300)
    assert process.returncode == 2 and err.startswith("error: data/Mine") and err.count("\n") == 1
    assert "Permission denied" in err
    process = start(*WITH_ONE_WORKER, largest=500)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2 and err.startswith("error: data/Mine/") and err.count("\n") == 1
    assert "File too large" in err and not list(Path("data").rglob("*.tmp"))
    process = start(*WITH_ONE_WORKER, largest=8000)  # enough for each video, not for all
    _, err = process.communicate(timeout=300)
    assert process.returncode == 2 and "symlinked-feats/" in err and err.count("\n") == 1, err
    assert len(list(Path("data").rglob("*.npz"))) == 12 and not list(Path("data").rglob("*.tmp"))


@pytest.mark.usefixtures("real")
def test_a_terminal_shows_speed_and_remaining_time():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (30, 120))
    process = start(*WITH_ONE_WORKER, stdout=theirs, stderr=theirs, stdin=theirs)
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # the end of the other side
        while part := os.read(ours, 65536):
            shown += part
    os.close(ours)
    assert process.wait(timeout=60) == 0
    text = shown.decode()
    assert re.search(r"videos: +\d+%.*\d+/12 \[\d\d:\d\d<\d\d:\d\d, +[\d.]+(video/s|s/video), 0 failed\]", text), text


def test_experts_print_nothing(real):
    """Libraries and decoders print nothing, and broken files are no more than lines of failures.json."""
    for video in sorted(Path("clips").iterdir())[3:]:
        video.unlink()
    broken = Path("clips/v00.mkv").read_bytes()
    Path("clips/cut.mkv").write_bytes(broken[: len(broken) // 2])
    Path("clips/bytes.mp4").write_bytes(np.random.default_rng(0).bytes(3000))
    Path("captions.csv").write_text("video,caption\n" + "".join(f"v0{i}.mkv,a red bird sings\n" for i in range(3)))
    process = start("--captions", "captions.csv", "--workers", "1")
    out, err = process.communicate(timeout=300)
    assert (process.returncode, err) == (0, "")
    lines = [re.sub(r"\d+(\.\d+)?", "N", line) for line in out.splitlines() if " left" not in line]
    assert [line[:20] for line in lines] == [
        "N videos, N of them ",
        "N videos in N s, N p",
        "data/Mine/symlinked-",
        "data/Mine/failures.j",
        "N videos with captio",
        "too few for training",
        "next: python misc/se",
    ], out
    experts = {name for name in read_experts() if (ARCHIVE / f"{name}.mp").exists()}
    assert experts >= {"rgb", "scene", "audio"} and "flow" not in experts  # nothing moves in these clips


def read_experts():
    return json.loads(Path("data/Mine/extraction.json").read_text())["experts"]


def test_every_script_has_help():
    result = subprocess.run([*COMMAND[:2], "--help"], capture_output=True, text=True, check=True)
    assert result.stdout.startswith("usage:") and result.stderr == ""
    assert all(f"--{option}" in result.stdout for option in ("videos", "captions", "split", "engine", "timeout"))
