"""Writing the ranking page of a run."""

import json
import logging
import shlex
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2

from base.experiment import Experiment
from parse_config import ConfigParser
from utils.files import atomic_write, write_json
from utils.visualizer.content import page_content
from utils.visualizer.videos import find_videos, link_videos

if TYPE_CHECKING:  # the trainer imports this
    from trainer.evaluation import Evaluation

FOLDER = Path(__file__).parent
ASSETS = ("page.css", "clips.js", "cards.js", "page.js")
LEAKY = "paired-2019"

logger = logging.getLogger(__name__)


class Visualizer:
    """Writes the ranking page of a run, to which each evaluation shown is added.

    The folder of the page holds `index.html`, its style and script, `data/<n>.js` for each evaluation, their list
    `data/evaluations.json`, and `videos`, a link to the clips. Every file is there whole or not at all, and is written
    before any that refers to it. A page that cannot be written is a warning: no training ends for it.

    Args:
        src_video_dir: the folder of the clips, named by the ids of their videos (None: there are none).
        vis_vid_freq: of the epochs of a training, each that is a multiple of this is shown.
        num_samples: how many queries are shown in each direction.
        folder: of the page; it need not be there.
        name: what the page calls the run.
        similarity: by which captions and videos were compared.
        l2renorm: whether it divides by lengths instead of by the sum of weights.
        v2t_ties: the rule for ties of `model.metric.v2t_ranks`.
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
        self.name = name
        self.similarity = similarity
        self.l2renorm = l2renorm
        self.v2t_ties = v2t_ties
        self._written = False

    @classmethod
    def of_run(cls, config: ConfigParser, experiment: Experiment) -> "Visualizer | None":
        """The one that `config` asks for, or None."""
        if "visualizer" not in config:
            return None
        args = config["arch"]["args"]
        score = {"similarity": args.get("similarity", "pairwise"), "l2renorm": args.get("l2renorm", False)}
        name, ties = f"{experiment.name} {experiment.run}", config.get("v2t_ties") or "expected"
        return cls(**config["visualizer"]["args"], folder=experiment.web, name=name, v2t_ties=ties, **score)

    def show_epoch(self, evaluation: "Evaluation", epoch: int, split: str) -> None:
        """Show the evaluation after an epoch of training, if it is one of those to be shown."""
        if epoch % self.vis_vid_freq == 0:
            first = not self._written
            self.show(evaluation, epoch, split)
            if first:
                self.announce()

    def show(self, evaluation: "Evaluation", epoch: int, split: str) -> None:
        """Show an evaluation."""
        self._written |= self._write(evaluation, epoch, split)

    def announce(self) -> None:
        """Log where the page is, if one was written."""
        if not self._written:
            return
        serve = f"python -m http.server 9999 --directory {shlex.quote(str(self.folder))}"
        logger.info("page: %s (open it in a browser; over a network: %s)", self.folder / "index.html", serve)

    def _write(self, evaluation: "Evaluation", epoch: int, split: str) -> bool:
        """Write the page with an evaluation more, which it opens with: whether that went well."""
        about = {
            "split": split,
            "epoch": epoch,
            "similarity": self.similarity,
            "leaky": self.similarity == LEAKY,
            "num_videos": len(evaluation.video_ids),
            "num_captions": sum(map(len, evaluation.raw_captions)),
        }
        content = {**about, **page_content(evaluation, self._addresses, self.num_samples)}
        try:
            self._write_files(about, content)
        except OSError as error:
            logger.warning("page: %s cannot be written (%s)", error.filename or self.folder, error.strerror or error)
            return False
        return True

    def _write_files(self, about: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        if self._addresses:
            link_videos(self.folder, Path(self.src_video_dir))
        for name in ASSETS:
            write_bytes(self.folder / name, (FOLDER / name).read_bytes())
        listed = self._listed()
        same = [entry for entry in listed if (entry["split"], entry["epoch"]) == (about["split"], about["epoch"])]
        number = same[0]["number"] if same else max((entry["number"] for entry in listed), default=0) + 1
        write_bytes(self.folder / "data" / f"{number}.js", script("registerEvaluation", number, content))
        latest = {"number": number, "split": about["split"], "epoch": about["epoch"]}
        listed = [*(entry for entry in listed if entry not in same), latest]
        write_json(self.folder / "data" / "evaluations.json", listed)
        write_bytes(self.folder / "index.html", self._page(listed).encode("utf-8", "replace"))

    def _page(self, evaluations: list[dict[str, Any]]) -> str:
        """The page itself, which loads the evaluations one by one.

        Args:
            evaluations: {number, split, epoch}; it opens with the last.
        """
        return render(
            FOLDER / "index.html.j2",
            name=self.name,
            similarity=self.similarity,
            l2renorm=self.l2renorm,
            v2t_ties=self.v2t_ties,
            evaluations=sorted(evaluations, key=lambda entry: (entry["epoch"], entry["number"])),
            latest=evaluations[-1]["number"],
        )

    def _listed(self) -> list[dict[str, Any]]:
        """The evaluations that the page shows already, in the order of writing: those of a run that was interrupted, too."""
        path = self.folder / "data" / "evaluations.json"
        try:
            listed = json.loads(path.read_text(encoding="utf-8"))
            return [{key: entry[key] for key in ("number", "split", "epoch")} for entry in listed]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            logger.warning("%s: damaged, the page starts anew", path)
            return []

    @cached_property
    def _addresses(self) -> dict[str, str]:
        """The clips there are; a log line says so once if there are none."""
        key = "visualizer.args.src_video_dir"
        if self.src_video_dir is None:
            logger.info("page: no clips to play; set %s to the folder that holds them", key)
            return {}
        videos = find_videos(Path(self.src_video_dir))
        if not videos:
            logger.info("page: no clips to play; %s is '%s', expected a folder that holds them", key, self.src_video_dir)
        return videos


def template(path: Path) -> jinja2.Template:
    """The HTML template in a file; it may take its parts from those here."""
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
    """What an HTML template makes of `context`."""
    return template(path).render(context)


def script(function: str, *arguments: object) -> bytes:
    """A script that hands `arguments` to a function: a page that is opened as a file may load scripts, but no JSON."""
    text = ", ".join(json.dumps(x, separators=(",", ":"), allow_nan=False) for x in arguments)  # ASCII, so no U+2028 either
    return f"{function}({text});\n".replace("<", "\\u003c").encode()


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of a page, atomically."""
    with atomic_write(path) as file:
        file.write(content)
