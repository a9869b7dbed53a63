"""Mutations of metrics with several relevant items, confidence intervals, results per query, and comparisons of runs."""

from helpers.mutate import Mutation

RELEVANCE, CONFIDENCE, TREC = "model/relevance.py", "model/confidence.py", "utils/trec.py"
RESULTS, RANKS, REPORT = "trainer/query_results.py", "base/query_ranks.py", "trainer/checkpoint_evaluation.py"
SIGNIFICANCE, GROUPS = "misc/reporting/significance.py", "misc/reporting/run_groups.py"
COMPARISON, COMPARE = "misc/reporting/comparison.py", "misc/reporting/compared_runs.py"
TEST_RELEVANCE = "tests/model/test_relevance.py tests/model/test_relevance_properties.py"
TEST_CONFIDENCE, TEST_TREC = "tests/model/test_confidence.py", "tests/utils/test_trec.py"
TEST_RESULTS, TEST_RANKS = "tests/trainer/test_query_results.py", "tests/base/test_query_ranks.py"
TEST_SIGNIFICANCE, TEST_GROUPS = "tests/misc/reporting/test_significance.py", "tests/misc/reporting/test_run_groups.py"
TEST_COMPARISON, TEST_COMPARE = "tests/misc/reporting/test_comparison.py", "tests/misc/test_compare.py"

