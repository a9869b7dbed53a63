"""Two processes compared with one, on the same batches."""

import copy

import numpy as np
import pytest
import torch
import torch.distributed as dist
from helpers.daily import cases_of_today
from helpers.gradients import gradients
from helpers.model_variants import SWITCHES, make_batch, make_model
from helpers.training import CPU, train_steps

from model.loss import ContrastiveLoss
from trainer.data_parallel import DataParallelCENet, synchronize_batch_norms
from trainer.evaluation import evaluate
from trainer.weight_average import WeightAverage

PROCESSES = 2
BATCH_SIZES = (8, 7, 6, 5)  # 4 + 4, 4 + 3, ...
OPTIONS = {
    **{name: {} for name in SWITCHES if name != "moee-randomised"},
    "ce-published": {"gate_order": "sequential", "mask_padding": False, "similarity": "paired-2019", "l2renorm": True},
}
VARIANTS = cases_of_today(OPTIONS, 3)
METRICS = ["t2v_metrics", "v2t_metrics"]


def share_of(batch, rank, trimmed):
    """Return the share of a process in a batch; if `trimmed`, it is padded to the longest item of the share."""
    rows = torch.arange(len(batch["text"])).tensor_split(PROCESSES)[rank]
    share = {key: x[rows] for key, x in batch.items() if key in ("text", "word_mask")}
    share |= {key: {name: x[rows] for name, x in batch[key].items()} for key in ("experts", "ind", "frame_masks")}
    share["raw_captions"] = [batch["raw_captions"][row] for row in rows]
    if trimmed:
        words = max(1, int(share["word_mask"].sum(-1).max()))
        share |= {"text": share["text"][:, :, :words], "word_mask": share["word_mask"][:, :, :words]}
        for name, mask in share["frame_masks"].items():
            frames = max(1, int(mask.sum(-1).max()))
            share["frame_masks"][name], share["experts"][name] = mask[:, :frames], share["experts"][name][:, :frames]
    return share


def make_batches(dtype):
    """Make batches of several sizes.

    In the first, the second process has no audio; in the second, speech is one token; in the third, a caption has no words.
    Captions are equal within each process and across both.
    """
    batches = [make_batch(seed, size, 1) for seed, size in enumerate(BATCH_SIZES)]
    for batch, name, rows in ((batches[0], "audio", slice(4, 8)), (batches[1], "speech", slice(0, 7))):
        batch["ind"][name][rows], batch["experts"][name][rows], batch["frame_masks"][name][rows] = 0, torch.nan, False
    batches[1]["ind"]["speech"][2], batches[1]["experts"]["speech"][2] = 1, 1.0
    batches[1]["frame_masks"]["speech"][2, 0] = True
    batches[2]["word_mask"][4] = False
    for batch in batches:
        batch["raw_captions"] = [["abacbdac"[i]] for i in range(len(batch["text"]))]
        batch["text"] = batch["text"].to(dtype)
        for key in ("experts", "ind"):
            batch[key] = {name: x.to(dtype) for name, x in batch[key].items()}
    return batches


def train(variant, dtype, rank=None, accumulate=3, precision="fp32", loss_function=None):
    """Train on the share of a process (None: on everything); return losses, last gradients, weights and their average.

    The weights include the parameters of a `loss_function`, if one is given.
    """
    base = variant if variant in SWITCHES else "ce"
    model = make_model(base, **OPTIONS[variant]).to(dtype).train()
    batches = make_batches(dtype)
    if rank is not None:
        batches = [share_of(batch, rank, trimmed=model.mask_padding) for batch in batches]
    synchronize_batch_norms(model)
    parameters = [*model.parameters(), *(loss_function.parameters() if loss_function else ())]
    optimizer = torch.optim.SGD(parameters, lr=0.5, momentum=0.9)
    trained = model if rank is None else DataParallelCENet(model)
    average = WeightAverage(model, 0.9)
    losses = train_steps(
        trained, optimizer, batches, loss_function, precision=precision, accumulate=accumulate, average=average
    )
    state = dict(copy.deepcopy(model).state_dict()) | (dict(loss_function.state_dict()) if loss_function else {})
    states = {"state": state, "average": dict(average.model.state_dict())}
    return {"losses": losses, "gradients": gradients(model), **states}


