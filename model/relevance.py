"""Retrieval metrics of queries with several relevant items, which may be relevant in grades.

The relevant items of a query are at 0-based positions among all items in order of falling similarity. As in `model.metric`,
items that are tied are ordered at random, and each position is its expectation: if h items have a higher score, and r
relevant items are tied with n others, the j-th of these relevant items is at

    p = h + j (r + n + 1) / (r + 1) - 1    (of the first, j = 1: h + n / (r + 1), the rule "expected" of `v2t_ranks`)

and has the mean of the r grades. From the positions p_1 < p_2 < ... of the m relevant items of a query:

- R1, R5, R10, R50: 1 if p_1 is 0, below 5, 10, 50 (success@k of trec_eval).
- recall10: share of the m positions that are below 10 (recall_10).
- MRR: 1 / (p_1 + 1) (recip_rank).
- mAP: mean over i of i / (p_i + 1) (map).
- nDCG10: sum of g_i / log2(p_i + 2) over the positions below 10, where g is the grade, divided by its highest value
  (ndcg_cut_10; Järvelin and Kekäläinen, 2002).

All are in percent. With one relevant item per query, R1 to R50 are those of `model.metric`.

Shapes: R captions in rows, C videos in columns, Q queries. The functions take

    sims         similarities (R, C), never modified, and read by blocks
    relevance    grades (R, C), sparse or not; an item is relevant if its grade is greater than 0
    task         "t2v": queries are the captions; "v2t": queries are the videos
    exists       (R,), false for captions that do not exist, which are neither queries nor items (None: all exist)

and raise an `InputError` for shapes that do not fit, and for NaN and inf.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from scipy import sparse

from model.metric import RECALL_LEVELS, NotFiniteError
from utils.errors import InputError, first_names

DEPTH = 10  # of recall and nDCG
BLOCK_BYTES = 1 << 25  # of similarities that are sorted at a time; each block of columns touches every page of a matrix


def evaluate_relevance(
    sims: np.ndarray, relevance: np.ndarray | sparse.sparray, task: str = "t2v", exists: np.ndarray | None = None
) -> dict[str, float]:
    """Return the mean of each metric over the queries that have a relevant item.

    Raises:
        InputError: no query has one, or as the module says.
    """
    scores = score_queries(sims, relevance, task, exists)
    if np.isnan(scores["R1"]).all():
        raise InputError(f"relevance: no query of {task} has a relevant item")
    return {name: float(np.nanmean(values)) for name, values in scores.items()}


def score_queries(
    sims: np.ndarray, relevance: np.ndarray | sparse.sparray, task: str = "t2v", exists: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return the values (Q,) of each metric per query, NaN for queries without a relevant item."""
    captions, grades = _check(sims, relevance, task, exists)
    query, grade, score, higher, tied = _relevant_items(sims, grades, task, captions)
    num_queries = grades.shape[0]
    number, position, gain = _expected_positions(query, grade, score, higher, tied)
    counts = np.bincount(query, minlength=num_queries)
    first = np.full(num_queries, np.nan)
    first[query[number == 1]] = position[number == 1]

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(query, weights=values, minlength=num_queries)

    best = np.lexsort((-grade, query))  # the best order, in which positions are number - 1
    ideal = total(np.where(number <= DEPTH, grade[best] / np.log2(number + 1), 0))
    found = total(np.where(position < DEPTH, gain / np.log2(position + 2), 0))
    with np.errstate(invalid="ignore"):  # 0 / 0 of queries without a relevant item
        hits = {f"R{k}": np.where(counts > 0, first <= 0 if k == 1 else first < k, np.nan) for k in RECALL_LEVELS}
        values = {
            **hits,
            f"recall{DEPTH}": total(position < DEPTH) / counts,
            "MRR": 1 / (first + 1),
            "mAP": total(number / (position + 1)) / counts,
            f"nDCG{DEPTH}": found / ideal,
        }
    return {name: 100 * x for name, x in values.items()}


def relevance_matrix(
    qrels: Mapping[str, Mapping[str, int]], caption_ids: Sequence[str], video_ids: Sequence[str]
) -> sparse.csr_array:
    """Return the grades (R, C) that `qrels`, caption -> video -> grade, give to rows and columns with these ids.

    Captions that have no row are left out, as a file may have those of all splits.

    Raises:
        InputError: no caption has a row, or a relevant video has no column.
    """
    rows, columns = ({name: i for i, name in enumerate(ids)} for ids in (caption_ids, video_ids))
    judged = {caption: grades for caption, grades in qrels.items() if caption in rows}
    if not judged:
        raise InputError(f"no caption of the split, found {first_names(list(qrels))}, expected {first_names(caption_ids)}")
    triples = [(rows[c], v, grade) for c, grades in judged.items() for v, grade in grades.items() if grade > 0]
    if unknown := [video for _, video, _ in triples if video not in columns]:
        raise InputError(f"relevant videos that are not in the split: {first_names(list(dict.fromkeys(unknown)))}")
    matrix = sparse.lil_array((len(rows), len(columns)))
    for row, video, grade in triples:
        matrix[row, columns[video]] = grade
    return matrix.tocsr()


