"""Fused search, against a plain loop over the channels' rankings."""

import numpy as np
import pytest
from helpers.channel_collection import StubCollection

from data_loader.experts import Expert
from misc.searching.channels import fused_searcher
from misc.searching.channels.channel import ChannelHit, Evidence
from misc.searching.channels.fused_result import NEXT_STEP, NO_VIDEO_FITS, Finding, format_fused_hits
from misc.searching.channels.fused_searcher import FusedSearcher, NoModel
from misc.searching.index.vector_store import FoundVideo
from misc.searching.result import Hit, SearchResult
from misc.searching.searcher import MAX_K, Ranking
from utils.errors import InputError

IDS = list("abcdef")
EVIDENCE = [Evidence("ocr", "sale", [0])]


class StubChannel:
    def __init__(self, *ids, error=None, doubt=None, notes=()):
        self._ids, self._error, self._doubt, self._notes = ids, error, doubt, notes

    def search(self, text, k):
        if self._error:
            raise InputError(self._error)
        return [ChannelHit(video, 10.0 - i, EVIDENCE) for i, video in enumerate(self._ids)][:k]

    def find_doubt(self, hits):
        return None if hits and hits[0].id != "e" else self._doubt

    def find_excluded(self, negatives):
        return {video for video in self._ids if video in negatives}

    def find_notes(self, text):
        return list(self._notes)

    def close(self):
        self._ids = ()


class StubTrained:
    """A `Searcher` of a model that ranks the videos a, b, c, d and one that the collection has no more."""

    experts, metadata, checkpoint, ids = ["rgb"], "metadata", "x.pth", ["a", "gone", "b", "c", "d"]
    bank, bank_metadata, lacking, stale, doubt = None, None, ["e"], ["gone"], None

    def rank(self, text, k, corrected):
        ids = ["a", "gone", "b", "c", "d"] if corrected else ["d", "c", "b", "a"]
        found = [FoundVideo(video, video, 1 / rank, None, []) for rank, video in enumerate(ids[:k], 1)]
        return Ranking(found, np.ones(1), self.doubt, [])

    def weights_of(self, ranking):
        return {"rgb": float(ranking.weights[0])}

    def make_hit(self, ranking, rank):
        return self.get_hit(ranking.found[rank - 1].video, rank)

    def similar(self, video, k):
        return SearchResult(str(video), None, [])

    def v2t(self, video, k, corrected):
        return ["caption"]

    def get_hit(self, video, rank=0):
        return Hit(rank, video, 1 / rank if rank else None, {"rgb": 1.0}, ["rgb"], [], {}, None)

    def close(self):
        self.checkpoint = None


class Collection(StubCollection):
    """The videos a to f, with features of frames."""

    folder = "data/Toy"

    def __init__(self):
        super().__init__({"a": {"ocr": ["sale"]}}, {"a": ["one", "", "two", "three", "four"]}, IDS)
        self.experts = {"rgb": Expert(3)}
        frames = np.random.default_rng(0).normal(size=(6, 4, 3))
        self.frames = {video: x for video, x in zip(IDS, frames, strict=True) if video != "f"}

    def __contains__(self, video):
        return video in IDS

    def check_ids(self, videos):
        if set(videos) - set(IDS):
            raise InputError("no video")

    def load_frames(self, name):
        return iter(self.frames.items())

    def load_video(self, name, video):
        return self.frames.get(video)

    def get_clip(self, video):
        return f"videos/{video}.webm"


def open_fused(channels, trained=None, absent=()):
    return FusedSearcher(Collection(), channels, dict(absent), trained)


CHANNELS = {"words": StubChannel("c", "b", "e"), "concepts": StubChannel("b", "f")}


def expected_order(rankings):
    scores = dict.fromkeys(IDS, 0.0)
    weights = {"words": 1.0, "concepts": 2.0, "trained": 1.0}  # the stubs are sure
    for name, ids in rankings.items():
        for rank, video in enumerate(ids, 1):
            scores[video] += weights[name] / (60 + rank)
    return [video for video in sorted(IDS, key=lambda video: -scores[video]) if scores[video]], scores


def test_without_a_model_channels_are_fused():
    result = open_fused(CHANNELS, absent={"trained": "no model"}.items()).search("sale", 10)
    order, scores = expected_order({"words": ["c", "b", "e"], "concepts": ["b", "f"]})
    assert [hit.id for hit in result.hits] == order and [hit.rank for hit in result.hits] == [1, 2, 3, 4]
    assert [hit.score for hit in result.hits] == pytest.approx([scores[video] for video in order])
    assert result.channels == ["words", "concepts"] and result.absent == {"trained": "no model"}
    found = {hit.id: hit.channels for hit in result.hits}
    assert found["b"] == {"words": Finding(2, 9.0, EVIDENCE), "concepts": Finding(1, 10.0, EVIDENCE)}
    assert found["f"] == {"concepts": Finding(2, 9.0, EVIDENCE)}
    assert all(hit.similarity is hit.weights is None and hit.experts == [] for hit in result.hits)


