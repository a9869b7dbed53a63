"""The page of published results holds what was published."""

import json
import re
from pathlib import Path

import pytest
from helpers.corrected_configs import CE_PLUS, PAIRS
from helpers.markdown_tables import figure, tables
from helpers.paths import ROOT, shared

from misc import gen_readme
from misc.reporting.tables import PUBLISHED_PAGE

CE = {"section": "Benchmark", "Model": "CE", "Task": "t2v", "experiment": "msrvtt-train-full-ce"}
ROW_2019 = CE | {"R@1": [2.5, 0.1]}
ROW_2020 = CE | {"R@1": [1.25, 0.5], "source": "README.md", "heading": "CE", "run": "1/seed-0", "host_folder": "data"}
TITLE = "msrvtt, Benchmark"
OF_2019, OF_2020 = "R@1<br>published, 2019 (leaky)", "R@1<br>published, 2020 (corrected)"
HIGH_QUALITY = "R@1<br>published, 2020 (corrected, high-quality features)"


@pytest.fixture
def publish(run, workplace):
    """Fill in a page from rows of both releases; return exit code, standard error and the rows of each table."""

    def publish(rows_2019, rows_2020, titles=(TITLE,)):
        page = Path("misc/docs/published-results.md")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("".join(f"<!-- published: {title} -->\n<!-- end of published -->\n" for title in titles))
        Path("2019.json").write_text(json.dumps({"release_2019": rows_2019}))
        Path("2020.json").write_text(json.dumps({"tables": rows_2020}))
        code, _, err = run(gen_readme, "--published", "2019.json", "2020.json")
        return code, err, tables(page.read_text())

    return publish


def link(name):
    return f"[{name}](../../configs/msrvtt/{name}.json)"


def test_figures_of_both_releases_stand_in_one_row(publish):
    only_2019, only_2020 = ROW_2019 | {"Task": "v2t"}, ROW_2020 | {"Model": "MoEE", "experiment": "msrvtt-train-full-moee"}
    _, _, found = publish([ROW_2019, only_2019], [only_2020, ROW_2020])
    rows = found[TITLE]
    assert [[row[x] for x in ("Model", "Task", OF_2019, OF_2020)] for row in rows] == [
        ["CE", "t2v", "2.5<sub>(0.1)</sub>", "1.2<sub>(0.5)</sub>"],
        ["CE", "v2t", "2.5<sub>(0.1)</sub>", "-"],
        ["MoEE", "t2v", "-", "1.2<sub>(0.5)</sub>"],
    ]
    assert set(rows[0]) == {"Model", "Task", OF_2019, OF_2020, "Config"}  # neither run nor folder of the server
    both = f"{link('train-full-ce')}, {link('train-full-ce-2020')}"
    assert [row["Config"] for row in rows] == [both, link("train-full-ce"), link("train-full-moee-2020")]


@pytest.mark.parametrize(
    ("published", "ours"),
    [
        ("gpt2-xl-finetuned-adam", "ce-plus"),
        ("gpt2-xl-finetuned-mte-adam", "teachtext"),
        ("full-moee-minus-moee-weights", "full-moee-minus-moe-weights"),
        ("ce-intra-mte", None),
        ("full-ce-only-rgb", None),  # we have one of 2019
    ],
)
def test_a_row_links_to_our_config_of_the_same_release_if_there_is_one(publish, published, ours):
    _, _, found = publish([], [ROW_2020 | {"experiment": f"msrvtt-train-{published}"}])
    assert found[TITLE][0]["Config"] == (link(f"train-{ours}-2020") if ours else "-")


def test_a_config_that_is_named_differently_in_the_releases_has_one_row(publish):
    renamed = [f"msrvtt-train-full-moee-minus-{x}-weights" for x in ("moe", "moee")]
    _, _, found = publish([ROW_2019 | {"experiment": renamed[0]}], [ROW_2020 | {"experiment": renamed[1]}])
    assert [(row[OF_2019], row[OF_2020]) for row in found[TITLE]] == [("2.5<sub>(0.1)</sub>", "1.2<sub>(0.5)</sub>")]


