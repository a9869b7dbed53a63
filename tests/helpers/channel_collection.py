"""A collection in memory for tests of the channels of search."""

from pathlib import Path


class StubCollection:
    """Videos with recognized words and captions. `digest` changes with the content."""

    moments, folder = None, Path("nowhere")

    def __init__(self, words=None, captions=None, ids=None, experts=("ocr", "speech")):
        self._words, self._captions = words or {}, captions or {}
        self.ids = list(ids or dict.fromkeys([*self._words, *self._captions]))
        self.word_experts, self.digest = list(experts), "0"

    def text_digest(self):
        return self.digest

    def get_words(self, video):
        return self._words.get(video, {})

    def get_word_times(self, video):
        return {}

    def get_captions(self, video):
        return self._captions.get(video, [])
