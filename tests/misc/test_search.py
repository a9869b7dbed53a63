"""The command, end to end on a small collection."""

import misc.search as search_command

RESUME = ["--resume", "model.pth", "--name", "Toy"]


def ok(call, *arguments):
    """Standard output and standard error of a command that ends well."""
    code, out, err = call(search_command, *arguments)
    assert code == 0, err
    return out, err


def test_a_query_builds_the_index_and_prints_the_best(collection, call):
    out, err = ok(call, "a red bird sings", *RESUME, "-k", 3)
    assert err.count("no index of Toy yet") == 1
    lines = [line for line in out.splitlines() if line[:6].strip()]
    assert len(lines) == 4 and lines[0].startswith("weights of the query: ")
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]
    again, err = ok(call, "-k", 3, *RESUME, "a", "red", "bird", "sings")
    assert again == out and "no index" not in err
    print(out)
