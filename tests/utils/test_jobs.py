"""Commands run side by side."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from utils import jobs
from utils.jobs import Job, run_jobs


@pytest.fixture
def job(tmp_path, monkeypatch):
    """Return a job that runs a script."""
    monkeypatch.setattr(jobs, "ROOT", tmp_path)
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.01)
    monkeypatch.chdir(tmp_path)

    def job(name, script, *arguments):
        Path(f"{name}.py").write_text(script)
        return Job(name, (f"{name}.py", *arguments), Path("logs", name, "output"))

    return job


def test_all_are_run_with_their_arguments_and_their_output_kept(job, capsys):
    script = "import sys; print(sys.argv[1:]); print('oh', file=sys.stderr)"
    made = [job(name, script, "--x", name) for name in "abc"]
    assert run_jobs(made, 2) == []
    for each in made:
        assert each.output.read_text() == f"['--x', '{each.name}']\noh\n"
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["1/3", "2/3", "3/3"]
    assert sorted(line.split()[1] for line in lines) == ["a:", "b:", "c:"] and all(line.endswith("done") for line in lines)


def test_ctrl_c_in_the_terminal_does_not_reach_jobs_directly(job):
    """`run_jobs` passes it on: a second signal would end them before they have saved."""
    made = job("a", "import os; print(os.getsid(0) == os.getpid())")
    assert run_jobs([made], 1) == []
    assert made.output.read_text() == "True\n"


def test_one_that_fails_is_named_and_the_others_continue(job, capsys):
    made = [
        job("bad", "import sys; print('working'); sys.exit('error: no such file\\n')"),
        job("mute", "import os; os._exit(3)"),
        job("good", "print('fine')"),
    ]
    assert run_jobs(made, 1) == [
        f"bad: exit code 1, error: no such file; all of it: {made[0].output}",
        f"mute: exit code 3, no output; all of it: {made[1].output}",
    ]
    assert made[2].output.read_text() == "fine\n"
    assert capsys.readouterr().out == "1/3 bad: failed\n2/3 mute: failed\n3/3 good: done\n"


@pytest.mark.parametrize("parallel", [1, 2, 3])
def test_never_more_at_a_time_than_asked_for_and_cores_are_shared(job, monkeypatch, parallel):
    monkeypatch.setattr(jobs, "count_cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    script = (
        "import os, pathlib, sys, time\nme = pathlib.Path('running', sys.argv[1])\nme.touch()\ntime.sleep(0.2)\n"
        "print(len(list(me.parent.iterdir())), os.environ['OMP_NUM_THREADS'])\nme.unlink()"
    )
    Path("running").mkdir()
    made = [job(name, script, name) for name in "abcdef"]
    assert run_jobs(made, parallel) == []
    found = [each.output.read_text().split() for each in made]
    assert max(int(number) for number, _ in found) <= parallel
    assert {threads for _, threads in found} == {str(6 // parallel)}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it is not waited for
def test_a_second_interruption_kills_what_does_not_end(job, monkeypatch):
    script = (
        "import pathlib, signal, sys, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "pathlib.Path(sys.argv[1]).write_text(str(__import__('os').getpid()))\ntime.sleep(60)\n"
    )
    made = [job("a", script, "started-a")]

    def interrupt():
        while not (Path("started-a").exists() and Path("started-a").read_text()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        waiting.wait(30)
        os.kill(os.getpid(), signal.SIGINT)

    waiting, wait = threading.Event(), jobs.subprocess.Popen.wait

    def note_wait(process, *arguments, **options):
        waiting.set()
        return wait(process, *arguments, **options)

    monkeypatch.setattr(jobs.subprocess.Popen, "wait", note_wait)
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_jobs(made, 1)
    finally:
        thread.join(30)
        signal.signal(signal.SIGINT, usual)
    pid = int(Path("started-a").read_text())
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z":
        assert time.monotonic() < deadline, "it was not killed"
        time.sleep(0.05)


def test_an_interruption_is_passed_on_and_waited_for(job):
    script = (
        "import pathlib, sys, time\ntry:\n    pathlib.Path(sys.argv[1]).touch(); time.sleep(60)\n"
        "except KeyboardInterrupt:\n    time.sleep(0.3); print('saved')\n"
    )
    made = [job(name, script, f"started-{name}") for name in "abc"]

    def interrupt():
        while not (Path("started-a").exists() and Path("started-b").exists()):
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # even where CI ignores it
    thread = threading.Thread(target=interrupt)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run_jobs(made, 2)
    finally:
        thread.join()
        signal.signal(signal.SIGINT, usual)
    assert [each.output.read_text() for each in made[:2]] == ["saved\n", "saved\n"]
    assert not made[2].output.exists()  # it had not begun
