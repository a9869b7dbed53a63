"""The memory allocator of the C library."""

import subprocess
import sys

import pytest
from helpers.paths import ROOT

from utils import allocator

COUNT_FAULTS = """
import resource
import numpy as np
from utils.allocator import keep_freed_memory
def count():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(4):
        np.ones(8 << 20)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
freed = count()
keep_freed_memory()
count()  # until the heap has grown
print(freed, count())
"""


@pytest.mark.skipif(allocator.platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_page_faults():
    command = [sys.executable, "-c", COUNT_FAULTS]
    freed, kept = map(int, subprocess.run(command, check=True, cwd=ROOT, capture_output=True).stdout.split())
    assert freed - kept > 3 * (64 << 20) / 2 / 4096 / 512  # at least half, with huge pages too


def test_another_c_library_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(allocator.platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", None)
    allocator.keep_freed_memory()
