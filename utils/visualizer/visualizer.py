"""The ranking page of a run, written file by file."""

import json
import logging
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from utils.files import write_bytes, write_json
from utils.visualizer.content import PageData, page_content
from utils.visualizer.videos import find_videos, link_videos

FOLDER = Path(__file__).parent
ASSETS = ("page.css", "clips.js", "cards.js", "page.js")
LEAKY = "paired-2019"

logger = logging.getLogger(__name__)


class Visualizer:
    """Writer of the ranking page of a run, to which each evaluation shown is added.

    The folder of the page holds `index.html`, its styles and scripts, `data/<n>.js` for each evaluation, their list
    `data/evaluations.json`, and `videos`, a link to the clips. Every file is written atomically, before the files that refer
    to it. If the page cannot be written, a warning is logged and training continues.

    Args:
        src_video_dir: the folder of the clips, which are named by video ids (None: no clips).
        vis_vid_freq: during training, only epochs that are a multiple of this are shown.
        num_samples: the number of queries to show in each direction.
        folder: the folder of the page, created if necessary.
        name: the title of the page.
        similarity: the name of the similarity of captions and videos.
        l2renorm: True if the similarity is divided by lengths, False if it is divided by the sum of weights.
        v2t_ties: the rule for ties in video-to-text ranks, "expected" or "published".
    """

    def __init__(
        self,
        src_video_dir: str | None = None,
        vis_vid_freq: int = 1,
        num_samples: int = 100,
        *,
        folder: Path,
        name: str,
        similarity: str,
        l2renorm: bool = False,
        v2t_ties: str = "expected",
    ):
        self.src_video_dir = src_video_dir
        self.vis_vid_freq = vis_vid_freq
        self.num_samples = num_samples
        self.folder = folder
        self.settings = {"name": name, "similarity": similarity, "l2renorm": l2renorm, "v2t_ties": v2t_ties}
        self._written = False

    def show_epoch(self, data: PageData, epoch: int, split: str) -> None:
        """Show the evaluation after an epoch of training, if `vis_vid_freq` selects the epoch."""
        if epoch % self.vis_vid_freq == 0:
            first = not self._written
            self.show(data, epoch, split)
            if first:
                self.announce()

    def show(self, data: PageData, epoch: int, split: str) -> None:
        """Add an evaluation to the page, and make it the one that the page shows first."""
        similarity = self.settings["similarity"]
        evaluation = {
            "split": split,
            "epoch": epoch,
            "similarity": similarity,
            "leaky": similarity == LEAKY,
            "num_videos": len(data.video_ids),
            "num_captions": sum(map(len, data.captions)),
            **page_content(data, self._addresses, self.num_samples),
        }
        try:
            self._write_files(evaluation)
            self._written = True
        except OSError as error:
            logger.warning("page: %s cannot be written (%s)", error.filename or self.folder, error.strerror or error)

    def announce(self) -> None:
        """Log the path of the page, if one was written."""
        if not self._written:
            return
        serve = f"python -m http.server 9999 --directory {shlex.quote(str(self.folder))}"
        logger.info("page: %s (open it in a browser; over a network: %s)", self.folder / "index.html", serve)

    def _write_files(self, evaluation: Mapping[str, Any]) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        if self._addresses:
            link_videos(self.folder, Path(self.src_video_dir))
        for name in ASSETS:
            write_bytes(self.folder / name, (FOLDER / name).read_bytes())
        entry = {"split": evaluation["split"], "epoch": evaluation["epoch"]}
        entries = self._read_entries()
        replaced = [other for other in entries if other | entry == other]
        number = replaced[0]["number"] if replaced else max((other["number"] for other in entries), default=0) + 1
        write_bytes(self.folder / "data" / f"{number}.js", script("registerEvaluation", number, evaluation))
        entries = [*(other for other in entries if other not in replaced), {"number": number, **entry}]
        write_json(self.folder / "data" / "evaluations.json", entries)
        entries.sort(key=lambda other: (other["epoch"], other["number"]))
        html = render(FOLDER / "index.html.j2", **self.settings, evaluations=entries, latest=number)
        write_bytes(self.folder / "index.html", html.encode("utf-8", "replace"))

    def _read_entries(self) -> list[dict[str, Any]]:
        """Return {number, split, epoch} of each evaluation of the page, in the order of writing."""
        path = self.folder / "data" / "evaluations.json"
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            return [{key: entry[key] for key in ("number", "split", "epoch")} for entry in entries]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            logger.warning("%s: damaged, the page starts anew", path)
            return []

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """The addresses of the clips; without clips, one line is logged."""
        key = "visualizer.args.src_video_dir"
        if self.src_video_dir is None:
            logger.info("page: no clips to play; set %s to the folder that holds them", key)
            return {}
        videos = find_videos(Path(self.src_video_dir))
        if not videos:
            logger.info("page: no clips to play; %s is '%s', expected a folder that holds them", key, self.src_video_dir)
        return videos


def template(path: Path) -> jinja2.Template:
    """Load an HTML template, which may include the parts in this folder."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([path.parent, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(path.name)


def render(path: Path, **context: object) -> str:
    """Render an HTML template with `context`."""
    return template(path).render(context)


def script(function: str, *arguments: object) -> bytes:
    """Return a script that calls a function with `arguments`: a page opened as a file may load scripts, but not JSON."""
    text = ", ".join(json.dumps(x, separators=(",", ":"), allow_nan=False) for x in arguments)  # ASCII, so no U+2028 either
    return f"{function}({text});\n".replace("<", "\\u003c").encode()
