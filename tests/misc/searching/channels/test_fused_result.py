"""Fused results as text and as JSON."""

import dataclasses
import json

from misc.searching.channels.channel import Evidence
from misc.searching.channels.fused_result import Finding, FusedHit, FusedResult, as_dict, finding_texts, format_fused_hits
from misc.searching.result import Hit, SearchResult

FINDINGS = {
    "words": Finding(
        1,
        3.5,
        [
            Evidence("speech", "thanks for", [0, 1], similar=True),  # longer or shorter forms of the words of the query
            Evidence("name", "than\nks", similar=True, misspelled=True),
        ],
    ),
    "concepts": Finding(4, 0.5, [Evidence("rgb", "robin", probability=0.434)]),
    "trained": Finding(2, 0.25, []),
}
HIT = FusedHit(1, "v\x1b1", 0.25, None, [], ["a bird"], {"speech": ["thanks", "for"]}, None, None, 0.0325, FINDINGS)
RESULT = FusedResult("thanks", None, [HIT], list(FINDINGS), {"other": "a reason"})


def test_lines_say_which_channels_found_a_video_and_why():
    assert format_fused_hits(RESULT) == [
        "channels: words, concepts, trained (the number is the fused score: sum of weight / (60 + rank))",
        "   1  0.0325  v\\x1b1",
        "              words, rank 1: speech “thanks for”, name similar to “than ks”",
        "              concepts, rank 4: robin 43\u00a0%",
        "              trained, rank 2: similarity 0.250",
        "              speech: thanks for",
        '              "a bird"',
    ]


def test_a_percentage_of_nonsense_is_named():
    lines = format_fused_hits(dataclasses.replace(RESULT, hits=[dataclasses.replace(HIT, percentile=4.2)]))
    (line,) = (line.strip() for line in lines if "nonsense" in line)
    assert line == "trained, rank 2: similarity 0.250 (better than 4\u00a0% of nonsense queries)"


def test_the_corrected_similarity_precedes_the_one_without_the_query_bank():
    lines = format_fused_hits(dataclasses.replace(RESULT, hits=[dataclasses.replace(HIT, normalized=0.5)]))
    assert "trained, rank 2: corrected by the query bank 0.500, similarity 0.250" in [line.strip() for line in lines]


def test_no_hit_is_a_line():
    (line,) = format_fused_hits(FusedResult("x", None, [], ["words"], {}))
    assert line == "no match: no video has these words, or similar ones"


def test_json_has_the_evidence_without_absent_details():
    content = json.loads(json.dumps(as_dict(RESULT)))
    assert content["channels"] == ["words", "concepts", "trained"] and content["absent"] == {"other": "a reason"}
    (hit,) = content["hits"]
    assert hit["score"] == 0.0325 and hit["similarity"] == 0.25 and hit["captions"] == ["a bird"]
    assert hit["channels"] == {
        "words": {
            "rank": 1,
            "score": 3.5,
            "evidence": [
                {"source": "speech", "text": "thanks for", "positions": [0, 1], "similar": True},
                {"source": "name", "text": "than\nks", "similar": True, "misspelled": True},
            ],
        },
        "concepts": {"rank": 4, "score": 0.5, "evidence": [{"source": "rgb", "text": "robin", "probability": 0.434}]},
        "trained": {"rank": 2, "score": 0.25, "evidence": []},
    }


def test_results_of_a_model_only_have_no_channels():
    hit = Hit(1, "a", 0.5, {"rgb": 1.0}, ["rgb"], [], {}, None)
    content = as_dict(SearchResult("x", {"rgb": 1.0}, [hit]))
    assert content.keys() == {"query", "weights", "hits", "doubt", "notes"} and content["hits"][0]["clip"] is None
    assert "channels" not in content["hits"][0] and list(finding_texts(hit)) == []
