"""A query by a video file that is not in the collection: its experts are extracted as those of the collection were."""

import logging
from pathlib import Path

import numpy as np

from misc.collection_files import EXTRACTION
from misc.extraction.settings import Settings
from misc.extraction.worker import ExtractionTask, Worker
from misc.reporting.jobs import cores
from misc.searching.about import parsed, read_json
from misc.searching.collection import Collection
from utils.errors import InputError

logger = logging.getLogger(__name__)


def experts_of_file(path: Path, collection: Collection, device: str) -> dict[str, np.ndarray]:
    """What the experts of a collection find in a file: expert -> (T, dim), without those that find nothing.

    Raises:
        InputError: it is no video, or nothing says how the collection was extracted.
    """
    place = collection.folder / EXTRACTION
    if not place.exists():
        raise InputError(f"{place}: not found, expected it to extract {path} by: misc/extract_experts.py writes it")
    content = read_json(place)
    settings = parsed(Settings, content.get("settings") if isinstance(content, dict) else None, str(place))
    wanted = tuple(name for name in collection.experts if name in settings.experts)
    settings = settings.model_copy(update={"experts": {name: settings.experts[name] for name in wanted}})
    result = Worker(settings.model_dump_json(), device, cores()).extract(ExtractionTask(path.name, path, wanted))
    if result.failure is not None:
        raise InputError(f"{path}: {result.failure}")
    for warning in result.warnings:
        logger.warning("%s: %s", path, warning)
    return {name: output.features for name, output in result.outputs.items() if output is not None}
