"""The record of an extraction, `data/<Name>/extraction.json`: what is known of a collection without a model."""

from pathlib import Path
from typing import Any

import pydantic

from base.schema import ExpertEntry, PositiveInt, Section
from data_loader.experts import Expert, resolve_experts
from misc.extraction.collection_files import EXTRACTION_RECORD
from misc.searching.index.metadata import read_json
from utils.errors import InputError, one_line

MAX_TOKENS = 60  # frames of an expert


class _Text(Section):
    model_config = pydantic.ConfigDict(extra="ignore")

    feat: str = "none"
    dim: PositiveInt = 1


class _Record(Section):
    """The keys of the record that a search without a model reads."""

    model_config = pydantic.ConfigDict(extra="ignore")

    text: _Text = _Text()
    experts: dict[str, ExpertEntry] = {}


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return the record of the collection in a folder, empty if it is not an object; None if there is none."""
    path = folder / EXTRACTION_RECORD
    if not path.exists():
        return None
    content = read_json(path)
    return content if isinstance(content, dict) else {}


def config_of_extraction(folder: Path) -> tuple[dict[str, Any], dict[str, Expert]]:
    """Return what `Collection` needs of a config if there is no model, and the extracted experts; none without a record.

    Raises:
        InputError: the record is invalid.
    """
    path = folder / EXTRACTION_RECORD
    try:
        record = _Record.model_validate(read_record(folder) or {})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path}: {key}: {one_line(first['msg'])}, expected the record of misc/extract_experts.py"
        ) from None
    entries = {name: entry.model_dump(exclude_none=True) for name, entry in record.experts.items()}
    section = {"text_feat": record.text.feat, "text_dim": record.text.dim}
    args = {"max_expert_tokens": MAX_TOKENS, "split_name": "test"}
    config = {"experts": section | entries, "arch": {"args": {}}, "data_loader": {"args": args}}
    return config, resolve_experts(config["experts"]) if entries else {}
