"""A search in an index with a query bank, compared with loops over all videos and all captions of the bank."""

import math

import numpy as np
import pytest
from helpers.exact_search import embedded, in_double
from helpers.properties import examples
from helpers.search_collection import create_store, make_metadata, open_store, random_texts, random_videos, select_videos
from hypothesis import given
from hypothesis import strategies as st

from misc.searching.building import tune_effort
from misc.searching.index import faiss_index, query_bank
from misc.searching.index.query_bank import BankMetadata, QueryBank
from model.querybank import METHODS
from model.similarity import TextEmbedding, pairwise_similarity
from utils.errors import InputError

TOLERANCE = 2e-5


def make_bank(dims, size=15, method="dynamic", beta=7.0, seed=5):
    about = BankMetadata(method=method, beta=beta, dataset="Toy")
    _, _, videos = random_videos(4, dims, seed)
    return QueryBank(about, random_texts(size, dims, seed), videos)


def normalize_naively(bank, sims, video, l2renorm):
    """Return the normalized scores (T, V), or None for queries that are not corrected, and how clear each decision is."""
    of_bank = pairwise_similarity(in_double(bank.texts), in_double(video), l2renorm).numpy()
    method, beta, (size, num_videos) = bank.about.method, bank.about.beta, of_bank.shape
    hubs, clear = set(), True
    for row in of_bank:
        best = max(row)
        hubs |= {v for v in range(num_videos) if row[v] > best - TOLERANCE}
        clear = clear and all(row[v] == best or row[v] < best - TOLERANCE for v in range(num_videos))
    results = []
    for row in sims:
        best = [v for v in range(num_videos) if row[v] > max(row) - TOLERANCE]
        clear = clear and all(row[v] == max(row) for v in best)
        if method == "dynamic" and not hubs.intersection(best):
            results.append(None)
        elif method == "csls":
            nearest = [np.mean(sorted(of_bank[:, v])[-10:]) for v in range(num_videos)]
            results.append([row[v] - nearest[v] / 2 for v in range(num_videos)])
        else:
            sums = [sum(math.exp(beta * s) for s in of_bank[:, v]) / size for v in range(num_videos)]
            results.append([math.log(math.exp(beta * row[v]) / sums[v]) / beta for v in range(num_videos)])
    return results, clear


def assert_corrected(store, ids, text, video, l2renorm, k=5):
    sims = pairwise_similarity(in_double(text), in_double(video), l2renorm).numpy()
    expected, clear = normalize_naively(store.bank, sims, video, l2renorm)
    for t, (row, normalized) in enumerate(zip(sims, expected, strict=True)):
        query = TextEmbedding([x[t : t + 1] for x in text.experts], text.weights[t : t + 1])
        found = store.search_with_bank(query, k)
        assert len({hit[0] for hit in found}) == len(found) == min(k, len(ids))
        numbers = [ids.index(hit[0]) for hit in found]
        np.testing.assert_allclose([hit[1] for hit in found], row[numbers], atol=1e-5)
        if not clear:  # rounding decides which queries are corrected
            continue
        if normalized is None:
            assert {hit[2] for hit in found} == {None}
            normalized = row
        else:
            np.testing.assert_allclose([hit[2] for hit in found], np.array(normalized)[numbers], atol=1e-5)
        np.testing.assert_allclose(np.array(normalized)[numbers], np.sort(normalized)[::-1][: len(numbers)], atol=1e-5)
    return clear, expected


@pytest.mark.parametrize("method", METHODS)
@given(case=embedded(), l2renorm=st.booleans(), seed=st.integers(0, 99))
@examples(15)
def test_a_search_with_a_bank_equals_loops(tmp_path_factory, method, case, l2renorm, seed):
    text, video, dims = case
    folder = tmp_path_factory.mktemp("store")
    ids = [f"v{i}" for i in range(len(video.available))]
    has = ["".join(str(int(x)) for x in row) for row in video.available]
    metadata = make_metadata([f"e{i}" for i in range(len(dims))], dims, l2renorm=l2renorm)
    store = create_store(folder, metadata)
    store.bank = make_bank(dims, method=method, seed=seed)
    store.add(ids, has, video)
    store.bank.update(store)
    assert_corrected(store, ids, text, video, l2renorm)
    store.commit()
    store.close()
    assert_corrected(open_store(folder), ids, text, video, l2renorm)


