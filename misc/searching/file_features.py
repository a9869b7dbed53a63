"""The features of a video file that is not in a collection, extracted with the settings of the collection."""

import logging
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from misc.extraction.collection_files import EXTRACTION_RECORD
from misc.searching.extraction_record import read_record
from misc.searching.index.metadata import validate
from utils.errors import InputError

logger = logging.getLogger(__name__)


def extract_features(path: Path, folder: Path, experts: Iterable[str], device: str) -> dict[str, np.ndarray | None]:
    """Return the features (T, dim) of a video by some experts of the collection in a folder, None for missing experts.

    Raises:
        InputError: the file is not a video, or there is no record of the settings.
    """
    # Imported here since the extractors take a while to import.
    from misc.extraction.settings import Settings
    from misc.extraction.worker import ExtractionTask, Worker
    from utils.jobs import count_cores

    record, content = folder / EXTRACTION_RECORD, read_record(folder)
    if content is None:
        raise InputError(f"{record}: not found, expected it to extract {path} by: misc/extract_experts.py writes it")
    settings = validate(Settings, content.get("settings"), str(record))
    wanted = tuple(name for name in experts if name in settings.experts)
    settings = settings.model_copy(update={"experts": {name: settings.experts[name] for name in wanted}, "zero_shot": None})
    worker = Worker(settings.model_dump_json(), device, count_cores())
    result = worker.extract(ExtractionTask(path.name, path, wanted, with_moments=False))
    if result.failure is not None:
        raise InputError(f"{path}: {result.failure}")
    for warning in result.warnings:
        logger.warning("%s: %s", path, warning)
    return {name: None if output is None else output.features for name, output in result.outputs.items()}
