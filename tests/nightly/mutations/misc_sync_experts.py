"""Mutations of the download of archives."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "misc/sync_experts.py",
        "if archive.is_right(sha1):\n                archive",
        "if True:\n                archive",
        "tests/misc/test_sync_experts_failures.py -k wrong_sha1",
        "a download with a wrong sha1 is unpacked",
    ),
    Mutation(
        "misc/sync_experts.py",
        "if not archive.is_right(sha1):\n            if sha1",
        "if sha1 is None:\n            if sha1",
        "tests/misc/test_sync_experts.py -k wrong_existing",
        "an archive with a wrong sha1 that is there is unpacked",
    ),
    Mutation(
        "misc/sync_experts.py",
        "if purge and archive.path.exists():",
        "if archive.path.exists():",
        "tests/misc/test_sync_experts.py -k checked_and_unpacked",
        "an archive is deleted without --purge_tar_file",
    ),
    Mutation(
        "misc/syncing/remote_archive.py",
        "and self.features.is_dir()",
        "",
        "tests/misc/test_sync_experts_unpacking.py -k deleted",
        "features that were deleted are not unpacked again",
    ),
    Mutation(
        "misc/sync_experts.py",
        "(max(downloads, default=0) if purge else sum(downloads))",
        "max(downloads, default=0)",
        "tests/misc/test_sync_experts_checks.py -k disk_space_of_all",
        "too little disk for several archives is noticed late",
    ),
    Mutation(
        "utils/download.py",
        "return starts_there and found.validator in (None, version.validator) and found.size in (None, version.size)",
        "return starts_there",
        "tests/utils/test_download.py -k another",
        "a download resumes with bytes of another version of the file",
    ),
    Mutation(
        "utils/download.py",
        "file.seek(0)\n            file.truncate()",
        "pass",
        "tests/utils/test_download.py -k cannot_resume",
        "a whole file is appended to a part of it",
    ),
    Mutation(
        "utils/download.py",
        "if version.size not in (None, file.tell()):",
        "if False:",
        "tests/utils/test_download.py -k drop",
        "a download that was cut off is taken for complete",
    ),
    Mutation(
        "misc/sync_experts.py",
        "archive.record.unlink(missing_ok=True)",
        "pass",
        "tests/misc/test_sync_experts_unpacking.py -k deleted",
        "features that are replaced in part are taken for unpacked",
    ),
]
