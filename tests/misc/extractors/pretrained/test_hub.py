"""Errors of the Hugging Face hub: a hub that answers, is offline, or does not respond."""

import http.server
import logging
import socket
import threading

import pytest
import torch
from huggingface_hub import constants

from misc.extractors.pretrained import hub
from utils.errors import InputError


@pytest.fixture(autouse=True)
def asked_anew():
    hub._reachable.cache_clear()
    yield
    hub._reachable.cache_clear()


class Answers(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.send_response(404)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def answering(monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def silent(monkeypatch):
    """Run a server that accepts connections and never answers."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_hub_that_answers(answering):
    assert hub._reachable(answering)


def test_the_offline_setting_is_respected(answering, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert not hub._reachable(answering)


def test_a_hub_that_says_nothing_is_waited_for_once(silent, monkeypatch):
    """Its library sends no request of its own, which it would repeat."""
    import huggingface_hub
    from transformers import AutoConfig

    asked, get_session = [], huggingface_hub.get_session

    def get_recorded_session():
        session = get_session()

        class Recorded:
            def head(self, url, **options):
                asked.append((url, options))
                return session.head(url, **options)

        return Recorded()

    monkeypatch.setattr(huggingface_hub, "get_session", get_recorded_session)

    monkeypatch.setattr(constants, "ENDPOINT", silent)
    monkeypatch.setattr(hub, "REACH_SECONDS", 0.2)
    for _ in range(2):
        with (
            pytest.raises(InputError, match=f"'x'.*looked for it.*{silent} cannot be reached"),
            hub.explain_load_errors("x", "it"),
        ):
            AutoConfig.from_pretrained("no/such")
    assert asked == [(silent, {"timeout": 0.2})]
    assert not constants.HF_HUB_OFFLINE  # as before


def test_models_on_disk_need_no_hub(silent, monkeypatch):
    monkeypatch.setattr(hub, "_reachable", None)
    with hub.explain_load_errors("x", "it", is_local=True):
        assert constants.HF_HUB_OFFLINE
    assert not constants.HF_HUB_OFFLINE


def test_a_failure_is_one_line_and_nothing_is_logged(caplog):
    with pytest.raises(InputError) as caught, hub.explain_load_errors("x", "it", is_local=True):
        logging.error("many lines")
        raise KeyError("a\nb" + 1000 * "c")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert not caplog.records
    logging.error("one line")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("error", [InputError("mine"), MemoryError(), torch.OutOfMemoryError(), KeyboardInterrupt()])
def test_errors_that_the_model_did_not_cause_are_raised_unchanged(error):
    with pytest.raises(type(error)) as caught, hub.explain_load_errors("x", "it", is_local=True):
        raise error
    assert caught.value is error
