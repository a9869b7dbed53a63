"""A collection of videos with odd ids, for tests of the search page in a browser."""

import shutil

from helpers.browser import ATTACK, ODD_IDS
from helpers.ranking_pages import write_clip
from helpers.search_pages import StubSearcher

WITHOUT_CLIP = "../outside"
WORDS = {"ocr": ["SALE", "Bird!", ATTACK], "speech": [f"word{i}" for i in range(90)] + ["ＢＩＲＤ", "sings"]}
BROKEN = "broken"
IDS = [*ODD_IDS, BROKEN, *(f"more{i}" for i in range(20))]
FOCUS = "document.activeElement"


def make_searcher(folder):
    """Write clips to `folder`, and return a searcher of them."""
    write_clip(folder / "clip.webm", frames=48, sound=True)
    for name in IDS:
        if name != WITHOUT_CLIP:
            (folder / "videos" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / "clip.webm", folder / "videos" / f"{name}.webm")
    (folder / "videos" / f"{BROKEN}.webm").write_bytes(b"no clip at all")
    captions = {name: [f"a caption of {name}", ATTACK, "100% \udc80"] for name in ODD_IDS}
    searcher = StubSearcher(folder, IDS, captions, dict.fromkeys(ODD_IDS, WORDS))
    searcher.folder = folder
    return searcher


def load(page, selector="video"):
    """Return the first player of the page once it shows a picture."""
    player = page.locator(selector).first.element_handle()
    page.wait_for_function("player => player.readyState >= 2 && player.videoWidth === 64", arg=player)
    return player
