"""Archives that unpack to far more than their size."""

import gzip
import io
import tarfile

import pytest

from utils.errors import InputError
from utils.unpack import unpack

FEATS = "MSVD/symlinked-feats"
MIB = 1 << 20


def archive_of(path, *sizes):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for number, size in enumerate(sizes):
            member = tarfile.TarInfo(f"data/{FEATS}/{number}")
            member.size = size
            tar.addfile(member, io.BytesIO(bytes(size)))
    path.write_bytes(gzip.compress(content.getvalue(), 1))
    return path


@pytest.mark.parametrize("sizes", [[66 * MIB], [17 * MIB] * 4], ids=["one file", "files"])
def test_an_archive_of_zeros_is_refused_and_leaves_nothing(tmp_path, sizes):
    """A small archive may unpack to 64 MiB."""
    archive = archive_of(tmp_path / "x.tar.gz", *sizes)
    with pytest.raises(InputError, match="refused, it unpacks to more than 50 times its size"):
        unpack(archive, tmp_path / "data", FEATS)
    assert list((tmp_path / "data").iterdir()) == []


def test_an_archive_within_the_limit_is_unpacked(tmp_path):
    unpack(archive_of(tmp_path / "x.tar.gz", 20 * MIB), tmp_path / "data", FEATS)
    assert (tmp_path / "data" / FEATS / "0").stat().st_size == 20 * MIB