def equal_caption_qrels(texts: Mapping[str, Sequence[str]], owners: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return qrels in which each caption has its own video and those of captions with equal text, apart from case and space.

    Args:
        texts: id of a caption -> its text ("": unknown, equal to no other), or several texts that it stands for.
        owners: id of a caption -> its video.
    """
    keys = {caption: {" ".join(text.casefold().split()) for text in found} - {""} for caption, found in texts.items()}
    videos: dict[str, dict[str, int]] = {}
    for caption, found in keys.items():
        for key in found:
            videos.setdefault(key, {})[owners[caption]] = 1
    own = {caption: {owners[caption]: 1} for caption in texts}
    return {caption: {v: 1 for key in sorted(found) for v in videos[key]} | own[caption] for caption, found in keys.items()}


def _check(
    sims: np.ndarray, relevance: np.ndarray | sparse.sparray, task: str, exists: np.ndarray | None
) -> tuple[np.ndarray, sparse.csr_array]:
    """Return the rows of captions that exist, and the positive grades with a row per query and a column per item."""
    if task not in ("t2v", "v2t"):
        raise InputError(f"relevance: task {task!r}, expected 't2v' or 'v2t'")
    if len(sims.shape) != 2 or 0 in sims.shape or relevance.shape != sims.shape:
        raise InputError(f"relevance: grades of shape {relevance.shape} for similarities of shape {sims.shape}")
    exists = np.ones(len(sims), dtype=bool) if exists is None else np.asarray(exists).astype(bool)
    if exists.shape != (len(sims),) or not exists.any():
        raise InputError(f"relevance: a mask of {int(exists.sum())} captions, shape {exists.shape}, for {len(sims)} rows")
    captions = np.flatnonzero(exists)
    grades = sparse.csr_array(relevance)[captions].astype(np.float64)
    grades.data = np.maximum(grades.data, 0)
    if not np.isfinite(grades.data).all():
        raise InputError("relevance: grades hold NaN or inf")
    grades = grades if task == "t2v" else grades.T.tocsr()
    grades.sum_duplicates()
    grades.eliminate_zeros()
    return captions, grades


def _relevant_items(sims: np.ndarray, grades: sparse.csr_array, task: str, captions: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return of each relevant item its query, grade and score, and the numbers of items that are higher and tied."""
    found = []
    for start, block in _query_blocks(sims, grades.shape, task, captions):
        part = grades[start : start + len(block)]
        query = np.repeat(np.arange(len(block)), np.diff(part.indptr))
        score = block[query, part.indices]
        block.sort(axis=1)
        ends = [_ends_of_ties(block[q], score[part.indptr[q] : part.indptr[q + 1]]) for q in range(len(block))]
        lower, upper = np.concatenate(ends, axis=1)
        found.append((query + start, part.data, score, block.shape[1] - upper, upper - lower))
    return tuple(np.concatenate(parts) for parts in zip(*found, strict=True))


def _ends_of_ties(ascending: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the numbers of items below, and up to, each of some scores (m,): (2, m)."""
    return np.stack([ascending.searchsorted(scores, side) for side in ("left", "right")])


def _query_blocks(
    sims: np.ndarray, shape: tuple[int, int], task: str, captions: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number of the first query, and a copy of the next queries' scores, after a check for NaN and inf."""
    num_queries, num_items = shape
    size = max(1, BLOCK_BYTES // (sims.dtype.itemsize * num_items))
    for start in range(0, num_queries, size):
        if task == "t2v":
            block = sims[captions[start : start + size]]
        else:
            block = np.ascontiguousarray(sims[:, start : start + size][captions].T)
        finite = np.isfinite(block)
        if not finite.all():
            query, item = np.argwhere(~finite)[0]
            raise NotFiniteError(int(captions[start + query if task == "t2v" else item]))
        yield start, block


def _expected_positions(
    query: np.ndarray, grade: np.ndarray, score: np.ndarray, higher: np.ndarray, tied: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return of each relevant item, in order of its query and position: its number from 1, position and expected grade.

    The queries are in order already, and the order of the result keeps theirs.
    """
    order = np.lexsort((-score, query))
    query, grade, score, higher, tied = (x[order] for x in (query, grade, score, higher, tied))
    index = np.arange(len(query))
    number = index - np.searchsorted(query, query) + 1
    starts = np.ones(len(query), dtype=bool)  # of relevant items of a query that are tied
    starts[1:] = (np.diff(query) != 0) | (np.diff(score) != 0)
    group = np.cumsum(starts) - 1
    size = np.bincount(group)[group]
    number_in_group = index - np.flatnonzero(starts)[group] + 1
    position = higher + number_in_group * (tied + 1) / (size + 1) - 1
    return number, position, np.bincount(group, weights=grade)[group] / size
