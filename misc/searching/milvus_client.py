"""Connections to Milvus, a server or a local file of milvus-lite."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from misc.optional_packages import require_package
from utils.errors import InputError, one_line

INSTALL = "pymilvus milvus-lite"


@contextlib.contextmanager
def connect(uri: str) -> Iterator[Any]:
    """Connect to Milvus.

    Raises:
        InputError: there is none.
    """
    pymilvus = require_package("pymilvus", INSTALL)
    if "://" not in uri:
        require_package("milvus_lite", INSTALL)
        for name in ("grpc", "pymilvus", "milvus_lite"):  # of what a server has, and a file has not
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if not uri.endswith(".db") or not Path(uri).parent.is_dir():
            raise InputError(f"--uri {uri}: expected a server (http://host:19530), or a file .db in a folder that is there")
    with explain_errors(uri if "://" in uri else f"{uri}: damaged, or open in another process, expected one at a time"):
        client = pymilvus.MilvusClient(uri)
    try:
        yield client
    finally:
        client.close()


@contextlib.contextmanager
def explain_errors(place: str) -> Iterator[None]:
    """Turn errors of Milvus into an `InputError` of one line that names the place."""
    pymilvus = require_package("pymilvus", INSTALL)
    try:
        yield
    except pymilvus.MilvusException as error:
        raise InputError(f"{place}: {one_line(error.message or str(error))[:200]}") from None
