"""Download the published archives of features and unpack them into the folder `data` of the working directory.

There are three releases of them. features-v2, the default, is of the corrected release of the models: it has all experts and
captions of their full CE, which reads it with data_loader.args.root_feat_folder structured-symlinks. high-quality is of CE+
and TeachText, whose configs read it with root_feat_folder high-quality/structured-symlinks: it has no face, ocr and i3d
features and no openai captions, so that the full CE does not run on it. 2019 is of the models of the first release, whose
configs have no root_feat_folder.

An archive is downloaded to data/features, data/features-v2 or data/high-quality from where it was published or, if that
fails, from where it was moved. It is unpacked if its sha1 is right, which data/<folder>/synced.json (of the other releases
synced-features-v2.json and synced-high-quality.json) records; then the same command does nothing. After a failure or an
interruption, the same command resumes: with the rest of the file, kept as <archive>.part, or from the start if that is
complete and has another sha1. The disk must have room for the archives and for twice their size, to unpack them, which is
checked as far as sizes were published. Archives are handled one after another, up to the first that fails. The exit code is
0 when all are there, 2 after an error, which one line describes, and 130 after Ctrl-C.
"""

import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils import late_imports  # noqa: F401 - first: Ctrl-C is one line from here on

# isort: split
from data_loader.datasets import LAYOUTS
from data_loader.datasets.layout import Layout
from misc.syncing.remote_archive import DATA, DEFAULT_RELEASE, RELEASES, SERVER, RemoteArchive, select_release
from utils.download import UnavailableError, can_resume, compute_sha1, describe_size, fetch, forget_version
from utils.errors import CommandParser, InputError, cli_command
from utils.files import write_json
from utils.progress import size_text
from utils.unpack import check_target, unpack

# Unpacked, the files of Stamps are 1.6 times as large as their archive; 2 is a safe estimate.
UNPACKED_RATIO = 2


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


def check_published(archives: list[RemoteArchive], access_code: str, unchecked: bool) -> None:
    """Raise an InputError for an archive that needs an access code, or that cannot be checked unless that is `unchecked`."""
    for archive in archives:
        name = archive.layout.name
        if archive.is_unpacked() or archive.path.exists():
            continue
        if archive.release.download_of(archive.layout).needs_access_code and not access_code:
            raise InputError(f"--access_code: missing, the archive of {name} needs the code that holders of its license get")
        if not archive.sha1 and not unchecked:
            reason = f"no sum of this archive of {name} was published, so that a wrong or damaged one would not be noticed"
            raise InputError(f"--unchecked: missing, {reason}; the option downloads it nevertheless")


def estimate_bytes(archives: list[RemoteArchive], purge: bool) -> int:
    """Return the approximate number of bytes to download and unpack archives, without those of unknown size."""
    remaining = [archive for archive in archives if not archive.is_unpacked()]
    downloads = []
    for archive in remaining:
        downloaded = archive.part.stat().st_size if archive.part.exists() else 0
        downloads.append(0 if archive.path.exists() else max(0, (archive.size or 0) - downloaded))
    unpacked = UNPACKED_RATIO * sum(archive.size or 0 for archive in remaining)
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
            print(f"{archive.layout.name}: downloading {url}, {describe_size(archive.size)}", flush=True)
            try:
                fetch(url, archive.part, archive.size)
            except UnavailableError as error:
                problems.append(str(error))
                continue
            sha1 = compute_sha1(archive.part)
            if archive.is_right(sha1):
                archive.part.replace(archive.path)
                forget_version(archive.part)
                return sha1
            forget_version(archive.part)
            found = f"{archive.part.stat().st_size:,} bytes with the sha1 {sha1}"
            problems.append(f"{url}: found {found}, expected {' or '.join(archive.sha1)}")
    except KeyboardInterrupt:
        print(f"{archive.layout.name}: {describe_part(archive)}")
        raise
    raise InputError(f"{'; '.join(problems)}; {describe_part(archive)}")


