"""Fetch the published archives of features and unpack them into the folder `data` of the working directory.

An archive is fetched to data/features from where it was published, or else from where it was moved; its sha1 is checked, and
only then it is unpacked. data/<folder>/synced.json records that, and the same command then does nothing. When a download or
the unpacking fails or is interrupted, the same command goes on: with the rest of the file, kept as <archive>.part, or, if
that is whole and has another sha1, from its start. Before anything is fetched, the disk must have room for the archives and
for twice their size, to unpack them. Archives are handled one after another, up to the first that fails. The exit code is 0
when all are there, 2 when something is wrong, which one line says, and 130 after Ctrl-C.
"""

import argparse
import dataclasses
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Layout
from utils.download import UnavailableError, can_go_on, fetch, forget, sha1_of
from utils.errors import InputError, cli_command
from utils.files import write_json
from utils.progress import size_text
from utils.unpack import check_target, unpack

ROOT_URL = "http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts"
PLACES = ("data", "data-deprecated")  # below the root: where they were published, and where they were moved
DATA = Path("data")
# Files of floats and words took 1.6 times the room of their archive where we measured it (Stamps); two is on the safe side.
UNPACKED = 2


@dataclasses.dataclass(frozen=True)
class Archive:
    """The archive of a dataset: where it is, and what of it is here."""

    layout: Layout

    @property
    def path(self) -> Path:
        """The archive itself."""
        return DATA / "features" / f"{self.layout.folder}-experts.tar.gz"

    @property
    def part(self) -> Path:
        """What of it is fetched."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def record(self) -> Path:
        """What says that it was unpacked, written last."""
        return DATA / self.layout.folder / "synced.json"

    @property
    def features(self) -> Path:
        """The folder that is read by the loaders."""
        return DATA / self.layout.folder / "symlinked-feats"

    @property
    def size(self) -> int:
        """About how many bytes it has."""
        return self.layout.download.size

    @property
    def missing(self) -> int:
        """About how many bytes are to be written to fetch it; those of a part are written over or gone on with."""
        if self.is_unpacked() or self.path.exists():
            return 0
        return max(0, self.size - (self.part.stat().st_size if self.part.exists() else 0))

    def urls(self, root_url: str) -> list[str]:
        """Where it may be, in the order to try."""
        return [f"{root_url.rstrip('/')}/{place}/features/{self.path.name}" for place in PLACES]

    def is_unpacked(self) -> bool:
        """Whether it was unpacked to the end."""
        try:
            return json.loads(self.record.read_text())["sha1"] in self.layout.download.sha1 and self.features.is_dir()
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, KeyError):
            return False

    def state(self) -> str:
        """What of it is here, in a word or two."""
        if self.is_unpacked():
            return "yes"
        if self.path.exists():
            return "archive"
        if self.part.exists():
            return f"{size_text(self.part.stat().st_size)} of it"
        return "unrecorded" if self.features.is_dir() else "no"


def offered() -> list[Archive]:
    """The archives that can be fetched."""
    return [Archive(layout) for layout in LAYOUTS.values() if layout.download]


def chosen(names: list[str]) -> list[Archive]:
    """The archives of datasets by name or folder, each once.

    Raises:
        InputError: there is no such dataset.
    """
    archives = offered()
    choices = ", ".join(archive.layout.name for archive in archives)
    by_name = {name.lower(): [x] for x in archives for name in (x.layout.name, x.layout.folder)} | {"all": archives}
    if not names:
        raise InputError(f"--dataset: missing, expected some of {choices}, or all")
    for name in names:
        if name.lower() not in by_name:
            raise InputError(f"--dataset {name}: no such dataset, expected some of {choices}, or all")
    return list({archive.path: archive for name in names for archive in by_name[name.lower()]}.values())


def room(archives: list[Archive], purge: bool) -> tuple[int, int]:
    """About how many bytes it takes to fetch and unpack archives, and how many the disk has left."""
    rest = [archive for archive in archives if not archive.is_unpacked()]
    fetched = [archive.missing for archive in rest]
    needed = UNPACKED * sum(archive.size for archive in rest) + (max(fetched, default=0) if purge else sum(fetched))
    return needed, shutil.disk_usage(DATA if DATA.exists() else Path()).free


def kept(archive: Archive) -> str:
    """What is left of a download that did not end well."""
    if not archive.part.exists():
        return "nothing was fetched"
    then = "goes on from there" if can_go_on(archive.part) else "starts anew"
    return f"{archive.part} keeps {size_text(archive.part.stat().st_size)}, the same command {then}"


def download(archive: Archive, root_url: str) -> str:
    """Fetch an archive from the first address that has it with the right sha1, which is returned.

    A whole file with another sha1 cannot be gone on with: it is kept to be looked at, and the next call starts anew.

    Raises:
        InputError: no address has it.
    """
    archive.path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    try:
        for url in archive.urls(root_url):
            print(f"{archive.layout.name}: fetching {url}, about {size_text(archive.size)}", flush=True)
            try:
                fetch(url, archive.part, archive.size)
            except UnavailableError as error:
                problems.append(str(error))
                continue
            sha1 = sha1_of(archive.part)
            if sha1 in archive.layout.download.sha1:
                archive.part.replace(archive.path)
                forget(archive.part)
                return sha1
            forget(archive.part)
            found = f"{archive.part.stat().st_size:,} bytes with the sha1 {sha1}"
            problems.append(f"{url}: found {found}, expected {' or '.join(archive.layout.download.sha1)}")
    except KeyboardInterrupt:
        print(f"{archive.layout.name}: {kept(archive)}")
        raise
    raise InputError(f"{'; '.join(problems)}; {kept(archive)}")


def sync(archive: Archive, root_url: str, purge: bool) -> None:
    """Fetch and unpack an archive, or what is left to do of that.

    Raises:
        InputError: no address has it, or it cannot be unpacked.
    """
    folder = archive.record.parent
    if archive.is_unpacked():
        print(f"{folder}: there already")
    else:
        sha1 = sha1_of(archive.path) if archive.path.exists() else None
        if sha1 not in archive.layout.download.sha1:
            if sha1:
                print(f"{archive.path}: found the sha1 {sha1}, so it is fetched again")
            sha1 = download(archive, root_url)
        archive.record.unlink(missing_ok=True)
        print(f"{archive.path}: the sha1 is right, unpacking", flush=True)
        unpack(archive.path, DATA, f"{archive.layout.folder}/{archive.features.name}")
        write_json(archive.record, {"sha1": sha1})
        print(f"{folder}: unpacked")
    if purge and archive.path.exists():
        archive.path.unlink()
        print(f"{archive.path}: deleted")


def listing(archives: list[Archive]) -> str:
    """A table of archives; one that was republished has several rows."""
    rows = [("dataset", "size", "here", "sha1", "experts")]
    for archive in archives:
        first, *others = archive.layout.download.sha1
        experts = ", ".join(archive.layout.experts)
        rows.append((archive.layout.name, size_text(archive.size), archive.state(), first, experts))
        rows += [("", "", "", other, "") for other in others]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def plan(archive: Archive, root_url: str) -> str:
    """What syncing an archive would do."""
    lines = [f"{archive.layout.name}, about {size_text(archive.size)}, here: {archive.state()}"]
    if not archive.is_unpacked():
        if not archive.path.exists():
            lines += [f"fetch  {url}" for url in archive.urls(root_url)]
            lines += [f"to     {archive.path}"]
        lines += [f"unpack {archive.record.parent}, about {size_text(UNPACKED * archive.size)}"]
    return "\n    ".join(lines)


@cli_command
def main() -> None:
    """Fetch and unpack what is asked for."""
    first, *rest = __doc__.splitlines()
    parser = argparse.ArgumentParser(description=first, epilog=" ".join(rest))
    names = ", ".join(archive.layout.name for archive in offered())
    parser.add_argument("--dataset", nargs="+", default=[], metavar="NAME", help=f"some of {names}, or all")
    parser.add_argument("--list", action="store_true", help="only list the archives, and what of them is here")
    parser.add_argument("--dry_run", action="store_true", help="only say what would be done; nothing is asked or written")
    parser.add_argument("--purge_tar_file", action="store_true", help="delete an archive once it is unpacked")
    parser.add_argument(
        "--root_url",
        default=ROOT_URL,
        metavar="URL",
        help=f"of a mirror with {' or '.join(f'{place}/features/' for place in PLACES)} below it (default: %(default)s)",
    )
    args = parser.parse_args()
    archives = chosen(args.dataset or (["all"] if args.list else []))
    if not args.root_url.lower().startswith(("http://", "https://")):
        raise InputError(f"--root_url {args.root_url}: expected an address that starts with http:// or https://")
    if args.list:
        print(listing(archives))
        return
    needed, free = room(archives, args.purge_tar_file)
    balance = f"{size_text(free)} of disk free, about {size_text(needed)} needed to fetch and unpack"
    if args.dry_run:
        print(*(plan(archive, args.root_url) for archive in archives), balance, sep="\n")
        return
    if needed > free:
        raise InputError(f"{DATA}: {balance} ({UNPACKED} times the archive)")
    for archive in archives:
        check_target(DATA, archive.features)
    for archive in archives:
        sync(archive, args.root_url, args.purge_tar_file)


if __name__ == "__main__":
    main()