MUTATIONS = [
    Mutation(RELEVANCE, "number_in_group * (tied + 1) / (size + 1) - 1", "(tied - 1) / 2", TEST_RELEVANCE, "one position"),
    Mutation(RELEVANCE, "/ (size + 1) - 1", "/ 2 - 1", TEST_RELEVANCE, "relevant items push each other back"),
    Mutation(RELEVANCE, "weights=grade)[group] / size", "weights=grade)[group]", TEST_RELEVANCE, "tied grades add up"),
    Mutation(RELEVANCE, "first <= 0 if k == 1 else first < k", "first < k", TEST_RELEVANCE, "a tie for first is a hit at 1"),
    Mutation(RELEVANCE, "grade[best] / np.log2(number + 1)", "gain / np.log2(number + 1)", TEST_RELEVANCE, "ideal of gains"),
    Mutation(RELEVANCE, "np.where(number <= DEPTH", "np.where(number > 0", TEST_RELEVANCE, "ideal below rank 10"),
    Mutation(
        RELEVANCE, "np.where(position < DEPTH, gain", "np.where(position < 99, gain", TEST_RELEVANCE, "nDCG without cut"
    ),
    Mutation(RELEVANCE, "total(position < DEPTH) / counts", "total(position < DEPTH)", TEST_RELEVANCE, "recall is a number"),
    Mutation(RELEVANCE, "total(number / (position + 1)) / counts", "1 / (first + 1)", TEST_RELEVANCE, "mAP is MRR"),
    Mutation(RELEVANCE, "np.nanmean(values)", "np.nan_to_num(values).mean()", TEST_RELEVANCE, "queries without items are 0"),
    Mutation(RELEVANCE, "np.maximum(grades.data, 0)", "np.abs(grades.data)", TEST_RELEVANCE, "negative grades are relevant"),
    Mutation(RELEVANCE, 'grades if task == "t2v" else grades.T.tocsr()', "grades", TEST_RELEVANCE, "v2t is t2v"),
    Mutation(RELEVANCE, "| (np.diff(score) != 0)", "", TEST_RELEVANCE, "all relevant items of a query are tied"),
    Mutation(RELEVANCE, "block.shape[1] - upper", "block.shape[1] - lower", TEST_RELEVANCE, "tied items are higher"),
    Mutation(RELEVANCE, "(query + start, part.data", "(query, part.data", TEST_RELEVANCE, "queries of a later block"),
    Mutation(
        RELEVANCE, "for v, grade in grades.items() if grade > 0]", "for v, grade in grades.items()]", TEST_RELEVANCE, "0"
    ),
    Mutation(RELEVANCE, "text.casefold().split()", "text.split()", TEST_RELEVANCE, "case tells captions apart"),
    Mutation(
        RELEVANCE, '.split()) for text in found} - {""}', ".split()) for text in found}", TEST_RELEVANCE, "unknown texts"
    ),
    Mutation(RELEVANCE, "| own[caption] for", "for", TEST_RELEVANCE, "a caption without text has no video"),
    Mutation(CONFIDENCE, "(total - 1) // 2", "total // 2", TEST_CONFIDENCE, "the upper median"),
    Mutation(CONFIDENCE, "values <= 0 if k == 1 else values < k", "values < k", TEST_CONFIDENCE, "a tie is a hit at 1"),
    Mutation(CONFIDENCE, "(50 - level / 2, 50 + level / 2)", "(100 - level, level)", TEST_CONFIDENCE, "too narrow"),
    Mutation(CONFIDENCE, "/ totals[:, :1]", "/ len(owners)", TEST_CONFIDENCE, "mean over the number of queries before"),
    Mutation(
        CONFIDENCE, "(owners, which)), shape=shape", "(np.arange(len(ranks)), which))", TEST_CONFIDENCE, "captions alone"
    ),
    Mutation(CONFIDENCE, "owners[valid]", "np.arange(valid.sum())", TEST_CONFIDENCE, "captions are drawn, not videos"),
    Mutation(TREC, r"[\s%\x00", r"[\s\x00", TEST_TREC, "percent signs are not encoded"),
    Mutation(TREC, "unquote(fields[2])", "fields[2]", TEST_TREC, "items are not decoded"),
    Mutation(TREC, ".setdefault(item, grade) != grade:", ".setdefault(item, grade) is None:", TEST_TREC, "two grades"),
    Mutation(TREC, "score:.9g", "score:.3g", TEST_TREC, "scores are rounded to ties"),
    Mutation(RESULTS, "counts > 1", "counts > 0", f"{TEST_RESULTS} -k equal_captions_make", "one relevant video is several"),
    Mutation(RESULTS, "max(grade, row.get(video, grade))", "grade", TEST_RESULTS + " -k relevant_for_any", "the last grade"),
    Mutation(RESULTS, "if not counts.any():", "if False:", f"{TEST_RESULTS} -k cannot_be_used", "no relevant video at all"),
    Mutation(
        RESULTS,
        "rank_intervals(ranks[name], owners[task]",
        "rank_intervals(ranks[name], np.arange(len(ranks[name]))",
        f"{TEST_RESULTS} -k config_asks_for",
        "intervals over captions",
    ),  # fmt: skip
    Mutation(
        RESULTS,
        "captions=[name for name in evaluation.row_ids if name]",
        "captions=evaluation.row_ids",
        f"{TEST_RESULTS} -k do_not_exist",
        "rows",
    ),
    Mutation(
        RESULTS,
        "evaluation.sims[:, v][rows]",
        "evaluation.sims[:, v]",
        f"{TEST_RESULTS} -k do_not_exist",
        "captions that do not exist",
    ),
    Mutation(
        RESULTS, "np.argsort(-values", "np.argsort(values", f"{TEST_RESULTS} -k trec_eval_agrees", "the worst items first"
    ),
    Mutation(
        RESULTS,
        "setdefault(video, {})[caption] = grade",
        "setdefault(caption, {})[video] = grade",
        f"{TEST_RESULTS} -k trec_eval_agrees",
        "v2t",
    ),
    Mutation(
        REPORT,
        "save_ranks(folder / RANKS",
        "(lambda *_: None)(folder / RANKS",
        f"{TEST_RESULTS} -k without_a_switch",
        "no ranks are saved",
    ),
    Mutation(
        "trainer/querybank_evaluation.py",
        "results.ranks[task] = _ranks(normalized,",
        "results.ranks[task] = _ranks(evaluation.sims,",
        "tests/trainer/test_querybank_evaluation.py",
        "ranks with the bank are those without",
    ),  # fmt: skip
    Mutation(
        "trainer/training.py",
        "main_process_first(build_qrels, test_config",
        "main_process_first(lambda *_: None, test_config",
        f"{TEST_RESULTS} -k config_asks_for",
        "a training ignores qrels",
    ),  # fmt: skip
    Mutation(RANKS, "max(self.owners) >= len(self.videos)", "False", TEST_RANKS, "captions of no video"),
    Mutation(RANKS, 'name.startswith("t2v")', 'name == "t2v"', TEST_RANKS, "queries with a bank are videos"),
    Mutation(SIGNIFICANCE, "max(p_configs, p_models)", "p_models", TEST_SIGNIFICANCE, "seeds are no chance"),
    Mutation(SIGNIFICANCE, "v_videos + v_runs - v_both", "v_videos - v_both", TEST_SIGNIFICANCE, "V without seeds"),
    Mutation(
        SIGNIFICANCE, "max(v_videos + v_runs - v_both, v_videos, v_runs)", "v_runs", TEST_SIGNIFICANCE, "V without videos"
    ),
    Mutation(SIGNIFICANCE, "- v_both, v_videos", ", v_videos", TEST_SIGNIFICANCE, "the interaction counts twice"),
    Mutation(SIGNIFICANCE, "+ v_runs**2 / df", "", TEST_SIGNIFICANCE, "a few seeds have many degrees of freedom"),
    Mutation(SIGNIFICANCE, "np.abs(signs @ differences)", "signs @ differences", TEST_SIGNIFICANCE, "one-sided"),
    Mutation(SIGNIFICANCE, "(extreme + 1) / (randomizations + 1)", "extreme / randomizations", TEST_SIGNIFICANCE, "p is 0"),
    Mutation(SIGNIFICANCE, "np.arange(len(p_values), 0, -1)", "len(p_values)", TEST_SIGNIFICANCE, "Bonferroni"),
    Mutation(
        SIGNIFICANCE,
        "np.maximum.accumulate(np.asarray(p_values)[order] * factors)",
        "np.asarray(p_values)[order] * factors",
        TEST_SIGNIFICANCE,
        "not monotonous",
    ),  # fmt: skip
    Mutation(GROUPS, "if run.seed in seeds:", "if False:", TEST_GROUPS, "a seed counts twice"),
    Mutation(GROUPS, '("split", "v2t_ties")', '("v2t_ties",)', TEST_GROUPS, "splits are compared with each other"),
    Mutation(GROUPS, "np.bincount(owners, weights=x", "np.bincount(owners, weights=x > 0", TEST_GROUPS, "sums of a video"),
    Mutation(
        "misc/reporting/tables.py",
        '"R1": lambda rank: 100.0 * (rank <= 0)',
        '"R1": lambda rank: 100.0 * (rank < 1)',
        TEST_GROUPS,
        "ties",
    ),
    Mutation(GROUPS, "_check_config(path, paths[0], querybank)", "None", TEST_GROUPS, "other configs in a group"),
    Mutation(COMPARISON, "samples = [samples[1] - samples[0]]", "pass", TEST_COMPARISON, "the same runs are not paired"),
    Mutation(COMPARISON, "(x <= 0) if hit == 1 else (x < hit)", "x < hit", TEST_COMPARISON, "a tie for first is a hit"),
    Mutation(COMPARISON, "(hits[other] < 0.5)", "(hits[other] <= 1)", TEST_COMPARISON, "queries that both find"),
    Mutation(COMPARISON, "itertools.combinations(groups, 2)", "itertools.permutations(groups, 2)", TEST_COMPARISON, "twice"),
    Mutation(COMPARISON, 'test["p_holm"] <= LEVEL', "True", TEST_COMPARISON, "all marked"),
    Mutation(
        COMPARE,
        "2 * runs > len(group.runs)",
        "runs > len(group.runs)",
        TEST_COMPARE,
        "groups of more runs than there are",
    ),
]
