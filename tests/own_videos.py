"""Running the commands on one's own videos, each in a process of its own."""

import subprocess
import sys

from conftest import ROOT


def run(folder, script, *arguments):
    """What a command prints, which has to end well."""
    done = subprocess.run(
        [sys.executable, ROOT / script, *map(str, arguments)], cwd=folder, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout
