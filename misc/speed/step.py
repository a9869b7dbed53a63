"""A training step of CE at MSR-VTT's size: a plain implementation, ours, and a lower bound of both.

The lower bound, called floor, is the time of the matrix products of a step, forward and backward, and of a fused step of
Adam over as many parameters, all in memory that is already allocated. The plain step is measured first, with the default
settings of the allocator. Then the process keeps the memory that it frees, as in `train.py`, and the plain step (as "plain,
memory kept"), ours and the floor take turns.
"""

import os
from collections.abc import Callable

import torch
from torch import Tensor

from base.device import environment, select_device, to_device
from misc.speed.plain_model import PlainCE, plain_loss
from misc.speed.settings import CONFIGS
from misc.speed.store import FRAMES
from misc.speed.timing import Clock, measure, median, median_ratio
from model.loss import MaxMarginRankingLoss
from model.model import CENet
from model.net_vlad import NetVLAD
from model.published import num_parameters
from parse_config import ConfigParser
from trainer.build import build_model, model_arguments
from trainer.loop_helpers import matmul_precision
from trainer.optim import instantiate_optimizer
from utils.allocator import keep_freed_memory

VIDEOS, TOKENS, REPETITIONS = 64, 30, 9  # TOKENS: words of a caption, frames of a sequence
LR = 1e-6
PRECISIONS = ("fp32", "tf32", "bf16")  # of `train_batches`; a CPU is measured only with the first


def random_batch(
    dims: dict[str, int], text_dim: int, sequences: set[str], num_videos: int = VIDEOS, num_captions: int = 1, seed: int = 0
) -> dict:
    """Return inputs of `CENet.forward`, with lengths and availability as in MSR-VTT.

    `dims` has the dimension of each expert; `sequences` are sequences of frames, the other experts are vectors. Experts that
    MSR-VTT does not have are missing as often as its rarer ones.
    """
    rng = torch.Generator().manual_seed(seed)

    def padded(count: int, shortest: int, longest: int, dim: int) -> tuple[Tensor, Tensor]:
        lengths = torch.randint(shortest, longest + 1, (count, 1), generator=rng).clamp(max=TOKENS)
        mask = torch.arange(TOKENS) < lengths  # (count, TOKENS)
        return torch.randn(count, TOKENS, dim, generator=rng) * mask[..., None], mask

    captions = padded(num_videos * num_captions, 5, TOKENS, text_dim)
    text, word_mask = (x.unflatten(0, (num_videos, num_captions)) for x in captions)
    batch = {"text": text, "word_mask": word_mask, "experts": {}, "ind": {}, "frame_masks": {}}
    for name, dim in dims.items():
        shortest, longest, _, share = FRAMES.get(name, (1, 1, dim, 0.7))
        ind = torch.rand(num_videos, generator=rng) < share
        if name in sequences:
            x, mask = padded(num_videos, shortest, longest, dim)
            batch["frame_masks"][name] = mask & ind[:, None]
        else:
            x = torch.randn(num_videos, dim, generator=rng)
        x[~ind] = torch.nan
        batch["experts"][name], batch["ind"][name] = x, ind.float()
    return batch