def test_a_model_adds_its_ranking_and_similarities():
    result = open_fused(CHANNELS, StubTrained()).search("sale", 10)
    order, _ = expected_order({"words": ["c", "b", "e"], "concepts": ["b", "f"], "trained": ["a", "b", "c", "d"]})
    assert [hit.id for hit in result.hits] == order and result.weights == {"rgb": 1.0}
    similarity = {hit.id: hit.similarity for hit in result.hits}
    assert similarity == {"a": 1.0, "b": 1 / 3, "c": 1 / 4, "d": 1 / 5, "e": None, "f": None}
    assert result.hits[0].channels["trained"].rank == 2  # the video that is gone does not count
    other = open_fused({"words": StubChannel()}, StubTrained()).search("sale", 2, corrected=False)
    assert [hit.id for hit in other.hits] == ["d", "c"]


def test_beside_a_model_hits_count_by_their_confidence():
    class Concepts(StubChannel):
        def search(self, text, k):
            return [ChannelHit("f", 0.5, EVIDENCE, confidence=0.25), ChannelHit("d", 0.1, EVIDENCE, confidence=0.01)]

    channels = {"words": StubChannel("c"), "concepts": Concepts()}
    beside = {hit.id: hit for hit in open_fused(channels, StubTrained()).search("sale", 10).hits}
    assert beside["f"].score == pytest.approx(2 * 0.25**2 / 61)
    assert beside["d"].score == pytest.approx(2 * 0.01**2 / 62 + 1 / 64)  # and fourth of the model
    alone = {hit.id: hit for hit in open_fused(channels).search("sale", 10).hits}
    assert alone["d"].score == pytest.approx(2 * 0.01 / 62)


def test_a_result_is_doubtful_if_no_channel_has_a_believable_hit():
    channels = {"words": StubChannel("e", doubt="only similar"), "concepts": StubChannel(doubt="none")}
    result = open_fused(channels).search("sale")
    assert [hit.id for hit in result.hits] == ["e"] and result.doubt == "words: only similar; concepts: none"
    assert open_fused({**channels, "concepts": StubChannel("b")}).search("sale").doubt is None
    fused = open_fused({**channels, "concepts": StubChannel("b", "e", doubt="none")})
    assert fused.search("sale").doubt is None
    filtered = fused.search("sale", allowed=frozenset("e"))  # without the hit that is believable
    assert [hit.id for hit in filtered.hits] == ["e"] and filtered.doubt == "words: only similar; concepts: none"
    trained = StubTrained()
    assert open_fused(channels, trained).search("sale").doubt is None
    trained.doubt = "too low"
    assert open_fused(channels, trained).search("sale").doubt == "words: only similar; concepts: none; trained: too low"


def test_a_filter_is_applied_to_the_ranking_of_all_videos():
    searcher = open_fused(CHANNELS, StubTrained())
    everything = searcher.search("sale", len(IDS)).hits
    for allowed in ("", "f", "eb", "abcdef"):
        expected = [(hit.id, hit.score, hit.channels) for hit in everything if hit.id in allowed]
        for k in (1, 3, 6):
            hits = searcher.search("sale", k, allowed=frozenset(allowed)).hits
            assert [(hit.id, hit.score, hit.channels) for hit in hits] == expected[:k]
            assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


def test_a_filter_searches_as_deep_as_needed(monkeypatch):
    monkeypatch.setattr("misc.searching.channels.fused_searcher.DEPTH", 2)
    hits = open_fused({"words": StubChannel(*IDS)}).search("sale", 2, allowed=frozenset("ef")).hits
    assert [hit.id for hit in hits] == ["e", "f"]


def test_negative_words_exclude_what_any_channel_finds_for_them():
    searcher = open_fused(CHANNELS, StubTrained())
    everything = searcher.search("sale", len(IDS)).hits
    found = searcher.search("sale -b -f -nothing", 10)  # the stub knows videos by their ids
    assert found.query == "sale -b -f -nothing"
    assert [(hit.id, hit.score) for hit in found.hits] == [(x.id, x.score) for x in everything if x.id not in "bf"]
    none = searcher.search("sale -b", 10, allowed=frozenset("b"))
    assert none.hits == [] and none.no_match.startswith("all videos that were found are excluded")
    with pytest.raises(InputError, match="not only excluded ones"):
        searcher.search("-b")


def test_hits_that_are_excluded_are_the_reason_that_a_channel_has_none():
    channels = {"words": StubChannel("a", doubt="no words"), "concepts": StubChannel(doubt="no concept")}
    found = open_fused(channels).search("sale -a", allowed=frozenset("b"))
    assert found.doubt == "words: only videos that are excluded, or that do not fit the filter; concepts: no concept"
    assert open_fused(channels).search("sale").doubt is None


