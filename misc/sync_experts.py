"""Download the published archives of features and unpack them into the folder `data` of the working directory.

An archive is downloaded to data/features from where it was published or, if that fails, from where it was moved. It is
unpacked if its sha1 is right, which data/<folder>/synced.json records; then the same command does nothing. After a failure
or an interruption, the same command resumes: with the rest of the file, kept as <archive>.part, or from the start if that
is complete and has another sha1. The disk must have room for the archives and for twice their size, to unpack them. Archives
are handled one after another, up to the first that fails. The exit code is 0 when all are there, 2 after an error, which
one line describes, and 130 after Ctrl-C.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Layout
from utils.download import UnavailableError, can_resume, compute_sha1, fetch, forget_version
from utils.errors import InputError, cli_command
from utils.files import write_json
from utils.progress import size_text
from utils.unpack import check_target, unpack

ROOT_URL = "http://www.robots.ox.ac.uk/~vgg/research/collaborative-experts"
LOCATIONS = ("data", "data-deprecated")  # below the root: where archives were published, and where they were moved
DATA = Path("data")
# Unpacked, the files of Stamps are 1.6 times as large as their archive; 2 is a safe estimate.
UNPACKED_RATIO = 2


class RemoteArchive:
    """The published archive of a dataset: its addresses in the order in which they are tried, and its files here."""

    def __init__(self, layout: Layout, root_url: str = ROOT_URL):
        name = f"{layout.folder}-experts.tar.gz"
        self.layout = layout
        self.size = layout.download.size  # approximate bytes
        self.urls = [f"{root_url.rstrip('/')}/{location}/features/{name}" for location in LOCATIONS]
        self.path = DATA / "features" / name
        self.part = DATA / "features" / f"{name}.part"
        self.record = DATA / layout.folder / "synced.json"  # written last
        self.features = DATA / layout.folder / "symlinked-feats"

    def is_unpacked(self) -> bool:
        """Return whether it was unpacked completely."""
        try:
            return json.loads(self.record.read_text())["sha1"] in self.layout.download.sha1 and self.features.is_dir()
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


def select_layouts(names: list[str], published: list[Layout]) -> list[Layout]:
    """Return datasets by name or folder, each once; raise an InputError for unknown names."""
    choices = ", ".join(layout.name for layout in published)
    by_name = {name.lower(): [x] for x in published for name in (x.name, x.folder)} | {"all": published}
    if not names:
        raise InputError(f"--dataset: missing, expected some of {choices}, or all")
    for name in names:
        if name.lower() not in by_name:
            raise InputError(f"--dataset {name}: no such dataset, expected some of {choices}, or all")
    return list({layout.name: layout for name in names for layout in by_name[name.lower()]}.values())


def estimate_bytes(archives: list[RemoteArchive], purge: bool) -> int:
    """Return the approximate number of bytes to download and unpack archives."""
    remaining = [archive for archive in archives if not archive.is_unpacked()]
    downloads = []
    for archive in remaining:
        downloaded = archive.part.stat().st_size if archive.part.exists() else 0
        downloads.append(0 if archive.path.exists() else max(0, archive.size - downloaded))
    unpacked = UNPACKED_RATIO * sum(archive.size for archive in remaining)
    return unpacked + (max(downloads, default=0) if purge else sum(downloads))


def describe_part(archive: RemoteArchive) -> str:
    """Describe what remains of a download that failed or was interrupted."""
    if not archive.part.exists():
        return "nothing was downloaded"
    action = "resumes from there" if can_resume(archive.part) else "starts from the beginning"
    return f"{archive.part} keeps {size_text(archive.part.stat().st_size)}, the same command {action}"


def download(archive: RemoteArchive) -> str:
    """Download an archive from the first address that has it with an expected sha1, and return that sha1.

    A complete file with another sha1 is kept for inspection, and the next call starts from the beginning.
    """
    archive.path.parent.mkdir(parents=True, exist_ok=True)
    problems = []
    try:
        for url in archive.urls:
            print(f"{archive.layout.name}: downloading {url}, about {size_text(archive.size)}", flush=True)
            try:
                fetch(url, archive.part, archive.size)
            except UnavailableError as error:
                problems.append(str(error))
                continue
            sha1 = compute_sha1(archive.part)
            if sha1 in archive.layout.download.sha1:
                archive.part.replace(archive.path)
                forget_version(archive.part)
                return sha1
            forget_version(archive.part)
            found = f"{archive.part.stat().st_size:,} bytes with the sha1 {sha1}"
            problems.append(f"{url}: found {found}, expected {' or '.join(archive.layout.download.sha1)}")
    except KeyboardInterrupt:
        print(f"{archive.layout.name}: {describe_part(archive)}")
        raise
    raise InputError(f"{'; '.join(problems)}; {describe_part(archive)}")


def sync(archive: RemoteArchive, purge: bool) -> None:
    """Download and unpack an archive, unless that is done; raise an InputError if it is not possible."""
    folder = archive.record.parent
    if archive.is_unpacked():
        print(f"{folder}: there already")
    else:
        sha1 = compute_sha1(archive.path) if archive.path.exists() else None
        if sha1 not in archive.layout.download.sha1:
            if sha1:
                print(f"{archive.path}: found the sha1 {sha1}, so it is downloaded again")
            sha1 = download(archive)
        archive.record.unlink(missing_ok=True)
        print(f"{archive.path}: the sha1 is right, unpacking", flush=True)
        unpack(archive.path, DATA, f"{archive.layout.folder}/{archive.features.name}")
        write_json(archive.record, {"sha1": sha1})
        print(f"{folder}: unpacked")
    if purge and archive.path.exists():
        archive.path.unlink()
        print(f"{archive.path}: deleted")


def format_list(archives: list[RemoteArchive]) -> str:
    """Return a table of archives; one that was republished has a row for each version."""
    rows = [("dataset", "size", "here", "sha1", "experts")]
    for archive in archives:
        first, *others = archive.layout.download.sha1
        experts = ", ".join(archive.layout.experts)
        rows.append((archive.layout.name, size_text(archive.size), archive.state(), first, experts))
        rows += [("", "", "", other, "") for other in others]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def format_plan(archive: RemoteArchive) -> str:
    """Describe what syncing an archive would do."""
    lines = [f"{archive.layout.name}, about {size_text(archive.size)}, here: {archive.state()}"]
    if not archive.is_unpacked():
        if not archive.path.exists():
            lines += [f"fetch  {url}" for url in archive.urls]
            lines += [f"to     {archive.path}"]
        lines += [f"unpack {archive.record.parent}, about {size_text(UNPACKED_RATIO * archive.size)}"]
    return "\n    ".join(lines)


@cli_command
def main() -> None:
    """Download and unpack the archives of the command line."""
    first, *rest = __doc__.splitlines()
    parser = argparse.ArgumentParser(description=first, epilog=" ".join(rest))
    published = [layout for layout in LAYOUTS.values() if layout.download]
    names = ", ".join(layout.name for layout in published)
    parser.add_argument("--dataset", nargs="+", default=[], metavar="NAME", help=f"some of {names}, or all")
    parser.add_argument("--list", action="store_true", help="only list the archives and their state on this machine")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done; nothing is requested or written")
    parser.add_argument("--purge_tar_file", action="store_true", help="delete an archive once it is unpacked")
    paths = " or ".join(f"{location}/features/" for location in LOCATIONS)
    about = f"address of a mirror with {paths} below it (default: %(default)s)"
    parser.add_argument("--root_url", default=ROOT_URL, metavar="URL", help=about)
    args = parser.parse_args()
    layouts = select_layouts(args.dataset or (["all"] if args.list else []), published)
    if not args.root_url.lower().startswith(("http://", "https://")):
        raise InputError(f"--root_url {args.root_url}: expected an address that starts with http:// or https://")
    archives = [RemoteArchive(layout, args.root_url) for layout in layouts]
    if args.list:
        print(format_list(archives))
        return
    needed = estimate_bytes(archives, args.purge_tar_file)
    free = shutil.disk_usage(DATA if DATA.exists() else Path()).free
    balance = f"{size_text(free)} of disk free, about {size_text(needed)} needed to download and unpack"
    if args.dry_run:
        print(*(format_plan(archive) for archive in archives), balance, sep="\n")
        return
    if needed > free:
        raise InputError(f"{DATA}: {balance} ({UNPACKED_RATIO} times the archive)")
    for archive in archives:
        check_target(DATA, archive.features)
    for archive in archives:
        sync(archive, args.purge_tar_file)


if __name__ == "__main__":
    main()
