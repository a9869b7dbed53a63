"""Commands for custom videos, each run in a new process."""

import subprocess
import sys

from helpers.paths import ROOT


def run(folder, script, *arguments):
    """Return the output of a command, which must succeed."""
    done = subprocess.run(
        [sys.executable, ROOT / script, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
