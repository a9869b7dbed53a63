"""The ranking page of a run, written file by file."""

import dataclasses
import json
import logging
import shlex
from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jinja2

from utils.files import write_bytes, write_json
from utils.visualizer.content import PageData, page_content
from utils.visualizer.videos import find_videos, link_videos

FOLDER = Path(__file__).parent
ASSETS = ("page.css", "clips.js", "cards.js", "page.js")

logger = logging.getLogger(__name__)


@dataclasses.dataclass(eq=False)
class Visualizer:
    """Writer of the ranking page of a run, to which each evaluation shown is added.

    The folder of the page holds `index.html`, its styles and scripts, `data/<n>.js` for each evaluation, their list
    `data/evaluations.json`, and `videos`, a link to the clips. Every file is written atomically, before the files that refer
    to it. If the page cannot be written, a warning is logged and training continues.
    """

    src_video_dir: str | None = None  # the folder of the clips, which are named by video ids (None: no clips)
    vis_vid_freq: int = 1  # during training, only epochs that are a multiple of this are shown
    num_samples: int = 100  # the number of queries to show in each direction
    _: dataclasses.KW_ONLY
    folder: Path  # the folder of the page, created if necessary
    name: str  # the title of the page
    similarity: str  # the name of the similarity of captions and videos
    l2renorm: bool = False  # whether the similarity is divided by lengths instead of the sum of weights
    v2t_ties: str = "expected"  # or "published", the rule for ties of v2t ranks, see model.metric.v2t_ranks
    _written: bool = dataclasses.field(default=False, init=False)

    def show_epoch(self, data: PageData, epoch: int, split: str) -> None:
        """Show the evaluation after an epoch of training, if `vis_vid_freq` selects the epoch."""
        if epoch % self.vis_vid_freq == 0:
            first = not self._written
            self.show(data, epoch, split)
            if first:
                self.announce()

    def show(self, data: PageData, epoch: int, split: str) -> None:
        """Add an evaluation to the page, and make it the one that the page shows first."""
        evaluation = {
            "split": split,
            "epoch": epoch,
            "similarity": self.similarity,
            "leaky": self.similarity == "paired-2019",
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
        if self._written:
            serve = f"python -m http.server 9999 --directory {shlex.quote(str(self.folder))}"
            logger.info("page: %s (open it in a browser; over a network: %s)", self.folder / "index.html", serve)

    def _write_files(self, evaluation: Mapping[str, Any]) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        if self._addresses:
            link_videos(self.folder, Path(self.src_video_dir))
        for name in ASSETS:
            write_bytes(self.folder / name, (FOLDER / name).read_bytes())
        shown, numbers = (evaluation["split"], evaluation["epoch"]), self._read_numbers()
        number = numbers.pop(shown, max(numbers.values(), default=0) + 1)
        write_bytes(self.folder / "data" / f"{number}.js", script("registerEvaluation", number, evaluation))
        numbers[shown] = number  # moved to the end: the page shows it first
        entries = [{"number": n, "split": split, "epoch": epoch} for (split, epoch), n in numbers.items()]
        write_json(self.folder / "data" / "evaluations.json", entries)
        entries.sort(key=lambda entry: (entry["epoch"], entry["number"]))
        settings = {key: getattr(self, key) for key in ("name", "similarity", "l2renorm", "v2t_ties")}
        html = render(FOLDER / "index.html.j2", **settings, evaluations=entries, latest=number)
        write_bytes(self.folder / "index.html", html.encode("utf-8", "replace"))

    def _read_numbers(self) -> dict[tuple[str, int], int]:
        """Return the number of each evaluation of the page by split and epoch, in the order of writing."""
        path = self.folder / "data" / "evaluations.json"
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
            return {(entry["split"], entry["epoch"]): entry["number"] for entry in entries}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            logger.warning("%s: damaged, the page starts anew", path)
            return {}

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """The addresses of the clips; without clips, one line is logged."""
        key = "visualizer.args.src_video_dir"
        videos = {} if self.src_video_dir is None else find_videos(Path(self.src_video_dir))
        if self.src_video_dir is None:
            logger.info("page: no clips to play; set %s to the folder that holds them", key)
        elif not videos:
            logger.info("page: no clips to play; %s is '%s', expected a folder that holds them", key, self.src_video_dir)
        return videos


@cache
def _environment(folder: Path) -> jinja2.Environment:
    """Return the environment of the templates in `folder`, which compiles each of them once per process."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def template(path: Path) -> jinja2.Template:
    """Load an HTML template, which may include the parts in this folder."""
    return _environment(path.parent).get_template(path.name)


def render(path: Path, **context: object) -> str:
    """Render an HTML template with `context`."""
    return template(path).render(context)


def script(function: str, *arguments: object) -> bytes:
    """Return a script that calls a function with `arguments`: a page opened as a file may load scripts, but not JSON."""
    text = ", ".join(json.dumps(x, separators=(",", ":"), allow_nan=False) for x in arguments)  # ASCII, so no U+2028 either
    return f"{function}({text});\n".replace("<", "\\u003c").encode()
