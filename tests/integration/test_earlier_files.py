"""Files written by the code of November 2026: checkpoints of every variant, an interrupted training, and indexes."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from helpers.commands import CONFIG, weights
from helpers.model_variants import SWITCHES, make_batch, make_model, similarities
from helpers.paths import ROOT

import misc.search as search_command
import train as train_command

FIXTURES = ROOT / "tests" / "fixtures" / "november_2026"


@pytest.mark.parametrize("variant", [name for name in SWITCHES if "corrected" not in name])  # there was none then
def test_similarities_of_earlier_weights_are_unchanged(variant):
    saved = torch.load(FIXTURES / "variants" / f"{variant}.pth", weights_only=True)
    model = make_model(variant, seed=7)
    shapes = [{name: x.shape for name, x in state.items()} for state in (model.state_dict(), saved["state_dict"])]
    assert shapes[0] == shapes[1]
    model.load_state_dict(saved["state_dict"])
    sims = similarities(model, make_batch(saved["seed"], saved["videos"], saved["captions"]))
    torch.testing.assert_close(sims, saved["sims"], rtol=1e-5, atol=1e-6)


def test_an_earlier_interrupted_training_resumes_to_the_same_weights(run):
    models = Path("data/saved/models/toy-train-ce/2026-11-26_03-59-50")
    models.mkdir(parents=True)
    for name in ("interrupted.pth", "config.json"):
        shutil.copy(FIXTURES / "run" / name, models)
    code, _, err = run(train_command, "--config", CONFIG, "--resume", "auto")
    assert code == 0, err
    expected = weights(FIXTURES / "run" / "trained_model.pth")
    found = weights(models / "trained_model.pth")
    assert expected.keys() == found.keys()
    for name, x in expected.items():
        # Biases in front of a batch norm have no gradient but rounding, of which Adam makes steps of any size up to lr.
        torch.testing.assert_close(found[name], x, rtol=0, atol=2e-3, msg=name)
    before, after = (json.loads((folder / "metrics.json").read_text()) for folder in (FIXTURES / "run", models))
    assert before.keys() == after.keys() - {"hubness"}  # since November 2026
    assert all(before[key] == pytest.approx(after[key]) for key in ("t2v_metrics", "v2t_metrics"))


@pytest.mark.parametrize("kind", ["flat", "ivf", "hnsw", "milvus"])
def test_an_earlier_index_gives_the_same_results(kind, collection, call):
    index = FIXTURES / ("milvus.db" if kind == "milvus" else f"index-{kind}")
    shutil.copytree(index, index.name)
    shutil.copy(FIXTURES / "model.pth", "model.pth")
    place = ["--uri" if kind == "milvus" else "--index_dir", index.name]
    query = [
        "query",
        "a red bird sings",
        "--resume",
        "model.pth",
        "--name",
        "Toy",
        *place,
        "-k",
        5,
        "--json",
        "--channels",
        "trained",
    ]
    code, out, err = call(search_command, *query)
    assert code == 0 and "building it" not in err, err
    expected, found = json.loads((FIXTURES / "answers.json").read_text())[kind], json.loads(out)
    assert found.keys() == expected.keys() | {"doubt", "notes"}
    results = next(key for key, value in expected.items() if isinstance(value, list))
    assert [hit["id"] for hit in found[results]] == [hit["id"] for hit in expected[results]]
    for one, other in zip(found[results], expected[results], strict=True):
        assert one.keys() == other.keys() | {"normalized", "moments", "percentile", "folded"}
        assert one["similarity"] == pytest.approx(other["similarity"], abs=1e-5)
