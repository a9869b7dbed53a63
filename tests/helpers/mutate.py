"""Change single places of the code, run the tests of the changed file, and print which changes no test notices.

    python tests/helpers/mutate.py                      # all mutations of tests/nightly/mutations/
    python tests/helpers/mutate.py --only checkpoint    # those whose file or description contains a text
    python tests/helpers/mutate.py --part 2/3           # the second of three parts
    python tests/helpers/mutate.py --part today/12      # another of 12 parts each day

A mutation is killed if a test fails, crashes or does not end in time. Each is made in a copy of the project, by processes
that have imported the libraries once.
"""

import argparse
import dataclasses
import datetime
import importlib.util
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "nightly" / "mutations"
LIBRARIES = ["pytest", "torch", "numpy", "scipy.stats", "h5py", "pydantic", "jinja2", "msgpack", "tqdm"]
BEGUN = 100  # added to the exit codes of pytest, to tell them from those of a process that fails by itself
SURVIVED, KILLED = BEGUN, BEGUN + 1
SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Mutation:
    """A change of one place of the code.

    Attributes:
        path: the changed file, from the root of the project.
        old: text that occurs once in the file.
        new: text in its place.
        tests: arguments of pytest that select the tests which must notice the change.
        does: the effect of the change.
        equivalent: why no test can notice it ("": one must).
    """

    path: str
    old: str
    new: str
    tests: str
    does: str
    equivalent: str = ""

    def apply(self, root: Path) -> str:
        """Make the change below `root` and return the original text of the file."""
        file = root / self.path
        original = file.read_text()
        count = original.count(self.old)
        if count != 1:
            raise SystemExit(f"error: {self.path}: {self.old!r} occurs {count} times, expected once ({self.does})")
        file.write_text(original.replace(self.old, self.new))
        return original


def load_mutations(folder: Path = FOLDER) -> Iterator[Mutation]:
    """Yield the mutations of all files of a folder."""
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"mutations_{path.stem}", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield from module.MUTATIONS


def copy_project(target: Path) -> None:
    """Copy the files that git knows, or would add, and link the recorded data beside the copy."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    if (ROOT.parent / "shared").exists():
        (target.parent / "shared").symlink_to(ROOT.parent / "shared")


def run_tests(root: Path, tests: str, output: Path) -> None:
    """Run pytest in the copy `root`, in this process, and end it with its code."""
    os.chdir(root)
    # The modules of the project come from the copy, but its ./venv has no copy.
    kept = [x for x in sys.path if not x.startswith(str(ROOT)) or x.startswith(sys.prefix)]
    sys.path[:] = [str(root), *kept]
    sys.dont_write_bytecode = True
    os.environ["HYPOTHESIS_PROFILE"] = "first_failure"
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    import pytest

    code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests.split()])
    sys.stdout.flush()
    os._exit(BEGUN + int(code))  # libraries may crash when an interpreter ends


def check(mutation: Mutation, roots: list[Path], context: multiprocessing.context.BaseContext) -> tuple[str, str]:
    """Return "killed", "survived" or "error", and the end of the output of the tests."""
    root = roots.pop()
    original = mutation.apply(root)
    output = root.parent / "output.txt"
    process = context.Process(target=run_tests, args=(root, mutation.tests, output))
    try:
        process.start()
        process.join(SECONDS)
        if process.is_alive():
            process.kill()
            process.join()
            return "killed", "no end"
        if process.exitcode == -signal.SIGSEGV:
            return "killed", "crash"
        # A library that aborts the process, such as resvg for a picture without memory, is noticed, too.
        verdicts = {SURVIVED: "survived", KILLED: "killed", -signal.SIGABRT: "killed"}
        verdict = verdicts.get(process.exitcode, "error")
        text = output.read_text(errors="replace")[-2000:] if output.exists() else ""
        return verdict, f"{text}\nexit code {process.exitcode}"
    finally:
        (root / mutation.path).write_text(original)
        roots.append(root)


def run(mutations: list[Mutation], jobs: int) -> list[tuple[Mutation, str, str]]:
    """Check all mutations, `jobs` at the same time, and print a line for each."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LIBRARIES)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(jobs) as pool:
        roots = [Path(folder) / str(i) / "project" for i in range(jobs)]
        for root in roots:
            copy_project(root)

        def report(mutation: Mutation) -> tuple[Mutation, str, str]:
            verdict, output = check(mutation, roots, context)
            print(f"{verdict:8} {mutation.path}: {mutation.does}", flush=True)
            return mutation, verdict, output

        return list(pool.map(report, mutations))


def parse_part(text: str) -> tuple[int, int]:
    """Return the number of a part, from 1, and the number of parts, of "2/3" or "today/3"."""
    if not (found := re.fullmatch(r"(today|[1-9]\d*)/([1-9]\d*)", text)):
        raise argparse.ArgumentTypeError(f"found '{text}', expected I/N, such as 2/3 or today/3")
    count, day = int(found[2]), int(os.environ.get("NIGHTLY_DAY", datetime.date.today().toordinal()))
    part = day % count + 1 if found[1] == "today" else int(found[1])
    if part > count:
        raise argparse.ArgumentTypeError(f"found '{text}', expected at most {count}/{count}")
    return part, count


def choose(only: str = "", part: int = 1, count: int = 1) -> list[Mutation]:
    """Return a part of the mutations whose file or description contains the text `only`."""
    return [x for x in load_mutations() if only in f"{x.path} {x.does}"][part - 1 :: count]


def main() -> None:
    """Run the mutations, print the score, and exit with 1 if one survived that need not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="mutations whose file or description contains this text")
    parser.add_argument("--part", type=parse_part, default=(1, 1), metavar="I/N", help="only part I of N; I may be today")
    parser.add_argument("--jobs", type=int, default=2, help="mutations that are checked at the same time (default: 2)")
    parser.add_argument("--control", action="store_true", help="run the tests of each mutation without it: all must survive")
    parser.add_argument("--verbose", action="store_true", help="print the end of the output of each run of the tests")
    arguments = parser.parse_args()
    chosen = choose(arguments.only, *arguments.part)
    print(f"part {arguments.part[0]}/{arguments.part[1]}: {len(chosen)} mutations", flush=True)
    if arguments.control:
        chosen = [dataclasses.replace(x, new=x.old) for x in {x.tests: x for x in chosen if not x.equivalent}.values()]
    os.environ |= {"OMP_NUM_THREADS": "1", "NIGHTLY_ALL": "1"}
    results = run([x for x in chosen if not x.equivalent], arguments.jobs)
    for mutation, verdict, output in results:
        if verdict == "error" or arguments.verbose:
            print(f"\n{mutation.path}: {mutation.does}\n{output}")
    for mutation in chosen:
        if mutation.equivalent:
            print(f"equivalent {mutation.path}: {mutation.does}: {mutation.equivalent}")
    killed = sum(verdict == "killed" for _, verdict, _ in results)
    print(f"{killed} of {len(results)} mutations killed, {len(chosen) - len(results)} equivalent")
    expected = "survived" if arguments.control else "killed"
    sys.exit(any(verdict != expected for _, verdict, _ in results))


if __name__ == "__main__":
    main()
