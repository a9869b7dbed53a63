"""A collection of which a video changes and another one is removed."""

import json
from pathlib import Path

import pytest

QUERY = "a red bird sings"
RESUME = ["--resume", "model.pth", "--name", "Toy"]
TRAINED = [*RESUME, "--channels", "trained"]


def check_changes_are_updated(collection, search, *uri):
    """Change a video and remove another, and check what commands of misc/search.py (`search`) say of it and do.

    As after an extraction, versions.json says which videos have new features. `uri` are the arguments of an index in Milvus.
    """
    archive, _ = collection
    versions = Path("data/Toy/symlinked-feats/versions.json")
    versions.write_text(json.dumps(dict.fromkeys(archive.ids, "one")))
    search("build", *RESUME, *uri)
    assert "since" not in search(QUERY, *TRAINED, *uri)[1]
    changed, gone = archive.ids[5], archive.ids[7]
    archive.features["rgb"][changed] = archive.features["rgb"][archive.ids[6]]
    for list_name, listed in archive.lists.items():
        archive.lists[list_name] = [video for video in listed if video != gone]
    archive.write()
    versions.write_text(json.dumps({video: "two" if video == changed else "one" for video in archive.ids if video != gone}))
    warning = f"2 videos in the index changed or are gone since, first '{changed}': misc/search.py add\n"
    assert warning in search(QUERY, *TRAINED, *uri)[1]
    told = search("add", *RESUME, *uri)[1].splitlines()
    assert told[-1] == "1 video added"
    assert f"1 video changed: '{changed}'" in told and f"1 video gone: '{gone}'" in told
    out, err = search(QUERY, *TRAINED, *uri, "-k", 44, "--json")
    assert err == ""
    search("build", *RESUME, *uri)
    anew, _ = search(QUERY, *TRAINED, *uri, "-k", 44, "--json")
    one, two = ({hit["id"]: hit["similarity"] for hit in json.loads(x)["hits"]} for x in (out, anew))
    assert one.keys() == two.keys() and gone not in one and one == pytest.approx(two, abs=1e-6)
