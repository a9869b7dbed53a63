"""A cluster that runs an extraction; see also tests/nightly/test_engines.py."""

import socket


def test_an_unreachable_cluster_is_one_line(eleven_videos, refused_extraction, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    line = f"--address (or RAY_ADDRESS) {address}: cannot be reached"
    assert line in refused_extraction("--engine", "ray", "--address", address)
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert line in refused_extraction("--engine", "ray")
