"""Mutations of what says how believable results are, and of filters."""

from helpers.mutate import Mutation

FOLDER, TESTS = "misc/searching", "tests/misc/searching"
CALIBRATION, FILTERS = f"{FOLDER}/calibration.py", f"{FOLDER}/filters.py"
LANGUAGE, SEARCHER = f"{FOLDER}/query_language.py", f"{FOLDER}/searcher.py"
FUSED, CHANNEL_TESTS = f"{FOLDER}/channels/fused_searcher.py", f"{TESTS}/channels"

MUTATIONS = [
    Mutation(
        CALIBRATION,
        'similarity, side="left")',
        'similarity, side="right")',
        f"{TESTS}/test_calibration.py -k percentile",
        "nonsense that is as similar counts as less similar",
    ),
    Mutation(
        CALIBRATION,
        "np.abs(missed - passed).argmin()",
        "np.abs(missed).argmin()",
        f"{TESTS}/test_calibration.py -k equal",
        "the threshold misses no caption, whatever nonsense passes",
    ),
    Mutation(
        CALIBRATION,
        "if len(self.captions) < MIN_QUERIES:",
        "if not len(self.captions):",
        f"{TESTS}/test_calibration.py -k few",
        "one caption decides about the threshold",
    ),
    Mutation(
        CALIBRATION,
        "if video in valid and captions.count(row)",
        "if captions.count(row)",
        f"{TESTS}/test_calibration.py -k best",
        "captions that the model was trained on calibrate it",
    ),
    Mutation(
        CALIBRATION,
        'if content["key"] != key:',
        "if False:",
        f"{TESTS}/test_calibration.py -k changes",
        "the calibration of other videos is used",
    ),
    Mutation(
        SEARCHER,
        "highest >= self.calibration.threshold",
        "highest > self.calibration.threshold",
        f"{TESTS}/test_calibration.py -k doubtful",
        "a similarity at the threshold is doubtful",
    ),
    Mutation(
        SEARCHER,
        "if allowed is None or len(kept) >= k or depth >= len(self.ids):",
        "if True:",
        "tests/misc/test_search_honest.py -k filtered",
        "a filter leaves fewer videos than fit",
    ),
    Mutation(
        FUSED,
        "else len(self.ids)), corrected)",
        "else DEPTH), corrected)",
        f"{CHANNEL_TESTS}/test_fused_searcher.py -k deep",
        "a filter is applied to the first thousand videos only",
    ),
    Mutation(
        FUSED,
        "None if None in found.doubts.values() else",
        "None if all(x is None for x in found.doubts.values()) else",
        f"{CHANNEL_TESTS}/test_fused_searcher.py -k believable",
        "a result is doubtful if one channel doubts",
    ),
    Mutation(
        LANGUAGE,
        "if not counts[best] or counts[best] < sum(",
        "if not counts[best] or 0 > sum(",
        f"{TESTS}/test_query_language.py",
        "an English sentence with one foreign word is foreign",
    ),
    Mutation(
        LANGUAGE,
        "return best if counts[best] > 1 or is_unknown else None",
        "return best",
        f"{TESTS}/test_query_language.py",
        "English words are not looked up",
    ),
    Mutation(
        FILTERS,
        "facts[video].date[:length]",
        "facts[video].date",
        f"{TESTS}/test_filters.py -k conditions",
        "a month is not equal to the days in it",
    ),
    Mutation(
        FILTERS,
        '.strip("/") + "/"',
        '.strip("/")',
        f"{TESTS}/test_filters.py -k conditions",
        "a folder has the videos of folders with longer names",
    ),
    Mutation(
        FILTERS,
        "found.state == state",
        "True",
        f"{TESTS}/test_filters.py -k changed",
        "a changed file keeps its length",
    ),
]
