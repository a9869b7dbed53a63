"""Valid files of every kind, their random mutations, and how they are read."""

import gzip
import io
import json
import os
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import h5py
import msgpack
import msgpack_numpy
import numpy as np
import torch
from helpers.hostile.checkpoints import STATE
from helpers.readers import READERS, features, load_state, unpacked
from helpers.toy_archive import CONFIG

from parse_config import ConfigParser
from trainer.build import build_lr_scheduler, build_model, build_optimizer
from utils.errors import InputError

INTERESTING = (0, 1, 0x7F, 0x80, 0xFF)


def mutated(data: bytes, rng: np.random.Generator) -> bytes:
    """Return `data` with one to four changes: bytes flipped, replaced, cut, inserted, repeated or moved."""
    changed = bytearray(data)
    for _ in range(rng.integers(1, 5)):
        at, size = int(rng.integers(0, len(changed) + 1)), int(rng.integers(1, 9))
        match rng.integers(0, 8):
            case 0 if at < len(changed):
                changed[at] ^= 1 << rng.integers(0, 8)
            case 1:
                changed[at : at + size] = bytes(rng.integers(0, 256, size, dtype=np.uint8))
            case 2:
                changed[at : at + size] = bytes([rng.choice(INTERESTING)]) * min(size, len(changed) - at)
            case 3:
                del changed[at : at + size * size]
            case 4:
                changed[at:at] = bytes(rng.integers(0, 256, size, dtype=np.uint8))
            case 5:
                changed[at:at] = changed[at : at + size * size] * int(rng.integers(1, 20))
            case 6:
                other = int(rng.integers(0, len(changed) + 1))
                changed[at : at + size] = changed[other : other + size]
            case 7 if rng.random() < 0.3:
                del changed[at:]
    return bytes(changed)


def _contents() -> list[dict]:
    """Return an expert, captions and texts of a few videos."""
    rng = np.random.default_rng(0)
    frames = {f"v{i}": rng.normal(size=(i, 3)).astype(["f2", "f4", "f8"][i % 3]) for i in range(4)}
    return [
        frames | {"w": np.full((1, 3), np.nan)},
        {"v0": [rng.normal(size=(2, 3)).astype("f4"), np.zeros((0, 3))], "v1": [[[1.0, 2.0, 3.0]]]},
        {"v0": [["a", "dog"], "a cat", []], "v1": [[b"caf\xe9"]]},
    ]


def _npy(content: object) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, content, allow_pickle=True)
    return buffer.getvalue()


def _h5(**options) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        for name, x in _contents()[0].items():
            file.create_dataset(f"group/{name}", data=x, **(options if x.size else {}))
    return buffer.getvalue()


def _checkpoint(**options) -> bytes:
    buffer = io.BytesIO()
    optimizer = {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    torch.save(STATE | {"optimizer": optimizer, "config": CONFIG, "values": {"loss": 1.0}}, buffer, **options)
    return buffer.getvalue()


def _cache(folder: Path) -> bytes:
    source = folder / "x.pickle"
    source.write_bytes(pickle.dumps(_contents()[0]))
    os.utime(source, ns=(10**18, 10**18))  # a cache stores the time of its source
    features(source)
    (cache,) = (folder / "cache").iterdir()
    return cache.read_bytes()


def _tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in (("rgb.pickle", b"rgb"), ("n" * 120, b"long"), ("é", b"pax")):
            member = tarfile.TarInfo(f"data/MSVD/symlinked-feats/{name}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _read_features(suffix: str) -> Callable[[Path, bytes], None]:
    def read(folder: Path, data: bytes) -> None:
        path = folder / f"x{suffix}"
        path.write_bytes(data)
        for reader in READERS.values():
            shutil.rmtree(folder / "cache", ignore_errors=True)
            try:
                reader(path)
            except InputError:
                continue

    return read


def _read_cache(folder: Path, data: bytes) -> None:
    (cache,) = (folder / "cache").iterdir()
    cache.write_bytes(data)
    features(folder / "x.pickle")


def _read_state(folder: Path, data: bytes) -> None:
    (folder / "x.pth").write_bytes(data)
    load_state(folder / "x.pth")


def _read_config(folder: Path, data: bytes) -> None:
    (folder / "x.json").write_bytes(data)
    config = ConfigParser.from_file(folder / "x.json", training=True)
    with torch.device("meta"):
        model = build_model(config)
    build_lr_scheduler(config, build_optimizer(config, model.parameters()))


def _read_tar(folder: Path, data: bytes) -> None:
    (folder / "x.tar.gz").write_bytes(gzip.compress(data, 1))
    try:
        unpacked(folder / "x.tar.gz")
    finally:
        shutil.rmtree(folder / "data", ignore_errors=True)


def kinds(folder: Path) -> dict[str, tuple[list[bytes], Callable[[Path, bytes], None]]]:
    """Return, per kind of file, valid files and a function that reads one."""
    contents = _contents()
    pickles = [pickle.dumps(content, protocol) for content in contents for protocol in (0, 2, 4, 5)]
    arrays = [np.array(content, dtype=object) for content in contents] + [np.ones((2, 3, 3), "f4")]
    maps = [msgpack.packb(content, default=msgpack_numpy.encode) for content in contents]
    return {
        "pickle": (pickles, _read_features(".pickle")),
        "npy": ([_npy(array) for array in arrays], _read_features(".npy")),
        "hdf5": ([_h5(), _h5(compression="gzip", shuffle=True)], _read_features(".h5")),
        "msgpack": (maps, _read_features(".mp")),
        "checkpoint": ([_checkpoint()], _read_state),
        "legacy checkpoint": ([_checkpoint(_use_new_zipfile_serialization=False)], _read_state),
        "config": ([json.dumps(CONFIG).encode(), json.dumps(CONFIG, indent=1).encode()], _read_config),
        "cache": ([_cache(folder)], _read_cache),
        "archive": ([_tar()], _read_tar),
    }


def read_mutations(kind: str, folder: Path, seeds: range) -> list[str]:
    """Read a mutated file for each seed, and return the errors other than `InputError`."""
    valid, read = kinds(folder)[kind]
    problems = []
    for seed in seeds:
        data = mutated(valid[seed % len(valid)], np.random.default_rng(seed))
        try:
            read(folder, data)
        except InputError:
            continue
        except Exception as error:
            problems.append(f"seed {seed}: {type(error).__name__}: {error}"[:300])
    return problems


def in_parts(numbers: range, size: int) -> list[range]:
    """Split a range into parts."""
    return [numbers[start : start + size] for start in range(0, len(numbers), size)]