def sync(archive: RemoteArchive, purge: bool) -> None:
    """Download and unpack an archive, unless that is done; raise an InputError if it is not possible."""
    if archive.is_unpacked():
        print(f"{archive.folder}: there already, {archive.describe_use()}")
    else:
        sha1 = compute_sha1(archive.path) if archive.path.exists() else None
        if not archive.is_right(sha1):
            if sha1:
                print(f"{archive.path}: found the sha1 {sha1}, so it is downloaded again")
            sha1 = download(archive)
        archive.record.unlink(missing_ok=True)
        checked = "the sha1 is right" if archive.sha1 else f"not checked, no sum was published (its sha1 is {sha1})"
        print(f"{archive.path}: {checked}, unpacking", flush=True)
        unpack(archive.path, DATA, *(f"{folder.name}/{archive.release.features}" for folder in archive.folders))
        write_json(archive.record, {"sha1": sha1})
        print(f"{archive.folder}: unpacked, {archive.describe_use()}")
    if purge and archive.path.exists():
        archive.path.unlink()
        print(f"{archive.path}: deleted")


def format_list(archives: list[RemoteArchive]) -> str:
    """Return a table of archives; one that was republished has a row for each version."""
    rows = [("dataset", "size", "here", "sha1", "experts")]
    for archive in archives:
        first, *others = archive.sha1 or ("not published",)
        size = "unknown" if archive.size is None else size_text(archive.size)
        experts = ", ".join(archive.layout.experts) if archive.release.root_feat_folder is None else ""
        rows.append((archive.layout.name, size, archive.state(), first, experts))
        rows += [("", "", "", other, "") for other in others]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def format_plan(archive: RemoteArchive) -> str:
    """Describe what syncing an archive would do."""
    lines = [f"{archive.layout.name}, {describe_size(archive.size)}, here: {archive.state()}"]
    if not archive.is_unpacked():
        if not archive.path.exists():
            lines += [f"fetch  {url}" for url in archive.urls]
            lines += [f"to     {archive.path}"]
        unpacked = None if archive.size is None else UNPACKED_RATIO * archive.size
        lines += [f"unpack {archive.folder}, {describe_size(unpacked)}"]
    return "\n    ".join(lines)


@cli_command
def main() -> None:
    """Download and unpack the archives of the command line."""
    first, *rest = __doc__.splitlines()
    parser = CommandParser(description=first, epilog=" ".join(rest))
    names = ", ".join(layout.name for layout in LAYOUTS.values() if layout.download)
    parser.add_argument("--dataset", nargs="+", default=[], metavar="NAME", help=f"some of {names}, or all")
    about = f"one of {', '.join(RELEASES)} (default: %(default)s, of the corrected release)"
    parser.add_argument("--release", default=DEFAULT_RELEASE, metavar="NAME", help=about)
    parser.add_argument("--list", action="store_true", help="only list the archives and their state on this machine")
    parser.add_argument("--dry_run", action="store_true", help="print what would be done; nothing is requested or written")
    parser.add_argument("--purge_tar_file", action="store_true", help="delete an archive once it is unpacked")
    parser.add_argument("--access_code", default="", metavar="CODE", help="what holders of the license of LSMDC got")
    parser.add_argument("--unchecked", action="store_true", help="download also an archive of which no sha1 was published")
    paths = " or ".join(path.format(code="", file="") for x in RELEASES.values() for path in x.locations)
    about = f"address of a mirror with {paths} below it (default: {SERVER}/collaborative-experts or {SERVER}/teachtext)"
    parser.add_argument("--root_url", default="", metavar="URL", help=about)
    args = parser.parse_args()
    release = select_release(args.release)
    published = [layout for layout in release.layouts.values() if release.download_of(layout)]
    layouts = select_layouts(args.dataset or (["all"] if args.list else []), published)
    if args.root_url and not args.root_url.lower().startswith(("http://", "https://")):
        raise InputError(f"--root_url {args.root_url}: expected an address that starts with http:// or https://")
    archives = [RemoteArchive(layout, release, args.root_url, args.access_code) for layout in layouts]
    if args.list:
        print(format_list(archives))
        return
    needed = estimate_bytes(archives, args.purge_tar_file)
    free = shutil.disk_usage(DATA if DATA.exists() else Path()).free
    unknown = ", more for archives of unknown size" if any(archive.size is None for archive in archives) else ""
    balance = f"{size_text(free)} of disk free, about {size_text(needed)} needed to download and unpack{unknown}"
    if args.dry_run:
        print(*(format_plan(archive) for archive in archives), balance, sep="\n")
        return
    check_published(archives, args.access_code, args.unchecked)
    if needed > free:
        raise InputError(f"{DATA}: {balance} ({UNPACKED_RATIO} times the archive)")
    for archive in archives:
        for folder in archive.folders:
            check_target(DATA, folder / release.features)
    for archive in archives:
        sync(archive, args.purge_tar_file)


if __name__ == "__main__":
    main()
