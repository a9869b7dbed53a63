"""Commands in several processes."""

import pytest
import torch
import torch.distributed as dist

from trainer import distributed
from utils.errors import InputError


def test_functions_in_one_process():
    items = [1, 2]
    assert list(distributed.gather_round_robin(items, torch.device("cpu"))) == items
    assert distributed.broadcast_from_main(lambda: 3) == distributed.main_process_first(lambda: 3) == 3
    assert (distributed.get_rank(), distributed.get_world_size(), distributed.is_main_process()) == (0, 1, True)
    assert distributed.local_gpu_index(2) == 2 and distributed.local_gpu_index(None) is None
    assert distributed.launch_command() == ["python"]
    assert distributed.distributed_main(lambda: None)() is None


def test_the_main_process_is_first_and_the_others_wait_for_it(monkeypatch):
    """Each process signals after its own computation, or waits for that signal before it, in the same collective call."""
    for is_main, expected in ((True, ["compute", "collective"]), (False, ["collective", "compute"])):
        events = []
        monkeypatch.setattr(distributed, "is_main_process", lambda is_main=is_main: is_main)
        monkeypatch.setattr(distributed, "get_world_size", lambda: 2)
        monkeypatch.setattr(dist, "broadcast_object_list", lambda *_, events=events, **__: events.append("collective"))
        assert distributed.main_process_first(lambda events=events: events.append("compute") or 3) == 3
        assert events == expected


def test_each_process_of_a_machine_has_its_own_gpu(monkeypatch):
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (
        distributed.local_gpu_index(0) == 1
        and distributed.local_gpu_index(2) == 3
        and distributed.local_gpu_index(None) is None
    )


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "[/pytorch/pair.cc:1] Connection closed by peer [127.0.0.1]:1. This is typically caused by",
            r"lost another process \(Connection closed by peer \[127.0.0.1\]:1\)",
        ),
        (
            "[/pytorch/x.cc:1] Timed out waiting 1ms for recv\nmore",
            r"no response from another process for 0:30:00 \(Timed out .* recv\)",
        ),
    ],
)
def test_errors_of_the_library_are_one_line(message, line):
    with pytest.raises(InputError, match=line), distributed.wrap_communication_errors():
        raise dist.DistBackendError(message)


def test_other_errors_are_not_reported_as_lost_processes():
    with pytest.raises(RuntimeError, match="shape"), distributed.wrap_communication_errors():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")
    with pytest.raises(InputError, match="lost another process"), distributed.wrap_communication_errors():
        raise RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:534] Connection reset by peer")
