"""A search with the query bank of an index ranks as `test.py --querybank` does."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.search_collection import LOCATION, StubEncoder, open_searcher, write_checkpoint
from helpers.toy_archive import Archive

import misc.search as search_command
import test as test_command
from misc.searching import embedding
from misc.searching.building import build_index
from misc.searching.collection import Collection
from misc.searching.embedding import Embedder
from misc.searching.index.query_bank import BankMetadata
from misc.searching.index.vector_store import IndexLocation
from trainer import querybank_evaluation
from utils.errors import InputError


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """data/Toy, of which an index holds the videos of the test split, and queries `<video>#<k>` for its captions."""
    monkeypatch.chdir(tmp_path)
    archive = Archive(tmp_path, num_train=40, num_val=12, num_test=60, seed=3)
    archive.lists["all_list.txt"] = archive.lists["test_list.txt"]
    archive.write()
    Path("data/Toy/extraction.json").write_text(json.dumps({"text": {"encoder": "stub"}}))

    class Captions(StubEncoder):
        def _vectors(self, text):
            video, _, number = text.partition("#")
            return archive.text[video][int(number)].astype(np.float32)

    monkeypatch.setattr("misc.extractors.text_encoders.build_text_encoder", lambda spec, device="cpu": Captions())
    monkeypatch.setattr("misc.searching.searcher.calibrate", lambda *_: None)  # the encoder has no other texts
    return archive


def build(checkpoint, kind="flat", beta=""):
    embedder = Embedder(checkpoint)
    collection = Collection("Toy", LOCATION.folder, embedder.config, embedder.experts)
    build_index(embedder, collection, LOCATION, kind, beta=beta)
    return open_searcher(LOCATION, checkpoint)


def evaluate(monkeypatch, *arguments):
    """Return the metrics of `test.py`."""
    monkeypatch.setattr(sys, "argv", ["test.py", "--resume", "model.pth", "--split", "test", *arguments])
    test_command.main()
    (path,) = Path("data/saved/log").glob("*/*/metrics.json")
    return json.loads(path.read_text())


def summarize(ranks):
    """Return metrics of 0-based ranks."""
    recalls = {f"R{k}": 100 * np.mean(np.array(ranks) < k) for k in (1, 5, 10)}
    return {**recalls, "MeanR": np.mean(ranks) + 1}


def list_captions(archive):
    return [f"{video}#{k}" for video in archive.lists["test_list.txt"] for k in range(2)]


def find_own_caption(searcher, video):
    """Return the 0-based rank of the first caption of a video among those that describe it best."""
    return min(rank for rank, hit in enumerate(searcher.v2t(video, 120)) if hit.video == video)


@pytest.mark.parametrize(
    ("kind", "method"), [("flat", "dynamic"), ("flat", "inverted_softmax"), ("flat", "csls"), ("ivf", "dynamic")]
)
def test_ranks_are_those_of_an_evaluation_with_the_bank(archive, monkeypatch, config, method, kind):
    monkeypatch.setattr("misc.searching.index.faiss_store.MIN_APPROXIMATE", 16)
    config["querybank"] = {"method": method}
    checkpoint = write_checkpoint("model.pth", config, l2renorm=True)
    metrics = evaluate(monkeypatch, "--querybank", "9")
    searcher = build(checkpoint, kind, "9")
    captions = list_captions(archive)
    t2v, v2t, corrected = [], [], 0
    for caption in captions:
        hits = searcher.search(caption, 60).hits
        t2v.append([hit.id for hit in hits].index(caption.partition("#")[0]))
        corrected += hits[0].normalized is not None
    for video in searcher.ids:
        v2t.append(find_own_caption(searcher, video))
    assert corrected == 120 if method != "dynamic" else 20 < corrected < 120
    for name, ranks in (("t2v", t2v), ("v2t", v2t)):
        found, expected, plain = summarize(ranks), metrics[f"{name}_querybank_metrics"], metrics[f"{name}_metrics"]
        assert found == pytest.approx({key: expected[key] for key in found})
        assert found != pytest.approx({key: plain[key] for key in found})
    plain = [[hit.id for hit in searcher.search(x, 60, corrected=False).hits].index(x.partition("#")[0]) for x in captions]
    assert summarize(plain) == pytest.approx({key: metrics["t2v_metrics"][key] for key in summarize(plain)})


@pytest.mark.parametrize(("beta", "section"), [("val", {}), ("", {"choose_beta": True})])
def test_beta_is_chosen_as_in_an_evaluation(archive, monkeypatch, config, beta, section):
    monkeypatch.setattr(querybank_evaluation, "BETAS", (2.0, 5.0, 20.0, 50.0))
    config |= {"querybank": section, "test_split": "test"}
    checkpoint = write_checkpoint("model.pth", config, l2renorm=True)
    metrics = evaluate(monkeypatch, "--querybank", beta) if beta else evaluate(monkeypatch)
    betas = metrics["querybank"]["beta"]
    assert betas["t2v"] != betas["v2t"]  # otherwise this test could not tell them apart
    searcher = build(checkpoint, beta=beta)
    assert f"beta {betas['t2v']:g} (chosen on validation; v2t {betas['v2t']:g})" in searcher.bank
    t2v = [[hit.id for hit in searcher.search(x, 60).hits].index(x.partition("#")[0]) for x in list_captions(archive)]
    v2t = [find_own_caption(searcher, video) for video in searcher.ids]
    for name, ranks in (("t2v", t2v), ("v2t", v2t)):
        found = summarize(ranks)
        assert found == pytest.approx({key: metrics[f"{name}_querybank_metrics"][key] for key in found})


@pytest.mark.parametrize(
    ("bank", "fitting"),
    [({"beta": 5.0}, ["", "5", "5.0"]), ({"beta": 5.0, "choose_beta": True, "v2t_beta": 10.0}, ["", "val"])],
)
def test_a_bank_fits_what_it_was_made_with(bank, fitting):
    about = BankMetadata(dataset="Toy", **bank)
    assert [beta for beta in ("", "val", "5", "5.0", "7") if about.fits(beta)] == fitting


def test_the_bank_is_the_training_data_without_the_test_split(archive, config, monkeypatch):
    shared = archive.lists["test_list.txt"][0]
    (archive.folder / "train_list.txt").write_text("".join(f"{x}\n" for x in [*archive.lists["train_list.txt"], shared]))
    config["test_split"] = "test"
    checkpoint = write_checkpoint("model.pth", config)
    bank = Embedder(checkpoint).embed_bank("5")
    assert len(bank) == 80 and len(bank.videos.available) == 40
    assert bank.description == "query bank of 80 captions of Toy, dynamic, beta 5"
    embedder = Embedder(checkpoint)
    texts = [words for video in archive.lists["train_list.txt"] for words in archive.text[video]]
    expected = embedder.embed_texts([x.astype(np.float32) for x in texts])
    for one, two in zip([bank.texts.weights, *bank.texts.experts], [expected.weights, *expected.experts], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)
    monkeypatch.setattr(embedding, "MAX_BANK", 20)
    few = Embedder(checkpoint).embed_bank("5")
    assert len(few) == 20 and len(few.videos.available) == 20
    np.testing.assert_allclose(few.texts.weights[[0, -1]], expected.weights[[0, -1]], atol=1e-5)


def test_missing_training_data_is_named(archive, config):
    checkpoint = write_checkpoint("model.pth", config)
    (archive.folder / "train_list.txt").unlink()
    with pytest.raises(InputError, match="train_list.txt"):
        build(checkpoint)
    assert not LOCATION.has_index()


def test_the_command_prints_both_similarities(archive, config, call):
    write_checkpoint("model.pth", config)
    place = ["--resume", "model.pth", "--name", "Toy"]
    query = [f"{archive.lists['test_list.txt'][0]}#0", *place, "-k", 60, "--channels", "trained", "--no_fold"]

    def run(*arguments):
        code, out, err = call(search_command, *arguments)
        assert code == 0, err
        return out, err

    plain, _ = run("query", *query)
    out, err = run("query", *query, "--querybank")
    assert out == plain and "the index has no query bank: --querybank only applies to a new index" in err
    assert "no query bank" in run("info", "--name", "Toy")[0]
    _, err = run("build", *place, "--querybank", "5")
    about = "query bank of 80 captions of Toy, dynamic, beta 5"
    assert f"data/Toy/index: {about}\n" in err and about in run("info", "--name", "Toy")[0]
    assert json.loads(run("info", "--name", "Toy", "--json")[0])["querybank"]["beta"] == 5
    assert run("query", *query, "--no_querybank")[0] == plain
    out, err = run("query", *query, "--json")
    hits = json.loads(out)["hits"]
    assert hits[0]["normalized"] is not None and err == ""
    assert [hit["normalized"] for hit in hits] == sorted([hit["normalized"] for hit in hits], reverse=True)
    text, _ = run("query", *query)
    assert "ordered by the similarity after correction by the query bank" in text
    assert f"   1  {hits[0]['normalized']:6.3f}  {hits[0]['similarity']:6.3f}  {hits[0]['id']}\n" in text
    out, _ = run("query", *query, "--no_querybank", "--json")
    similarity = {hit["id"]: hit["similarity"] for hit in json.loads(out)["hits"]}
    assert {hit["id"]: hit["similarity"] for hit in hits} == pytest.approx(similarity, abs=1e-5)
    outputs = [run("query", "--video", video, *place)[0] for video in archive.lists["test_list.txt"][:9]]
    assert 0 < sum("captions, after correction by the query bank:" in out for out in outputs) < 9
    run("query", *query, "--html", "page")
    assert f"Ordered after correction by the {about}" in Path("page/index.html").read_text()
    run("query", *query, "--no_querybank", "--html", "plain")
    assert "Ordered after correction" not in Path("plain/index.html").read_text()
    assert run("query", *query, "--querybank=5")[1] == ""
    for beta in (50, 7):
        assert "the index has query bank of" in run("query", *query, f"--querybank={beta}")[1]
    run("remove", "--name", "Toy", hits[0]["id"])
    assert json.loads(run("query", *query, "--json")[0])["hits"][0]["id"] != hits[0]["id"]
    run("add", *place)
    again = json.loads(run("query", *query, "--json")[0])["hits"]
    assert {hit["id"]: hit["normalized"] for hit in again} == pytest.approx({hit["id"]: hit["normalized"] for hit in hits})


@pytest.mark.parametrize("value", ["0", "nan", "-1", "much", "1e9"])
def test_an_invalid_beta_is_refused(archive, config, call, value):
    write_checkpoint("model.pth", config)
    code, _, err = call(search_command, "build", "--resume", "model.pth", "--name", "Toy", f"--querybank={value}")
    assert code == 2 and "expected a number from 0.001 to 10000" in err


def test_an_index_in_milvus_has_no_bank(archive, config, call):
    write_checkpoint("model.pth", config)
    code, _, err = call(search_command, "build", "--resume", "model.pth", "--name", "Toy", "--uri", "x.db", "--querybank")
    assert code == 2 and err.splitlines()[-1].startswith("error: --querybank: an index in Milvus has no query bank")


def test_a_bank_of_another_collection_is_warned_of(archive, config, caplog):
    checkpoint = write_checkpoint("model.pth", config)
    shutil.copytree("data/Toy", "data/Other")
    Path("data/Link").symlink_to("Toy")
    embedder = Embedder(checkpoint)
    for name, folder in (("Link", "Link"), ("Toy", "Other"), ("Other", "Other")):
        collection = Collection(name, Path("data", folder), embedder.config, embedder.experts)
        build_index(embedder, collection, IndexLocation(name), "flat", beta="")
        assert ("the query bank holds captions of Toy, not of" in caplog.text) == (name == "Other")