def test_figures_of_teachtext_are_marked_as_of_other_features(publish):
    _, _, found = publish([], [ROW_2020 | {"heading": "TeachText", "host_folder": "data-hq"}])
    assert found[TITLE][0][HIGH_QUALITY] == "1.2<sub>(0.5)</sub>" and OF_2020 not in found[TITLE][0]


def test_rows_that_differ_in_what_they_are_of_do_not_meet(publish):
    both = [ROW_2019 | {"Split": "Full"}, ROW_2019], [ROW_2020 | {"Split": "1k-A", "Params": "2M"}, ROW_2020]
    _, _, found = publish(*both)
    one, _, other = found[TITLE]
    assert (one["Split"], one[OF_2020]) == ("Full", "-") and (other["Split"], other[OF_2019]) == ("1k-A", "-")
    params = "Params<br>published, 20"
    assert one[f"{params}19 (leaky)"] == "-" and other[f"{params}20 (corrected)"] == "2M"


def test_releases_without_a_common_row_have_a_table_each(publish):
    # The same label of another experiment: "Prev." is another row in each release.
    flow, other_flow = (CE["experiment"] + x for x in ("-only-rgb-flow", "-only-scene-flow"))
    label = {"Model": "Prev. + Flow"}
    titles = [f"{TITLE}, {x}" for x in ("2019", "2020")]
    _, _, found = publish([ROW_2019 | label | {"experiment": flow}], [ROW_2020 | label | {"experiment": other_flow}], titles)
    ((of_2019,), (of_2020,)) = (found[title] for title in titles)
    assert of_2019[OF_2019] == "2.5<sub>(0.1)</sub>" and of_2020[OF_2020] == "1.2<sub>(0.5)</sub>"
    assert OF_2020 not in of_2019 and OF_2019 not in of_2020


def test_datasets_have_tables_of_their_own(publish):
    titles = [TITLE, "msvd, Benchmark"]
    _, _, found = publish([], [ROW_2020, ROW_2020 | {"experiment": "msvd-train-full-ce"}], titles)
    assert [len(found[title]) for title in titles] == [1, 1]


def test_a_section_that_starts_again_is_a_second_table(publish):
    more = ROW_2019 | {"Model": "Prev. + x"}
    titles = (TITLE, f"{TITLE}, cumulative")
    _, _, found = publish([ROW_2019, ROW_2019, more], [], titles)
    assert [[row["Model"] for row in found[title]] for title in titles] == [["CE"], ["CE", "Prev. + x"]]
    assert OF_2020 not in found[TITLE][0]  # a column of nothing
    code, err, _ = publish([ROW_2019, ROW_2019, ROW_2019], [], titles)
    assert code == 2 and f"{TITLE}, cumulative: the row CE t2v is there twice" in err


def test_a_table_that_two_files_printed_is_there_once(publish):
    again = ROW_2020 | {"source": "ablations.md"}
    _, _, found = publish([], [ROW_2020, again])
    assert len(found[TITLE]) == 1
    for different in (again | {"R@1": [9.0, 0.5]}, again | {"Model": "MoEE"}):
        code, err, _ = publish([], [ROW_2020, different])
        assert code == 2 and f"{TITLE}: other rows in ablations.md" in err and err.count("\n") == 1


def test_refuses_published_results_that_it_does_not_understand(publish, refused):
    for row, message in (
        (ROW_2019 | {"R@1": 2.5}, "R@1"),
        (ROW_2019 | {"R@1": [2.5]}, "R@1"),
        (ROW_2019 | {"experiment": "full-ce"}, "experiment"),
        ({"experiment": "a-train-b"}, "section"),
        ("row", "Input should be"),
    ):
        code, err, _ = publish([row], [])
        assert code == 2 and "error: 2019.json: release_2019.0" in err and message in err and err.count("\n") == 1
    code, err, _ = publish([], [ROW_2019])
    assert code == 2 and "error: 2020.json: tables.0.source: Field required" in err
    code, err, _ = publish([ROW_2019 | {"section": "B"}], [])
    assert code == 2 and "misc/docs/published-results.md: 0 blocks '<!-- published: msrvtt, B -->'" in err
    exchanged = refused(gen_readme, "--published", "2020.json", "2019.json")
    assert "error: 2020.json: release_2019: Field required" in exchanged
    Path("2020.json").write_text("[")
    assert "error: 2020.json: Invalid JSON" in refused(gen_readme, "--published", "2019.json", "2020.json")
    assert "error: nowhere.json: No such file" in refused(gen_readme, "--published", "nowhere.json", "2020.json")


