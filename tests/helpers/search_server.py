"""`misc/search.py serve` in a process."""

import functools
import re
import signal
import socket
import subprocess
import sys

from helpers.paths import ROOT
from helpers.search_pages import fetch_json
from helpers.waiting_search import RESUME


def assert_signal_ends_server(number, code, word):
    """Start a server of the built index, ask it, and end it by a signal while a connection is open."""
    command = [sys.executable, ROOT / "misc" / "search.py", "serve", *RESUME, "--port", "0", "--channels", "trained"]
    sigint = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background job ignores Ctrl-C
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=sigint) as process:
        try:
            line = next(line for line in process.stderr if "page" in line)  # FAISS logs how it was loaded first
            address = re.fullmatch(r"search page of Toy: http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", line)
            assert address, line
            port = int(address[1])
            assert fetch_json(port, "/api/video", id="video0")[0] == 200
            status, found = fetch_json(port, "/api/search", q="bird")
            assert status == 400 and "text encoder 'stub'" in found["error"]
            with socket.create_connection(("127.0.0.1", port)):
                process.send_signal(number)
                rest = process.stderr.read()
            assert (process.wait(30), rest.splitlines()[-1]) == (code, word) and "Traceback" not in rest
        finally:
            process.kill()
