"""The published archives of features: their releases, their addresses on the server, and their files here."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from data_loader.datasets import CORRECTED_LAYOUTS, LAYOUTS
from data_loader.datasets.layout import Download, Layout
from utils.errors import InputError
from utils.progress import size_text

ROOT = Path(__file__).resolve().parent.parent.parent
SERVER = "http://www.robots.ox.ac.uk/~vgg/research"
DATA = Path("data")
ACCESS_CODE_DIGITS = 10  # of its sha256, in the name of an archive


@dataclasses.dataclass(frozen=True)
class Release:
    """A release of archives.

    Attributes:
        root_url: the address on the server.
        locations: where archives are below it, in the order in which they are tried: `{code}<name>-experts.tar.gz`.
        downloads: the folder of archives below `data`.
        features: the folder of features below `data/<folder of the dataset>`.
        record: the file there that says which archive was unpacked.
        config: the name of a config that reads them, in `configs/<dataset>`.
        layouts: the datasets by name.
    """

    root_url: str
    locations: tuple[str, ...]
    downloads: str
    features: str
    record: str
    config: str
    layouts: Mapping[str, Layout]

    def download_of(self, layout: Layout) -> Download | None:
        """Return the archive of a dataset, None if there is none."""
        return layout.download if self.layouts is LAYOUTS else layout.downloads.get(self.downloads)

    @property
    def root_feat_folder(self) -> str | None:
        """Return the `data_loader.args.root_feat_folder` of configs that read the archives."""
        return None if self.layouts is LAYOUTS else self.features


RELEASES = {
    "2019": Release(
        f"{SERVER}/collaborative-experts",
        ("data/features/{file}", "data-deprecated/features/{file}"),
        "features",
        "symlinked-feats",
        "synced.json",
        "train-full-ce",
        LAYOUTS,
    ),
    "features-v2": Release(
        f"{SERVER}/collaborative-experts",
        ("data/features-v2/{code}{file}",),
        "features-v2",
        "structured-symlinks",
        "synced-features-v2.json",
        "train-full-ce-2020",
        CORRECTED_LAYOUTS,
    ),
    "high-quality": Release(
        f"{SERVER}/teachtext",
        ("data-hq/high-quality/{code}high-quality-{file}",),
        "high-quality",
        "high-quality/structured-symlinks",
        "synced-high-quality.json",
        "train-ce-plus-2020",
        CORRECTED_LAYOUTS,
    ),
}
DEFAULT_RELEASE = "features-v2"
CHALLENGES = ("challenge-release-1", "challenge-release-2")


class RemoteArchive:
    """The published archive of a dataset: its addresses in the order in which they are tried, and its files here."""

    def __init__(self, layout: Layout, release: Release = RELEASES["2019"], root_url: str = "", access_code: str = ""):
        self.layout, self.release = layout, release
        published = release.download_of(layout)
        self.size, self.sha1 = published.size, published.sha1  # approximate bytes, and the sums of all versions
        root = (root_url or release.root_url).rstrip("/")
        digest = hashlib.sha256(access_code.encode()).hexdigest()[:ACCESS_CODE_DIGITS]
        codes = [f"{digest}-"] if published.needs_access_code else [f"{digest}-", ""] if access_code else [""]
        names = (layout.folder, *published.other_names)
        files = [(code, f"{name}-experts.tar.gz") for code in codes for name in names]
        paths = [place.format(code=code, file=file) for place in release.locations for code, file in files]
        self.urls = [f"{root}/{path}" for path in dict.fromkeys(paths)]
        self.path = DATA / release.downloads / f"{layout.folder}-experts.tar.gz"
        self.part = self.path.with_name(f"{self.path.name}.part")
        self.folders = [DATA / name for name in names]  # where it may be unpacked to, as its members say

    @property
    def folder(self) -> Path:
        """Return the folder of the dataset here: that with the features, or else the first one."""
        return next((folder for folder in self.folders if (folder / self.release.features).is_dir()), self.folders[0])

    @property
    def record(self) -> Path:
        """Return the path of the record, which is written last."""
        return self.folder / self.release.record

    @property
    def features(self) -> Path:
        """Return the folder of features."""
        return self.folder / self.release.features

    def is_right(self, sha1: str | None) -> bool:
        """Return whether a file with this sum is the archive; any is if no sum was published."""
        return sha1 in self.sha1 or (not self.sha1 and sha1 is not None)

    def is_unpacked(self) -> bool:
        """Return whether it was unpacked completely."""
        try:
            return self.is_right(json.loads(self.record.read_text())["sha1"]) and self.features.is_dir()
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return False

    def state(self) -> str:
        """Return the state on this machine in a few words."""
        if self.is_unpacked():
            return "yes"
        if self.path.exists():
            return "archive"
        if self.part.exists():
            return f"{size_text(self.part.stat().st_size)} of it"
        return "unrecorded" if self.features.is_dir() else "no"

    def describe_use(self) -> str:
        """Describe how a config reads the features."""
        config = Path("configs", self.layout.folder.lower(), f"{self.release.config}.json")
        settings = []
        if not (ROOT / config).exists():
            config = "<config>"
            settings = [f"data_loader.args.root_feat_folder={self.release.root_feat_folder}"]
        if self.folder != self.folders[0]:
            settings.append(f"data_loader.args.data_dir={self.folder}")
        return f"next: python train.py --config {config}{''.join(f' --set {setting}' for setting in settings)}"


def select_release(name: str) -> Release:
    """Return a release by name; raise an InputError for others."""
    expected = f"expected one of {', '.join(RELEASES)}"
    if name in CHALLENGES:
        reason = "its lists are of the closed server of the challenge, and no sums were published"
        raise InputError(f"--release {name}: not supported, {reason}; {expected}")
    if name not in RELEASES:
        raise InputError(f"--release {name}: no such release, {expected}")
    return RELEASES[name]