@pytest.fixture
def published_page():
    return (ROOT / PUBLISHED_PAGE).read_text()


def published_rows():
    """Return the rows of both files as (label, dataset, content, our config): what they are of, and their figures."""
    ours = {name: f"{ours}-2020" for ours, name in PAIRS.items()}
    ours |= {name.replace("ce-plus", "gpt2-xl-finetuned-adam"): f"{name}-2020" for name in CE_PLUS}
    of_2019 = json.loads(shared("results", "published.json").read_text())["release_2019"]
    of_2020 = json.loads(shared("results", "published-2020.json").read_text())["tables"]
    for row in of_2019 + of_2020:
        about = {x: row[x] for x in row if x not in ("source", "heading", "run", "host_folder", "experiment")}
        dataset, _, name = row["experiment"].partition("-train-")
        label, config = "2019 (leaky)", f"{dataset}/train-{name}"
        if "source" in row:
            features = ", high-quality features" if row["host_folder"] == "teachtext/data-hq" else ""
            label, config = f"2020 (corrected{features})", ours.get(config, "")
        yield label, dataset, json.dumps(about, sort_keys=True), config


def test_the_page_holds_the_published_figures_and_no_others(published_page):
    found = []
    for title, rows in tables(published_page).items():
        dataset, section = re.fullmatch(r"([\w-]+), (.*?)(?:, cumulative)?(?:, 20\d\d)?", title).groups()
        for row in rows:
            configs = re.findall(r"\[([\w-]+)\]\(\.\./\.\./configs/([\w-]+/)\1\.json\)", row["Config"])
            assert row.pop("Config").count("](") == len(configs)
            configs = {name.endswith("-2020"): folder + name for name, folder in configs}
            about = {"section": section, **{key: x for key, x in row.items() if "<br>" not in key}}
            for label in {key.partition("published, ")[2] for key in row if "<br>" in key}:
                ours = {k.partition("<br>")[0]: figure(x) for k, x in row.items() if k.endswith(f"<br>published, {label}")}
                if any(x != "-" for x in ours.values()):
                    config = configs.get(label.startswith("2020"), "")
                    found.append((label, dataset, json.dumps(about | ours, sort_keys=True), config))
    published = list(published_rows())
    twice = [x for x in published if x[1] == "queryd" and "Ablation studies" in x[2]]  # printed in two files
    assert len(twice) == 32 and len(published) == 64 + 364
    for row in twice[16:]:
        published.remove(row)
    assert sorted(found) == sorted(published)
    numbers = re.findall(r"\d+\.\d", re.sub(r"<!-- published: .*?<!-- end", "", published_page, flags=re.DOTALL))
    assert numbers == ["1495.5"]  # outside the tables


def test_the_page_is_what_the_published_files_give(published_page, run, workplace):
    Path("misc/docs").mkdir(parents=True)
    empty = re.sub(r"(<!-- published: .*? -->\n).*?(?=<!-- end)", r"\1", published_page, flags=re.DOTALL)
    Path("misc/docs/published-results.md").write_text(empty)
    files = [shared("results", f"published{x}.json") for x in ("", "-2020")]
    assert run(gen_readme, "--published", *files)[0] == 0
    assert Path("misc/docs/published-results.md").read_text() == published_page != empty


def test_every_config_of_the_published_datasets_has_its_row(published_page):
    links = re.findall(r"\]\(\.\./\.\./(configs/[^)]*)\)", published_page)
    datasets = ("msrvtt", "msvd", "didemo", "activity-net", "lsmdc")
    assert set(links) == {str(x.relative_to(ROOT)) for name in datasets for x in ROOT.glob(f"configs/{name}/train-*.json")}
