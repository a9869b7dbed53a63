"""Tiny archives in the layouts of the published datasets, written from their specification.

    benchmark = write_benchmark("MSVD", tmp_path)

writes `tmp_path/data/MSVD/symlinked-feats/` with the file names, types and oddities of the published archive, and says what
is in it. The file names are typed here once more, so that `data_loader.datasets` is compared with another reading of it.
"""

import copy
import functools
import tempfile
from pathlib import Path

from helpers.published_layouts.activity_net import write_activity_net
from helpers.published_layouts.benchmark import Benchmark
from helpers.published_layouts.didemo import write_didemo
from helpers.published_layouts.lsmdc import write_lsmdc
from helpers.published_layouts.msrvtt import write_msrvtt
from helpers.published_layouts.msvd import write_msvd

WRITERS = {
    "ActivityNet": ("activity-net", write_activity_net),
    "DiDeMo": ("didemo", write_didemo),
    "LSMDC": ("LSMDC", write_lsmdc),
    "MSRVTT": ("MSRVTT", write_msrvtt),
    "MSVD": ("MSVD", write_msvd),
}


def write_benchmark(
    name: str, root: Path, num_train: int = 16, num_val: int = 8, num_test: int = 8, seed: int = 0
) -> Benchmark:
    """Write the archive of dataset `name` below `root`/data.

    Args:
        num_train, num_val, num_test: how many videos are in the lists (of MSR-VTT: in those of the full split).
        seed: of all the random content.
    """
    written, files = _write_once(name, num_train, num_val, num_test, seed)
    benchmark = copy.deepcopy(written)
    benchmark.folder = root / "data" / WRITERS[name][0] / "symlinked-feats"
    for path, content in files.items():
        (benchmark.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (benchmark.folder / path).write_bytes(content)
    return benchmark


@functools.cache
def _write_once(name: str, *sizes_and_seed: int) -> tuple[Benchmark, dict[Path, bytes]]:
    """Return an archive and its files: the old formats are slow to write."""
    with tempfile.TemporaryDirectory() as folder:
        benchmark = Benchmark(name, Path(folder))
        WRITERS[name][1](benchmark, *sizes_and_seed)
        paths = [path for path in Path(folder).rglob("*") if path.is_file()]
        return benchmark, {path.relative_to(folder): path.read_bytes() for path in paths}
