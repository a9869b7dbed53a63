"""Results per query of an evaluation: relevance judgments, ranks, confidence intervals and files for trec_eval."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from base.query_ranks import QueryRanks
from data_loader.dataset import ExpertDataset
from model.confidence import Interval, mean_intervals, rank_intervals
from model.relevance import equal_caption_qrels, relevance_matrix, score_queries
from parse_config import ConfigParser
from trainer.evaluation import Evaluation
from utils.errors import InputError, count_text
from utils.trec import Qrels, read_qrels, write_qrels, write_run

TASKS = ("t2v", "v2t")
RUN_DEPTH = 1000  # items per query in a file of a run, as in TREC

logger = logging.getLogger(__name__)


def build_qrels(config: ConfigParser, dataset: ExpertDataset, averaged: bool) -> Qrels | None:
    """Return the relevant videos of each row of the similarities by its id, None if the config does not ask for them.

    Args:
        dataset: the captions and videos to evaluate.
        averaged: whether a row stands for all captions of a video; a video is as relevant as it is for any of them.

    Raises:
        InputError: a file of qrels that is invalid or of other captions or videos, or captions whose text is unknown.
    """
    if (source := config.get("qrels")) is None:
        return None
    names = dataset.caption_ids()
    owners = {caption: video for video, captions in names.items() for caption in captions}
    if source is True:
        texts = {c: [dataset.captions.text(v, k)] for v, x in enumerate(names.values()) for k, c in enumerate(x)}
        if not any(text for (text,) in texts.values()):
            raise InputError("qrels true: the text of captions is unknown, expected a file of raw captions, or of qrels")
        qrels = equal_caption_qrels(texts, owners)
    else:
        qrels = read_qrels(Path(source))
    if averaged and len(owners) > len(names):
        rows: Qrels = {}
        for caption, grades in qrels.items():
            row = rows.setdefault(owners.get(caption, caption), {})
            row.update({video: max(grade, row.get(video, grade)) for video, grade in grades.items()})
        qrels, owners = rows, {video: video for video in names}
    try:
        counts = np.diff(relevance_matrix(qrels, list(owners), list(names)).indptr)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if not counts.any():
        raise InputError(f"{source}: no relevant video of the split, expected grades above 0")
    several, total = int((counts > 1).sum()), count_text(len(counts), "caption")
    logger.info("qrels: %d of %s have several relevant videos%s", several, total, _describe_unjudged(counts))
    return qrels


def _describe_unjudged(counts: np.ndarray) -> str:
    unjudged = int((counts == 0).sum())
    return f", {unjudged} have none and are left out of the metrics with several relevant items" if unjudged else ""


def add_query_results(evaluation: Evaluation, caption_ids: Mapping[str, Sequence[str]], qrels: Qrels | None) -> None:
    """Add the ids of rows to an evaluation and, with `qrels`, the metrics with several relevant items."""
    evaluation.row_ids = row_ids(evaluation, caption_ids)
    if qrels is not None:
        evaluation.relevance = relevance_matrix(qrels, evaluation.row_ids, evaluation.video_ids)
        arguments = evaluation.sims, evaluation.relevance
        evaluation.relevance_scores = {task: score_queries(*arguments, task, evaluation.row_exists) for task in TASKS}


def row_ids(evaluation: Evaluation, caption_ids: Mapping[str, Sequence[str]]) -> list[str]:
    """Return the id of each row of the similarities.

    The id of a caption is `<video>#<n>`, where n is its 0-based position in the file of captions. A row that stands for all
    captions of a video has the id `<video>`, and a row without a caption "".

    Args:
        caption_ids: video -> ids of the captions that were used.
    """
    num_captions = evaluation.query_masks.shape[1]
    averaged = len(evaluation.sims) < sum(map(len, caption_ids.values()))
    rows = ([video] if averaged else caption_ids[video] for video in evaluation.video_ids)
    return [name for row in rows for name in (*row, *[""] * (num_captions - len(row)))]


def confidence_intervals(evaluation: Evaluation, level: float) -> dict[str, dict[str, Interval]]:
    """Return the interval of every metric in `reported_metrics` that is a function of ranks or of values per query."""
    owners = {"t2v": _owners(evaluation), "v2t": np.arange(len(evaluation.video_ids))}
    reported, found = evaluation.reported_metrics, {}
    for task in TASKS:
        ranks = {f"{task}_metrics": evaluation.ranks[task]}
        if evaluation.normalized is not None:
            ranks[f"{task}_querybank_metrics"] = evaluation.normalized.ranks.get(task)
        for name in ranks.keys() & reported.keys():
            found[name] = rank_intervals(ranks[name], owners[task], level)
    for name, scores in evaluation.relevance_by_name.items():
        found[f"{name}_metrics"] = mean_intervals(scores, owners[name.partition("_")[0]], level)
    return {name: found[name] for name in reported if name in found}


def _owners(evaluation: Evaluation) -> np.ndarray:
    """Return the number of the video of each caption that exists."""
    return np.flatnonzero(evaluation.query_masks) // evaluation.query_masks.shape[1]


def save_ranks(path: Path, evaluation: Evaluation, origin: Mapping[str, Any]) -> None:
    """Write the ranks of all queries to `path`; `origin` has the fields of `metrics.json` that the file shares."""
    owners = _owners(evaluation)
    if len(owners) == sum(map(len, evaluation.raw_captions)):
        texts = [text for captions in evaluation.raw_captions for text in captions]
    else:  # averaged
        texts = [" / ".join(captions) for captions in evaluation.raw_captions]
    ranks = dict(evaluation.ranks)
    if evaluation.normalized is not None:
        ranks |= {f"{task}_querybank": values for task, values in evaluation.normalized.ranks.items()}
    QueryRanks(
        **{key: origin[key] for key in ("config", "checkpoint", "seed", "split", "leaky", "v2t_ties")},
        videos=evaluation.video_ids,
        captions=[name for name in evaluation.row_ids if name],
        texts=texts,
        owners=owners.tolist(),
        ranks={name: values.tolist() for name, values in ranks.items()},
    ).write(path)


def save_trec(folder: Path, evaluation: Evaluation, tag: str) -> None:
    """Write both directions to `folder` as `t2v.run`, `t2v.qrels`, `v2t.run` and `v2t.qrels` for trec_eval.

    A run has the first `RUN_DEPTH` items of each query. Without relevance judgments, the relevant video of a caption is its
    own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    videos = evaluation.video_ids
    captions = [name for name in evaluation.row_ids if name]
    rows = np.flatnonzero(evaluation.row_exists)
    if evaluation.relevance is None:
        pairs = [(caption, videos[v], 1) for caption, v in zip(captions, _owners(evaluation), strict=True)]
    else:
        matrix = evaluation.relevance[rows].tocoo()
        pairs = [(captions[c], videos[v], int(grade)) for c, v, grade in zip(*matrix.coords, matrix.data, strict=True)]
    qrels: dict[str, Qrels] = {task: {} for task in TASKS}
    for caption, video, grade in sorted(pairs):
        qrels["t2v"].setdefault(caption, {})[video] = grade
        qrels["v2t"].setdefault(video, {})[caption] = grade
    scores = {
        "t2v": ((name, videos, evaluation.sims[row]) for name, row in zip(captions, rows, strict=True)),
        "v2t": ((name, captions, evaluation.sims[:, v][rows]) for v, name in enumerate(videos)),
    }
    for task in TASKS:
        write_run(folder / f"{task}.run", _rankings(scores[task]), tag)
        write_qrels(folder / f"{task}.qrels", qrels[task])
    logger.info("runs and qrels for trec_eval: %s", folder)


def _rankings(
    scores: Iterator[tuple[str, Sequence[str], np.ndarray]],
) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    """Yield each query with its first items and their scores, tied ones in their order."""
    for query, items, values in scores:
        best = np.argsort(-values, kind="stable")[:RUN_DEPTH]
        yield query, [(items[i], float(values[i])) for i in best]