def evaluate_share(variant, num_batches, memory, rank=None):
    """Evaluate the share of a process in a number of batches (None: all of them)."""
    batches = [make_batch(seed, 4 - seed, 2) for seed in range(num_batches)]
    for seed, batch in enumerate(batches):
        batch["ids"] = [f"{seed}-{i}" for i in range(4 - seed)]
        batch["raw_captions"] = [[f"{video} a", f"{video} b"] for video in batch["ids"]]
        batch["word_mask"][0, 1] = False
    share = batches if rank is None else batches[rank::PROCESSES]
    evaluation = evaluate(make_model(variant), share, METRICS, CPU, memory)
    if evaluation is not None:
        evaluation.sims = np.array(evaluation.sims)  # it may be in a file
    return evaluation


EVALUATIONS = [("ce", 3, 1024), ("ce", 2, 0), ("moee", 1, 1024), ("concat", 3, 0)]


def run_process(rank, folder):
    """Run in each process, and save the results to a file."""
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES)
    torch.set_num_threads(1)
    found = {(name, dtype): train(name, dtype, rank) for name in VARIANTS for dtype in (torch.float32, torch.float64)}
    found["contrastive"] = train("ce", torch.float64, rank, loss_function=ContrastiveLoss(0.5).double())
    found["bf16"] = train("ce", torch.float32, rank, accumulate=1, precision="bf16")
    for case in EVALUATIONS:
        found[case] = evaluate_share(*case, rank=rank)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """Return the results of all processes."""
    folder = tmp_path_factory.mktemp("processes")
    torch.multiprocessing.spawn(run_process, (folder,), PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(PROCESSES)]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("variant", VARIANTS)
def test_losses_gradients_weights_and_statistics_are_those_of_one_process(found, variant, dtype, tolerance):
    expected = train(variant, dtype)
    assert (expected["losses"] > 0).all()
    for results in found:
        torch.testing.assert_close(results[variant, dtype], expected, rtol=tolerance, atol=tolerance)


def test_a_loss_with_parameters_and_duplicates_of_other_processes(found):
    loss, unaware = ContrastiveLoss(0.5).double(), ContrastiveLoss(0.5, exclude_duplicates=False).double()
    expected = train("ce", torch.float64, loss_function=loss)
    assert expected["state"]["log_scale"].item() != pytest.approx(ContrastiveLoss(0.5).log_scale.item())
    assert not torch.allclose(train("ce", torch.float64, loss_function=unaware)["losses"], expected["losses"], rtol=1e-3)
    for results in found:
        torch.testing.assert_close(results["contrastive"], expected, rtol=1e-12, atol=1e-12)


def test_bf16_and_a_step_for_each_batch(found):
    expected = train("ce", torch.float32, accumulate=1, precision="bf16")
    for results in found:
        torch.testing.assert_close(results["bf16"]["losses"], expected["losses"], rtol=0.05, atol=0.01)
        torch.testing.assert_close(results["bf16"]["state"], expected["state"], rtol=0.1, atol=0.05)
    torch.testing.assert_close(found[0]["bf16"], found[1]["bf16"], rtol=0, atol=0)


@pytest.fixture
def one_thread():
    """Use one thread, as each process does; on some processors, another number rounds differently."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("case", EVALUATIONS)
@pytest.mark.usefixtures("one_thread")
def test_the_main_process_has_the_whole_evaluation(found, case):
    expected, main = evaluate_share(*case), found[0][case]
    assert found[1][case] is None
    assert main.metrics == expected.metrics
    for name in ("sims", "query_masks", "available", *([] if expected.weights is None else ["weights"])):
        assert (getattr(main, name) == getattr(expected, name)).all(), name
    for name in ("video_ids", "raw_captions", "modalities"):
        assert getattr(main, name) == getattr(expected, name), name
