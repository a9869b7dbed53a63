"""Config files that are refused, with the file and the reason."""

import json
from pathlib import Path

import pytest

from base.config_files import MAX_CONFIG_DEPTH, MAX_FILES, read_config
from utils.errors import InputError


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "{}", "a.txt: expected a file .json"),
        ("a.json", '{"seed": 1, "seed": 2}', r"a.json: not a JSON config \('seed' is there twice\)"),
        ("a.json", "[" * 9 + "]" * 9, r"a.json: not a JSON config \(expected an object"),
        ("a.json", '{"inherit_from": ["b.json"]}', r"a.json: not a JSON config \(expected an object, and a path"),
        (
            "a.json",
            '{"a": ' + "[" * MAX_CONFIG_DEPTH + "]" * MAX_CONFIG_DEPTH + "}",
            f"a.json: objects and lists more than {MAX_CONFIG_DEPTH} deep",
        ),
        ("a.json", '{"inherit_from": "b.json"}', "a.json: inherits from 'b.json', which is not found"),
        ("a.json", '{"inherit_from": "a.json"}', "a.json: inherits from itself"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_the_reason(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(content)
    with pytest.raises(InputError, match=message):
        read_config(Path(name))


def test_a_config_inherits_from_a_limited_number_of_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(MAX_FILES):
        Path(f"{i}.json").write_text(json.dumps({"inherit_from": f"{i + 1}.json"}))
    Path(f"{MAX_FILES}.json").write_text('{"seed": 7}')
    assert read_config(Path("1.json")) == {"seed": 7}
    with pytest.raises(InputError, match=f"0.json: inherits from more than {MAX_FILES} files"):
        read_config(Path("0.json"))