def batch_for(model: CENet, arguments: dict, num_videos: int = VIDEOS) -> dict:
    """Return `random_batch` for a model with the given `model_arguments`."""
    clusters = arguments["vlad_clusters"]
    dims = {name: arguments["expert_dims"][name][0] // clusters.get(name, 1) for name in model.modalities}  # before pooling
    return random_batch(dims, arguments["text_dim"], clusters.keys() - {"text"}, num_videos)


def bf16(batch: dict, precision: str) -> torch.autocast:
    """Return a context that multiplies in bfloat16 if that is the precision."""
    return torch.autocast(batch["text"].device.type, dtype=torch.bfloat16, enabled=precision == "bf16")


def plain_step(model: PlainCE, batch: dict, precision: str) -> Callable[[], None]:
    """Return a step of the plain implementation."""
    optimizer = torch.optim.Adam(model.parameters(), lr=LR)

    def step() -> None:
        optimizer.zero_grad()
        with bf16(batch, precision):
            sims = model(**batch)
        plain_loss(sims.float()).backward()
        optimizer.step()

    return step


def our_step(model: CENet, batch: dict, clock: Clock, precision: str) -> Callable[[], None]:
    """Return a step of `trainer.trainer.train_batches` with times of its parts."""
    optimizer = instantiate_optimizer({"type": "Adam", "args": {"lr": LR}}, model.parameters())
    criterion = MaxMarginRankingLoss()
    model.text_pooling.register_forward_hook(lambda *_: clock.mark("text pooling"))

    def step() -> None:
        clock.last = clock.now()
        optimizer.zero_grad()
        with bf16(batch, precision):
            text = model.embed_text(batch["text"], batch["word_mask"])
            clock.mark("text layers")
            video = model.embed_video(batch["experts"], batch["ind"], batch["frame_masks"])
            clock.mark("video side")
        loss = criterion(model.score(text, video, batch["word_mask"].any(dim=-1)))
        clock.mark("similarity and loss")
        loss.backward()
        clock.mark("backward")
        optimizer.step()
        clock.mark("optimizer")

    return step


def products(model: CENet, num_videos: int) -> list[tuple[int, int, int, int, bool, bool]]:
    """Return the matrix products of a step, without the small ones of pairs of experts, M x M per video.

    An item (count, m, k, n, is_weight, needs_gradient) is `count` products (m, k) by (k, n), whether (k, n) is a weight, and
    whether the gradient of (m, k) is needed.
    """
    gating = model.collaborative_gating
    dim, experts = gating.g2.out_features, len(model.modalities)
    pooled_text = model.pooled_text_dim
    calls = [(1, num_videos, pooled_text, experts * dim, True, True), (1, num_videos, pooled_text, experts, True, True)]
    calls += [(experts, num_videos, dim, dim, True, True)] * 2  # gates of the text, modulations
    if model.corrected:
        calls += [(1, num_videos * experts, dim, dim, True, True)] * 3  # both halves of g1, g2
        calls += [(1, num_videos * experts**2, dim, dim, True, True)]  # the layer of g between them, once per pair
    else:
        calls += [(1, num_videos * experts, dim, dim, True, True)] * 5  # both halves of g1, g2, h1, h2
    for pool in (model.text_pooling, *model.pooling):
        if isinstance(pool, NetVLAD):
            feature_size, clusters = pool.clusters.shape
            calls.append((1, num_videos * TOKENS, feature_size, clusters, True, False))
            calls.append((num_videos, feature_size, TOKENS, pool.cluster_size, False, False))  # without ghosts
    for pool, reduce in zip(model.pooling, model.video_dim_reduce, strict=True):
        calls.append((1, num_videos, reduce.fc.in_features, dim, True, isinstance(pool, NetVLAD)))
    calls.append((1, num_videos, experts * dim, num_videos, False, True))  # similarity
    return calls


def floor_step(model: CENet, num_videos: int, device: torch.device) -> Callable[[], None]:
    """Return a step of the floor: the `products`, and Adam over as many parameters as `model` has."""
    parameters, calls = [], []

    def product(a: Tensor, b: Tensor) -> Tensor:
        out = a.new_empty(len(a), a.shape[1], b.shape[2])
        if len(a) == 1:  # the same routine as for a layer
            a, b, target = a[0], b[0], out[0]
            calls.append(lambda: torch.mm(a, b, out=target))
        else:
            calls.append(lambda: torch.bmm(a, b, out=out))
        return out

    for count, m, k, n, weight, input_gradient in products(model, num_videos):
        x, w = torch.randn(count, m, k, device=device), torch.randn(count, k, n, device=device)
        gradient = product(x, w)  # the gradient of the output has the same shape
        w_gradient = product(x.mT, gradient)
        if input_gradient:
            product(gradient, w.mT)
        if weight:
            parameters.append(torch.nn.Parameter(w))
            parameters[-1].grad = w_gradient
    rest = num_parameters(model) - sum(x.numel() for x in parameters)
    parameters.append(torch.nn.Parameter(torch.zeros(rest, device=device)))
    parameters[-1].grad = torch.zeros(rest, device=device)
    optimizer = torch.optim.Adam(parameters, lr=LR, fused=True)

    def step() -> None:
        with torch.no_grad():
            for call in calls:
                call()
        optimizer.step()

    return step


def kernels(step: Callable[[], None], device: torch.device) -> int | None:
    """Return the number of kernels that a step launches (None on a CPU)."""
    if device.type != "cuda":
        return None
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        step()
        torch.cuda.synchronize(device)
    names = [event.name for event in profile.events() if event.device_type == torch.autograd.DeviceType.CUDA]
    return sum(not name.startswith(("Memcpy", "Memset")) for name in names)


def run(device_index: int | None, release: str = "2019") -> dict:
    """Measure, print, and return the figures of a release's network; on a GPU in all precisions."""
    device = select_device(device_index)
    precisions = PRECISIONS if device.type == "cuda" else PRECISIONS[:1]
    return {"steps": [measure_precision(precision, device, CONFIGS[release]) for precision in precisions]}


def measure_precision(precision: str, device: torch.device, path: str) -> dict:
    """Measure, print and return the figures of one precision. The floor of bf16 is that of tf32."""
    config = ConfigParser.from_file(path, training=True)
    arguments = model_arguments(config)
    torch.manual_seed(0)
    ours = build_model(config).to(device).train()
    args = config["arch"]["args"]
    num_ghosts = args.get("ghost_clusters", {}).get("text", 0)
    dims, clusters = arguments["expert_dims"], arguments["vlad_clusters"]
    plain = PlainCE(dims, arguments["text_dim"], clusters, args["use_ce"], num_ghosts).to(device).train()
    plain.load_state_dict(ours.state_dict())
    batch = to_device(batch_for(ours, arguments), device)
    clock = Clock(device)
    default = {"plain": plain_step(plain, batch, precision)}
    sides = {
        "plain, memory kept": default["plain"],
        "ours": our_step(ours, batch, clock, precision),
        "floor": floor_step(ours, VIDEOS, device),
    }
    with matmul_precision("fp32" if precision == "fp32" else "tf32"):
        seconds = measure(default, clock, REPETITIONS)
        keep_freed_memory()
        seconds |= measure(sides, clock, REPETITIONS)
        launched = {name: kernels(step, device) for name, step in {**default, "ours": sides["ours"]}.items()}
    return report(seconds, clock.parts, num_parameters(ours), device, {"precision": precision, "kernels": launched})


def report(
    seconds: dict[str, list[float]], parts: dict[str, list[float]], parameters: int, device: torch.device, about: dict
) -> dict:
    """Print the medians of times and of ratios, and return them with all figures and with `about`."""
    figures = (
        about
        | environment(device, processes=1)
        | {
            "cores": os.cpu_count(),
            "parameters": parameters,
            "seconds": seconds,
            "parts": parts,
            "median": median(seconds | parts),
            "plain / ours": median_ratio(seconds, "plain", "ours"),
            "ours / floor": median_ratio(seconds, "ours", "floor"),
        }
    )
    size = f"batch {VIDEOS}, {parameters:,} parameters"
    print(f"training step of CE, {size}; {figures['device']}, {figures['threads']} threads, {about['precision']}")
    print(f"median of {len(seconds['ours'])} repetitions, taking turns:")
    for name in seconds:
        print(f"  {name:20} {1000 * figures['median'][name]:8.1f} ms")
    for name in ("plain / ours", "ours / floor"):
        print(f"  {name:20} {figures[name]:8.2f}")
    print("parts of ours:")
    for name in parts:
        print(f"  {name:20} {1000 * figures['median'][name]:8.1f} ms")
    for name, count in about["kernels"].items():
        if count is not None:
            print(f"kernels of {name:12} {count:6}")
    return figures