def test_a_changed_index_has_the_hubs_of_a_new_one(tmp_path, monkeypatch):
    monkeypatch.setattr(query_bank, "QUERY_BATCH", 5)
    dims, videos = [4, 3], random_videos(60, [4, 3])
    store = create_store(tmp_path, make_metadata(["a", "b"], dims))
    store.bank = make_bank(dims, size=12)
    store.add(*select_videos(videos, range(40)))
    store.bank.update(store)
    store.commit()
    store.close()
    store = open_store(tmp_path, writing=True)
    best = store.search(store.bank.texts, 1)
    assert store.bank.is_hub([store.videos.numbers[best[0][0][0]]])
    gone = {hits[0][0] for hits in best[:4]}
    store.remove(gone)
    store.add(*select_videos(videos, range(40, 60)))
    store.add(*select_videos(videos, [3, 7, int(next(iter(gone))[1:])]))  # replaced, and added again
    store.bank.update(store)
    hubs = {number for number in store.videos.numbers.values() if store.bank.is_hub([number])}
    assert hubs == {store.videos.numbers[hits[0][0]] for hits in store.search(store.bank.texts, 1)}
    store.commit()
    store.close()
    ids = [video for video in videos[0] if video not in gone] + [next(iter(gone))]
    changed = open_store(tmp_path)
    assert set(changed.bank.offsets) == set(changed.videos.numbers.values()) and len(changed.bank.offsets) == len(ids)
    _, _, embedding = select_videos(videos, [int(video[1:]) for video in ids])
    clear, expected = assert_corrected(changed, ids, random_texts(80, dims), embedding, False)
    assert clear and 10 < sum(x is None for x in expected) < 70  # some queries are corrected, others not


def test_only_captions_that_a_change_concerns_are_searched_anew(tmp_path, monkeypatch):
    dims = [6]
    store = create_store(tmp_path, make_metadata(["a"], dims))
    store.bank = make_bank(dims, size=30)
    store.add(*random_videos(50, dims, share=1.1))
    searched = []
    find_best = store.find_best
    monkeypatch.setattr(store, "find_best", lambda texts: (searched.append(len(texts.weights)), find_best(texts))[1])
    store.bank.update(store)
    assert sum(searched) == 30
    store.bank.update(store)
    assert sum(searched) == 30
    hubs = [hits[0][0] for hits in store.search(store.bank.texts, 1)]
    store.remove([hubs[0]])
    store.bank.update(store)
    assert sum(searched) == 30 + hubs.count(hubs[0])


@pytest.mark.parametrize("kind", ["sq8", "ivf", "hnsw"])
def test_an_approximate_index_finds_corrected_videos_too(tmp_path, monkeypatch, kind):
    monkeypatch.setattr("misc.searching.index.faiss_store.MIN_APPROXIMATE", 100)
    dims, videos = [8, 8], random_videos(2000, [8, 8], share=1.1)
    store = create_store(tmp_path, make_metadata(["a", "b"], dims, kind=kind))
    store.bank = make_bank(dims, size=200, beta=10.0)
    store.add(*videos)
    store.optimize()
    store.queries = random_texts(60, dims, 9)
    recall = tune_effort(store)
    assert recall >= 0.95 and store.effort <= faiss_index.MAX_EFFORT
    recalls = []
    for corrected in (False, True):
        exact = store.search(store.queries, 10, exact=True, corrected=corrected)
        found = store.search(store.queries, 10, corrected=corrected)
        recalls.append(np.mean([len({x for x, _ in a} & {x for x, _ in b}) / 10 for a, b in zip(exact, found, strict=True)]))
    assert recall == pytest.approx(min(recalls))


@pytest.mark.parametrize(("has_bank", "effort"), [(True, 4), (False, 1)])
def test_the_effort_is_tuned_for_corrected_searches_too(has_bank, effort):
    """Tune an index that finds the best videos of corrected queries from effort 4 on, and those of others always."""
    right, wrong = ([[(f"{word}{i}", 1.0 - i / 10 - worse) for i in range(10)]] for word, worse in (("a", 0), ("b", 5)))

    class Store:
        queries, bank = None, object() if has_bank else None

        def search(self, queries, k, exact=False, corrected=False):
            return right if exact or not corrected or self.effort >= 4 else wrong

    store = Store()
    assert tune_effort(store) == 1 and store.effort == effort


@pytest.mark.parametrize("damage", ["captions", "offsets", "best", "counts", "short"])
def test_a_bank_that_does_not_fit_is_refused(tmp_path, monkeypatch, damage):
    dims = [4, 3]
    store = create_store(tmp_path, make_metadata(["a", "b"], dims))
    store.bank = bank = make_bank(dims)
    store.add(*random_videos(20, dims))
    bank.update(store)
    if damage == "captions":
        bank.texts = TextEmbedding(bank.texts.experts[:1], bank.texts.weights)
    elif damage == "offsets":
        del bank.offsets[next(number for number in range(20) if not bank.is_hub([number]))]
    elif damage == "best":
        bank._best[0] = np.array([77])
    elif damage == "counts":  # that have the right sum
        sizes = iter([-1, len(bank._best[0]) + len(bank._best[1]) + 1, *map(len, bank._best[2:])])
        monkeypatch.setattr(query_bank, "len", lambda x: next(sizes) if x is not bank else 15, raising=False)
    else:
        bank.dump = lambda: QueryBank.dump(bank)[:-9]
    store.commit()
    store.close()
    monkeypatch.undo()
    with pytest.raises(InputError, match=r"bank\.1\.npy: damaged \(.*; rebuild the index"):
        open_store(tmp_path)


def test_a_bank_needs_the_dimensions_of_its_vectors(tmp_path):
    store = create_store(tmp_path, make_metadata(["a"], [4]))
    store.bank = make_bank([4])
    store.add(*random_videos(20, [4]))
    store.bank.update(store)
    store.bank = None
    store.commit()
    store.close()
    with pytest.raises(InputError, match="dimension 5, expected 4"):
        open_store(tmp_path)
