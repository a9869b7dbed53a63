"""Configs and lists of videos with unlimited nesting, inheritance, repetition or size."""

import json
from pathlib import Path

GIB = 1 << 30
MILLION = 10**6


def _with(**changes):
    """Return a function that writes a config with changed values; "a__b" stands for "a.b"."""

    def write(path: Path, config: dict) -> None:
        content = json.loads(json.dumps(config))
        for key, value in changes.items():
            *parents, name = key.split("__")
            section = content
            for parent in parents:
                section = section[parent]
            section[name] = value
        path.write_text(json.dumps(content))

    return write


def _text(text: str | bytes):
    return lambda path, config: path.write_bytes(text if isinstance(text, bytes) else text.encode())


def _nested(depth: int, opening: str = "[", closing: str = "]"):
    """Return a function that writes a config with a nested value."""

    def write(path: Path, config: dict) -> None:
        text = json.dumps(config | {"optimizer": "HERE"})
        path.write_text(text.replace('"HERE"', opening * depth + "1" + closing * depth))

    return write


def _raw(section: str, text: str):
    """Return a function that writes a config with a value of raw text."""

    def write(path: Path, config: dict) -> None:
        path.write_text(json.dumps(config | {section: "HERE"}).replace('"HERE"', text))

    return write


def _twice(path: Path, config: dict) -> None:
    path.write_text(json.dumps(config)[:-1] + ', "optimizer": {"type": "SGD", "args": {"lr": 1}}}')


def _twice_deep(path: Path, config: dict) -> None:
    path.write_text(json.dumps(config).replace('"lr": 0.01', '"lr": 0.01, "lr": 100.0'))


def _loop(path: Path, config: dict) -> None:
    for name, other in (("a", "b"), ("b", path.stem)):
        (path.parent / f"{name}.json").write_text(json.dumps({"inherit_from": str(path.parent / f"{other}.json")}))
    path.write_text(json.dumps(config | {"inherit_from": str(path.parent / "a.json")}))


def _itself(path: Path, config: dict) -> None:
    path.write_text(json.dumps(config | {"inherit_from": f"{path.parent}/../{path.parent.name}/{path.name}"}))


def _doubled(path: Path, config: dict) -> None:
    """Write 40 files, each of which inherits twice from the next."""
    names = [path.parent / f"level{i}.json" for i in range(40)]
    for name, following in zip(names, names[1:], strict=False):
        name.write_text(json.dumps({"inherit_from": f"{following},{following}"}))
    names[-1].write_text("{}")
    path.write_text(json.dumps(config | {"inherit_from": f"{names[0]},{names[0]}"}))


def _chain(path: Path, config: dict) -> None:
    """Write 2000 files, each of which inherits from the next."""
    names = [path.parent / f"link{i}.json" for i in range(2000)]
    for name, following in zip(names, names[1:], strict=False):
        name.write_text(json.dumps({"inherit_from": str(following)}))
    names[-1].write_text("{}")
    path.write_text(json.dumps(config | {"inherit_from": str(names[0])}))


def _linked(path: Path, config: dict) -> None:
    """Write a link with a harmless name to another program's file."""
    (path.parent / "harmless.json").symlink_to("/etc/passwd")
    path.write_text(json.dumps(config | {"inherit_from": str(path.parent / "harmless.json")}))


def _sparse(path: Path, config: dict) -> None:
    with path.open("wb") as file:
        file.write(b"{")
        file.truncate(4 * GIB)


def _digits(path: Path, config: dict) -> None:
    _raw("seed", "9" * MILLION)(path, config)