def test_an_image_that_is_doubted_beside_words_that_are_not_gets_a_note(monkeypatch):
    monkeypatch.setattr(fused_searcher, "search_by_image", lambda items, image, k: [ChannelHit("b", 0.2, [])])
    for doubt, notes in (("nothing like it", ["image: nothing like it"]), (None, [])):
        monkeypatch.setattr(fused_searcher, "find_image_doubt", lambda collection, hits, doubt=doubt: doubt)
        found = open_fused({"words": StubChannel("a")}).search("sale", image=np.ones(3))
        assert (found.doubt, found.notes) == (None, notes)


def test_notes_of_all_channels_are_collected_once():
    channels = {"words": StubChannel("a", notes=["x", "y"]), "concepts": StubChannel("a", notes=["y", "z"])}
    assert open_fused(channels).search("sale").notes == ["x", "y", "z"]


@pytest.mark.parametrize("channels", [{"words": StubChannel()}, {"words": StubChannel("e", doubt="typos")}])
def test_a_query_without_a_believable_hit_names_the_next_step_unless_there_is_a_model(channels):
    absent = {"trained": "no index", "zero_shot": "no frames"}
    assert open_fused(channels, absent=absent).search("sale").notes == [NEXT_STEP]
    assert open_fused(channels, absent={"trained": "no index"}).search("sale").notes == []
    assert open_fused(CHANNELS, absent=absent).search("sale").notes == []
    assert open_fused(CHANNELS, absent=absent).search("sale", allowed=frozenset("a")).notes == []  # a filter excludes all


def test_a_filter_that_no_video_fits_is_the_only_reason_told():
    result = open_fused(CHANNELS, absent={"trained": "no index", "zero_shot": "no frames"}).search("x", allowed=frozenset())
    assert result.hits == [] and format_fused_hits(result) == [f"no match: {NO_VIDEO_FITS}"]


def test_fewer_results_are_the_first_ones():
    searcher = open_fused(CHANNELS, StubTrained())
    assert searcher.search("sale", 3).hits == searcher.search("sale", 10).hits[:3]


def test_a_query_that_a_channel_refuses_is_answered_by_the_others():
    result = open_fused({**CHANNELS, "concepts": StubChannel(error="no encoder")}).search("sale")
    assert [hit.id for hit in result.hits] == ["c", "b", "e"] and result.absent == {"concepts": "no encoder"}
    assert result.channels == ["words"]
    with pytest.raises(InputError, match="words: broken; concepts: no encoder"):
        open_fused({"words": StubChannel(error="broken"), "concepts": StubChannel(error="no encoder")}).search("sale")


def test_no_hit_is_said():
    result = open_fused({"words": StubChannel()}).search("sale")
    assert result.hits == [] and result.no_match == "no video has these words, or similar ones"
    assert "no concept" in open_fused({"words": StubChannel(), "concepts": StubChannel()}).search("x").no_match


@pytest.mark.parametrize(("query", "k"), [("", 1), (" ", 1), ("x", 0), ("x", MAX_K + 1)])
def test_empty_queries_and_invalid_numbers_are_refused(query, k):
    with pytest.raises(InputError, match="query: empty|k: "):
        open_fused(CHANNELS).search(query, k)


def test_similar_videos_without_a_model_have_similar_features():
    searcher = open_fused(CHANNELS)
    means = {video: frames.mean(axis=0) for video, frames in Collection().frames.items()}
    unit = {video: x / np.linalg.norm(x) for video, x in means.items()}
    cosines = {video: float(unit["a"] @ x) for video, x in unit.items() if video != "a"}
    hits = searcher.similar("a", 3).hits
    assert [hit.id for hit in hits] == sorted(cosines, key=lambda video: -cosines[video])[:3]
    assert [hit.similarity for hit in hits] == pytest.approx([cosines[hit.id] for hit in hits])
    assert [hit.rank for hit in hits] == [1, 2, 3]
    assert searcher.similar("f").hits == [] and searcher.v2t("a") == []
    with pytest.raises(InputError, match="no video"):
        searcher.similar("nobody")
    searcher.collection.experts = {}
    with pytest.raises(InputError, match="expected a model"):
        searcher.similar("a")


def test_videos_have_their_captions_words_and_clips():
    searcher = open_fused(CHANNELS)
    assert searcher.get_hit("a") == Hit(0, "a", None, None, [], ["one", "two", "three"], {"ocr": ["sale"]}, "videos/a.webm")
    assert searcher.metadata == NoModel() and searcher.experts == [] and "a" in searcher and "gone" not in searcher


def test_a_model_answers_for_videos():
    searcher = open_fused(CHANNELS, StubTrained())
    assert searcher.v2t("a") == ["caption"] and searcher.get_hit("a").experts == ["rgb"]
    assert searcher.lacking == ["e"] and searcher.stale == ["gone"] and searcher.experts == ["rgb"]


def test_everything_is_closed():
    trained, channel = StubTrained(), StubChannel("a")
    open_fused({"words": channel}, trained).close()
    assert trained.checkpoint is None and channel.search("x", 1) == []
