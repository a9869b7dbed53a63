"""Ranking pages with odd names, and a server of them, for tests in a browser."""

import contextlib
import functools
import http.server
import shutil
import threading

from helpers.browser import ATTACK, ODD_IDS
from helpers.ranking_pages import make_page_data, write_clip

from utils.visualizer import Visualizer

WITHOUT_CLIP = {"../outside"}
NUM_QUERIES = 60


def write_pages(folder):
    """Write `page`, with odd ids and clips, and `many`, leaky and without clips, to `folder`; return the folder."""
    write_clip(folder / "outside.webm")
    for name in ODD_IDS:
        if name not in WITHOUT_CLIP:
            (folder / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "outside.webm", folder / "clips" / f"{name}.webm")
    captions = [[f"a caption of {name}", f"{ATTACK} {v}", "Ünïcode \u2028 100% \udc80"] for v, name in enumerate(ODD_IDS)]
    page = Visualizer(str(folder / "clips"), folder=folder / "page", name=f"toy {ATTACK}", similarity="pairwise")
    for epoch in (1, 2):
        data = make_page_data(num_videos=8, seed=epoch, ids=ODD_IDS, captions=captions, weighted=epoch > 1)
        page.show(data, epoch, "val")
    many = Visualizer(num_samples=NUM_QUERIES, folder=folder / "many", name="many", similarity="paired-2019")
    many.show(make_page_data(num_videos=70), 1, "val")
    return folder


@contextlib.contextmanager
def serve(folder):
    """Serve `folder` as `python -m http.server` does, and yield the address."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            """Print nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder))
    server.handle_error = lambda *_: None  # browsers close connections early
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for_status(page, text):
    page.wait_for_function("text => document.querySelector('#status').textContent === text", arg=text)
