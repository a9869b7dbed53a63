"""Results of an index compared with the similarities to all videos."""

import numpy as np
import torch
from helpers.search_collection import create_store, make_metadata, open_store
from hypothesis import strategies as st

from misc.searching.index.patterns import as_query
from model.similarity import TextEmbedding, VideoEmbedding, pairwise_similarity

EXACT = {"rtol": 0, "atol": 2e-6}


def assert_best(found, sims, ids, k):
    """Check that `found` has the k best videos by `sims` (T, V) per query, best first, with these similarities."""
    for row, hits in zip(sims.numpy(), found, strict=True):
        number = {video: i for i, video in enumerate(ids)}
        places = [number[video] for video, _ in hits]
        assert len(set(places)) == len(hits) == min(k, len(ids))
        scores = np.array([score for _, score in hits])
        np.testing.assert_allclose(scores, row[places], **EXACT)
        np.testing.assert_allclose(scores, np.sort(row)[::-1][: len(hits)], **EXACT)
        assert hits == sorted(hits, key=lambda hit: (-hit[1], number[hit[0]]))


@st.composite
def embedded(draw, most_videos=40):
    """Draw texts, and videos with random availability; some are equal or without any expert, and weights may vanish."""
    dims = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    num_videos, num_texts = draw(st.integers(1, most_videos)), draw(st.integers(1, 4))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = rng.normal(size=(max(1, num_videos // draw(st.integers(1, 4))), sum(dims))).astype(np.float32)
    videos = torch.from_numpy(pool[rng.integers(len(pool), size=num_videos)])
    available = torch.from_numpy((rng.random((num_videos, len(dims))) < draw(st.sampled_from([0.2, 0.5, 0.9]))).astype("f4"))
    texts = torch.from_numpy(rng.normal(size=(num_texts, sum(dims))).astype(np.float32))
    weights = torch.from_numpy(rng.normal(scale=draw(st.sampled_from([1, 80])), size=(num_texts, len(dims))).astype("f4"))
    text = TextEmbedding(list(texts.split(dims, dim=1)), weights.softmax(dim=1))
    return text, VideoEmbedding(list(videos.split(dims, dim=1)), available), dims


def in_double(embedding):
    experts, other = embedding
    return type(embedding)([x.double() for x in experts], other.double())


def check_exact(folder, case, l2renorm, k, milvus=False):
    text, video, dims = case
    ids = [f"v{i}" for i in range(len(video.available))]
    has = ["".join(str(int(x)) for x in row) for row in video.available]
    metadata = make_metadata([f"e{i}" for i in range(len(dims))], dims, l2renorm=l2renorm)
    store = create_store(folder, metadata, milvus)
    half = len(ids) // 2
    for part in (slice(half), slice(half, None)):
        chosen = VideoEmbedding([x[part] for x in video.experts], video.available[part])
        store.add(ids[part], has[part], chosen)
    store.commit()
    store.close()
    store = open_store(folder, milvus)
    for queries in (text, as_query(video)):
        sims = pairwise_similarity(in_double(queries), in_double(video), l2renorm)
        assert_best(store.search(queries, k), sims, ids, k)
    store.close()
