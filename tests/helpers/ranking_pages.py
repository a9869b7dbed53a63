"""Random data for the ranking page, and clips for it to play."""

import json

import numpy as np

from model.metric import summarize, t2v_ranks, v2t_ranks
from utils.visualizer import PageData

EXPERTS = ["audio", "ocr", "rgb"]


def make_page_data(num_videos=8, num_captions=3, seed=0, ids=None, captions=None, averaged=False, weighted=True):
    """Return random similarities with ties; every second video has one caption less than the others."""
    rng = np.random.default_rng(seed)
    ids = ids or [f"video{v}" for v in range(num_videos)]
    counts = [num_captions - (v % 2 == 0 and num_captions > 1) for v in range(num_videos)]
    raw = captions or [[f"caption {k} of {v}" for k in range(count)] for v, count in enumerate(counts)]
    masks = np.array([np.arange(num_captions) < len(x) for x in raw])
    weights = rng.dirichlet(np.ones(len(EXPERTS)), masks.sum())
    if averaged:
        masks = np.ones((num_videos, 1), dtype=bool)
    sims = rng.normal(size=(masks.size, num_videos)).round(1)
    available = (rng.random((num_videos, len(EXPERTS))) < 0.6).astype(np.float32)
    ranks = {"t2v": t2v_ranks(sims, masks), "v2t": v2t_ranks(sims, masks)}
    metrics = {task: summarize(found) for task, found in ranks.items()}
    return PageData(metrics, ranks, sims, masks, ids, raw, EXPERTS, available, weights if weighted else None)


def listed(folder):
    """Return split and epoch of the evaluations that a page lists, in the order of writing."""
    entries = json.loads((folder / "data" / "evaluations.json").read_text())
    return [(entry["split"], entry["epoch"]) for entry in entries]


def shown(folder, number=1):
    """Return the content of a page for an evaluation."""
    text = (folder / "data" / f"{number}.js").read_text(encoding="ascii")
    prefix, suffix = f"registerEvaluation({number}, ", ");\n"
    assert text.startswith(prefix) and text.endswith(suffix)
    return json.loads(text.removeprefix(prefix).removesuffix(suffix))


def write_clip(path, frames=24, sound=False):
    """Write a clip of small moving squares, two seconds long, silent or with a tone."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="webm") as file:
        stream = file.add_stream("libvpx", rate=12)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        tone = file.add_stream("libopus", rate=48_000, layout="mono") if sound else None
        for n in range(frames):
            picture = np.full((48, 64, 3), 60, dtype=np.uint8)
            picture[16:32, n : n + 16] = 220
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
        if tone is not None:
            wave = np.sin(np.arange(frames * 4000) * 0.06).astype(np.float32)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="flt", layout="mono")
            frame.sample_rate = 48_000
            file.mux(tone.encode(frame))
            file.mux(tone.encode())
