"""Mutations of the query bank of a search index."""

from helpers.mutate import Mutation

BANK, STORE, EMBEDDING = (
    "misc/searching/index/query_bank.py",
    "misc/searching/index/vector_store.py",
    "misc/searching/embedding.py",
)
FILES, BUILDING = "misc/searching/index/faiss_store.py", "misc/searching/building.py"
APP, PAGE = "misc/searching/serving/app.py", "misc/searching/serving/page.py"
TEST = "tests/misc/searching/index/test_query_bank.py"
TEST_SEARCHER = "tests/misc/searching/test_searcher_querybank.py"
TEST_APP = "tests/misc/searching/serving/test_app_querybank.py"

MUTATIONS = [
    Mutation(BANK, '"csls" if self.about.method == "csls" else "inverted_softmax"', '"csls"', TEST, "csls for all methods"),
    Mutation(BANK, "beta=self.about.beta", "beta=20.0", TEST, "beta is ignored"),
    Mutation(
        BANK, "sims.max(axis=1) >= self._best_scores - TOLERANCE", "sims.max(axis=1) < -9", TEST, "new hubs are missed"
    ),
    Mutation(BANK, "        self._best_scores[concerned] = -np.inf\n", "", TEST, "a removed hub stays the best one"),
    Mutation(BANK, "            del self.offsets[number]\n", "            pass\n", TEST, "offsets of removed videos stay"),
    Mutation(
        BANK, "        self._hubs = None\n\n    def is_hub", "\n    def is_hub", TEST, "hubs are those of the first search"
    ),
    Mutation(BANK, "np.isneginf(self._best_scores)", "self._best_scores < 9", TEST, "each change searches all captions"),
    Mutation(
        BANK, "self._best[row], self._best_scores[row] = numbers, score", "self._best[row] = numbers", TEST, "as above"
    ),
    Mutation(BANK, "known.tolist() == list(numbers)", "len(known)", TEST, "a bank of other videos is read"),
    Mutation(BANK, "or not np.isin(best, known).all()", "", TEST, "hubs that are no videos are read"),
    Mutation(BANK, "return (offsets - self.center) / SCALE", "return offsets / SCALE", TEST, "offsets are not centered"),
    Mutation(BANK, "        bank.center = float(center)\n", "", TEST, "the center is not read"),
    Mutation(STORE, "if not self.bank.is_hub(", "if self.bank.is_hub(", TEST, "the other queries are corrected"),
    Mutation(STORE, "(video, score + offset, score)", "(video, score, score)", TEST, "similarities are the normalized ones"),
    Mutation(
        STORE, "scores - self.bank.center if corrected", "scores if corrected", TEST, "videos without experts rank wrong"
    ),
    Mutation(
        STORE, "append_column(vectors, column[rows])", "append_column(vectors, column[: len(rows)])", TEST, "rows mixed"
    ),
    Mutation(STORE, "row[values == best]", "row[:1]", TEST, "the first candidate is the best one"),
    Mutation(FILES, "+ (self.bank is not None)", "", TEST, "the dimension of the correction is not expected"),
    Mutation(
        BUILDING, "kinds = (False,) if store.bank is None else (False, True)", "kinds = (False,)", TEST, "tuned without"
    ),
    Mutation(BUILDING, "        store.bank.update(store)\n", "        pass\n", TEST_SEARCHER, "an index has no hubs"),
    Mutation(
        BUILDING, "if beta is not None and location.uri is not None:", "if False:", TEST_SEARCHER, "Milvus is not refused"
    ),
    Mutation(BUILDING, "dataset != collection.name and", "", TEST_SEARCHER, "a bank of the same folder is warned of"),
    Mutation(
        BUILDING, "and Path(folder).resolve() != collection.folder.resolve()", "and False", TEST_SEARCHER, "no warning"
    ),
    Mutation(EMBEDDING, "(config, self.config.test_split(),", '(config, "val",', TEST_SEARCHER, "test captions in the bank"),
    Mutation(EMBEDDING, "len(rows) - 1, MAX_BANK)", "MAX_BANK - 1, MAX_BANK)", TEST_SEARCHER, "the first captions only"),
    Mutation(EMBEDDING, "normalized.equal(scores)", "False", TEST_SEARCHER, "uncorrected videos have normalized scores"),
    Mutation(EMBEDDING, "if corrected and self._correction is not None", "if False", TEST_SEARCHER, "no bank in v2t"),
    Mutation(APP, 'return text == "1"', "return True", TEST_APP, "bank=0 has no effect"),
    Mutation(PAGE, "parameters if corrected else without", "parameters", TEST_APP, "more results are those with the bank"),
]
