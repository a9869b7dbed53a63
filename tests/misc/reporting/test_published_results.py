"""The page of published results holds what was published."""

import json
import re
from pathlib import Path

import pytest
from helpers.markdown_tables import figure, tables
from helpers.paths import ROOT, shared

from misc import gen_readme
from misc.reporting import published_results

ROW_2019 = {"section": "A Benchmark", "Model": "CE", "Task": "t2v", "R@1": [2.5, 0.1], "experiment": "a-b-train-full-ce"}
ROW_2020 = ROW_2019 | {"R@1": [1.25, 0.5], "experiment": "a-b-train-renamed"}


@pytest.fixture
def publish(run, workplace):
    """Fill in a page from rows of 2019 and 2020; return exit code, standard error and the rows of each table."""

    def publish(rows_2019, rows_2020, titles=("A Benchmark",)):
        page = Path("misc/docs/published-results.md")
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text("".join(f"<!-- published: {title} -->\n<!-- end of published -->\n" for title in titles))
        Path("published.json").write_text(json.dumps({"release_2019": rows_2019, "release_2020": rows_2020}))
        code, _, err = run(gen_readme, "--published", "published.json")
        return code, err, tables(page.read_text())

    return publish


OF_2019, OF_2020 = "R@1<br>published, 2019 (leaky)", "R@1<br>published, 2020 (corrected)"


def test_figures_of_both_releases_stand_in_one_row(publish):
    only_2019, only_2020 = ROW_2019 | {"Task": "v2t"}, ROW_2020 | {"Model": "MoEE"}
    _, _, found = publish([ROW_2019, only_2019], [only_2020, ROW_2020])
    rows = found["A Benchmark"]
    assert [[row[x] for x in ("Model", "Task", OF_2019, OF_2020)] for row in rows] == [
        ["CE", "t2v", "2.5<sub>(0.1)</sub>", "1.2<sub>(0.5)</sub>"],
        ["CE", "v2t", "2.5<sub>(0.1)</sub>", "-"],
        ["MoEE", "t2v", "-", "1.2<sub>(0.5)</sub>"],
    ]
    configs = [row["Config"] for row in rows]
    assert configs[0] == configs[1] == "[train-full-ce](../../configs/a-b/train-full-ce.json)"  # 2019 names it
    assert configs[2] == "[train-renamed](../../configs/a-b/train-renamed.json)"


def test_rows_that_differ_in_what_they_are_of_do_not_meet(publish):
    _, _, found = publish([ROW_2019 | {"Split": "Full"}], [ROW_2020 | {"Split": "1k-A", "Params": "2M"}])
    ((one, other),) = found.values()
    assert (one["Split"], one[OF_2020]) == ("Full", "-") and (other["Split"], other[OF_2019]) == ("1k-A", "-")
    params = "Params<br>published, 20"
    assert one[f"{params}19 (leaky)"] == "-" and other[f"{params}20 (corrected)"] == "2M"


def test_a_section_that_starts_again_is_a_second_table(publish):
    more = ROW_2019 | {"Model": "Prev. + x"}
    titles = ("A Benchmark", "A Benchmark, cumulative")
    _, _, found = publish([ROW_2019, ROW_2019, more], [], titles)
    assert [[row["Model"] for row in found[title]] for title in titles] == [["CE"], ["CE", "Prev. + x"]]
    assert OF_2020 not in found["A Benchmark"][0]  # a column of nothing
    code, err, _ = publish([ROW_2019, ROW_2019, ROW_2019], [], titles)
    assert code == 2 and "A Benchmark, cumulative: the row CE t2v is there twice" in err


def test_refuses_published_results_that_it_does_not_understand(publish, refused):
    for row, message in (
        (ROW_2019 | {"R@1": 2.5}, "R@1"),
        (ROW_2019 | {"R@1": [2.5]}, "R@1"),
        (ROW_2019 | {"experiment": "full-ce"}, "experiment"),
        ({"experiment": "a-train-b"}, "section"),
        ("row", "Input should be"),
    ):
        code, err, _ = publish([row], [])
        assert code == 2 and "error: published.json: release_2019.0" in err and message in err and err.count("\n") == 1
    code, err, _ = publish([ROW_2019 | {"section": "B"}], [])
    assert code == 2 and "misc/docs/published-results.md: 0 blocks '<!-- published: B -->'" in err
    Path("published.json").write_text("[")
    assert "error: published.json: Invalid JSON" in refused(gen_readme, "--published", "published.json")
    assert "error: nowhere.json: No such file" in refused(gen_readme, "--published", "nowhere.json")


@pytest.fixture
def published_page():
    return (ROOT / published_results.PAGE).read_text()


def test_the_page_holds_the_published_figures_and_no_others(published_page):
    published = json.loads(shared("results", "published.json").read_text())
    found = []
    for title, rows in tables(published_page).items():
        for row in rows:
            link = re.fullmatch(r"\[(.*)\]\(\.\./\.\./configs/(.*)/(train-.*)\.json\)", row.pop("Config"))
            assert link[1] == link[3]
            section = title.removesuffix(", cumulative")
            about = {"section": section, **{key: x for key, x in row.items() if "<br>" not in key}}
            for release in ("2019 (leaky)", "2020 (corrected)"):
                ours = {k.partition("<br>")[0]: figure(x) for k, x in row.items() if k.endswith(f"<br>published, {release}")}
                if any(x != "-" for x in ours.values()):
                    found.append((release[:4], json.dumps(about | ours, sort_keys=True), f"{link[2]}-{link[3]}"))
    expected = []
    for release in ("2019", "2020"):
        for row in published[f"release_{release}"]:
            about = {key: x for key, x in row.items() if key != "experiment"}
            expected.append((release, json.dumps(about, sort_keys=True), row["experiment"]))
    assert sorted(x[:2] for x in found) == sorted(x[:2] for x in expected) and len(found) == 64 + 34
    assert {x for x in expected if x[0] == "2019"} == {x for x in found if x[0] == "2019"}
    numbers = re.findall(r"\d+\.\d", re.sub(r"<!-- published: .*?<!-- end", "", published_page, flags=re.DOTALL))
    assert numbers == ["1495.5"]  # outside the tables


def test_the_page_is_what_the_published_file_gives(published_page, run, workplace):
    Path("misc/docs").mkdir(parents=True)
    empty = re.sub(r"(<!-- published: .*? -->\n).*?(?=<!-- end)", r"\1", published_page, flags=re.DOTALL)
    Path("misc/docs/published-results.md").write_text(empty)
    assert run(gen_readme, "--published", shared("results", "published.json"))[0] == 0
    assert Path("misc/docs/published-results.md").read_text() == published_page != empty


def test_every_row_of_the_page_links_to_a_config(published_page):
    links = re.findall(r"\]\((\.\./\.\./configs/[^)]*)\)", published_page)
    assert len(links) == 64 and all((ROOT / "misc/docs" / link).resolve().is_file() for link in links)