CONFIGS = {
    "a million brackets": _text("[" * MILLION),
    "a million objects": _text('{"a":' * MILLION),
    "a million brackets in it": _nested(MILLION),
    "900 brackets in it": _nested(900),
    "300 brackets in it": _nested(300),
    "300 objects in it": _nested(300, '{"a":', "}"),
    "400 objects for arguments": _with(
        optimizer={"type": "Adam", "args": {"lr": 0.1, "betas": json.loads("[" * 400 + "]" * 400)}}
    ),
    "a million digits": _digits,
    "seed of 400 digits": _with(seed=10**400),
    "epochs of 400 digits": _with(trainer__epochs=10**400, optimizer__args__lr=10**400),
    "batch of 400 digits": _with(data_loader__args__batch_size=10**400),
    "dim of 400 digits": _with(experts__rgb__dim=10**400),
    "clusters of 400 digits": _with(arch__args__vlad_clusters={"text": 10**400, "audio": 2}),
    "tokens of 400 digits": _with(data_loader__args__max_expert_tokens=10**400),
    "memory of 400 digits and words": _with(evaluation_memory=10**400, data_loader__args__max_text_words=10**400),
    "dim of 10**15": _with(experts__audio__dim=10**15),
    "words of 10**15": _with(data_loader__args__max_text_words=10**15, data_loader__args__pad=True),
    "1e999": _raw("loss", '{"type": "MaxMarginRankingLoss", "args": {"margin": 1e999}}'),
    "NaN": _raw("loss", '{"type": "MaxMarginRankingLoss", "args": {"margin": NaN}}'),
    "NaN for an argument": _raw("optimizer", '{"type": "Adam", "args": {"lr": 0.1, "eps": NaN}}'),
    "Infinity": _raw("lr_scheduler", '{"type": "StepLR", "args": {"step_size": 1, "gamma": -Infinity}}'),
    "a key twice": _twice,
    "a key twice in a section": _twice_deep,
    "a loop of inheritance": _loop,
    "inherits from itself by another way": _itself,
    "inherits twice, 40 times": _doubled,
    "inherits from 2000 files in a row": _chain,
    "inherits from passwords": _with(inherit_from="/etc/passwd"),
    "inherits from passwords by a link": _linked,
    "inherits from a device": _with(inherit_from="/dev/zero"),
    "inherits from a folder": _with(inherit_from="/etc"),
    "inherits from a zero byte": _with(inherit_from="a\0.json"),
    "inherits from a surrogate": _with(inherit_from="\ud800.json"),
    "inherits from a long name": _with(inherit_from="a" * 5000 + ".json"),
    "inherits from a number": _with(inherit_from=3),
    "4 GiB": _sparse,
    "a zero byte in the folder of the data": _with(data_loader__args__data_dir="data\0Toy"),
    "a surrogate in the folder of the data": _with(data_loader__args__data_dir="data/\ud800"),
    "a zero byte in the cache": _with(data_loader__args__cache_dir="cache\0"),
    "a surrogate in the cache": _with(data_loader__args__cache_dir="\udfff"),
    "a long name of the cache": _with(data_loader__args__cache_dir="c" * 5000),
    "a zero byte in the results": _with(trainer__save_dir="saved\0"),
    "a surrogate in the results": _with(trainer__save_dir="\ud800"),
    "a zero byte in the captions": _with(experts__text_feat="toy\0"),
    "a field in the captions": _with(experts__text_feat="{rgb_model_name.__class__}"),
    "an unknown field in the captions": _with(experts__text_feat="{x}"),
    "captions of another folder": _with(experts__text_feat="../../../x"),
    "a zero byte in eval_config": _with(eval_config="x\0.json"),
    "a name that leads out": _with(name="../../x"),
    "an expert that leads out": _with(experts__modalities=["../x"]),
    "an optimiser that is a function": _with(optimizer={"type": "__builtins__", "args": {}}),
    "an optimiser of another module": _with(optimizer={"type": "torch.hub.load", "args": {}}),
    "another model": _with(arch={"type": "os.system", "args": {}}),
    "a list": _text("[]"),
    "no UTF-8": _text(b'{"a": "\xff"}'),
    "UTF-16": _text('{"seed": 1}'.encode("utf-16")),
    "empty": _text(""),
}


def _one_line(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"video0")
        file.truncate(4 * GIB)


def _of_letters(path: Path) -> None:
    path.write_bytes(b"v" * (80 << 20))


LISTS = {
    "4 GiB of one line": _one_line,
    "80 MiB of one line": _of_letters,
    "zero bytes": lambda path: path.write_bytes(b"video0\nvideo1\0\n"),
    "another program's file": lambda path: path.write_bytes(Path("/bin/true").read_bytes()),
    "twice": lambda path: path.write_text("video0\nvideo1\nvideo0\n"),
    "a folder": lambda path: path.mkdir(),
}
