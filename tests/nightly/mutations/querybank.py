"""Mutations of query-bank normalization, its evaluation and its batches."""

from helpers.mutate import Mutation

MODULE, EVALUATION = "model/querybank.py", "trainer/querybank_evaluation.py"
BUILD, REPORT, LOADERS = "trainer/build.py", "trainer/checkpoint_evaluation.py", "data_loader/data_loaders.py"
TEST = "tests/model/test_querybank.py tests/model/test_querybank_properties.py"
TEST_EVALUATION = "tests/trainer/test_querybank_evaluation.py"
TEST_LOADERS = "tests/data_loader/test_data_loaders_bank.py"

MUTATIONS = [
    Mutation(MODULE, 'QUERY_AXIS = {"t2v": 0, "v2t": 1}', 'QUERY_AXIS = {"t2v": 1, "v2t": 0}', TEST, "directions swapped"),
    Mutation(MODULE, "dtype=np.float64) / 2", "dtype=np.float64)", TEST, "csls subtracts twice the mean"),
    Mutation(MODULE, "CSLS_NEIGHBORS, axis)", "1, axis)", TEST, "csls of one neighbor"),
    Mutation(
        MODULE, "block.astype(np.float64) - _expand(highest, rows, axis)", "block.astype(np.float64)", TEST, "overflows"
    ),
    Mutation(MODULE, "np.count_nonzero(exists) if axis == 0", "len(exists) if axis == 0", TEST, "mean over masked captions"),
    Mutation(MODULE, "/ bank_size) / beta", "/ bank_size)", TEST, "the logarithm is not over beta"),
    Mutation(MODULE, 'if method != "dynamic":', 'if method != "inverted_softmax":', TEST, "methods swapped"),
    Mutation(
        MODULE,
        "_expand(best, rows, 1 - axis)) & _expand(correction.hubs, rows, axis)",
        "_expand(best, rows, 1 - axis)) | _expand(correction.hubs, rows, axis)",
        TEST,
        "queries that no hub attracts are corrected",
    ),
    Mutation(MODULE, "_expand(correction.offsets, rows, axis), 0)", "0, 0)", TEST, "nothing is subtracted"),
    Mutation(MODULE, "out[indices[rows]]", "out[rows]", TEST, "rows are shifted by captions that do not exist"),
    Mutation(
        MODULE, "        out[rows] = block\n", "        pass\n", TEST, "rows of captions that do not exist are undefined"
    ),
    Mutation(MODULE, "block[exists[rows]]", "block", TEST, "captions that do not exist are items and queries"),
    Mutation(MODULE, "axis=1)[:, -k:].copy()", "axis=1)[:, -k:]", TEST, "all blocks stay in memory"),
    Mutation(MODULE, "(block >= _expand(lowest", "(block > _expand(lowest", TEST, "hubness without the last of the first"),
    Mutation(MODULE, "k, 1 - axis).min(axis=1 - axis)", "k, axis).min(axis=axis)", TEST, "hubness of queries, not items"),
    Mutation(MODULE, "variance**1.5", "variance", TEST, "the third moment as skewness"),
    Mutation(MODULE, "if variance > 0 else 0.0", "", TEST, "hubness NaN where all items are equal"),
    Mutation(MODULE, "or not exists.any()", "", TEST, "a bank without a caption"),
    Mutation(MODULE, "!= num_items:", "< 0:", TEST, "a correction of other items"),
    Mutation(
        EVALUATION,
        "compute_similarities(model, items.texts, bank.video, items.caption_mask, memory)",
        "compute_similarities(model, items.texts, items.video, items.caption_mask, memory)",
        TEST_EVALUATION + " -k by_hand",
        "v2t: the evaluated videos are the bank",
    ),
    Mutation(
        EVALUATION,
        'mask.any(dim=1) if model.test_caption_mode == "avg" else mask.flatten()',
        "mask.any(dim=1, keepdim=True).expand_as(mask).flatten()",
        TEST_EVALUATION + " -k by_hand",
        "captions that do not exist are in the bank",
    ),
    Mutation(EVALUATION, "return max(BETAS", "return min(BETAS", TEST_EVALUATION + " -k best_one", "the worst beta"),
    Mutation(
        EVALUATION,
        "evaluate(model, validation.evaluation, device",
        "evaluate(model, loaders.evaluation, device",
        TEST_EVALUATION + " -k best_one",
        "beta is chosen on the test split",
    ),
    Mutation(
        EVALUATION,
        "v2t_ranks(sims, masks, config.v2t_ties)",
        "v2t_ranks(sims, masks)",
        TEST_EVALUATION + " -k rule_for_ties",
        "v2t_ties is ignored with a query bank",
    ),
    Mutation(
        EVALUATION, "except NotFiniteError", "except ZeroDivisionError", TEST_EVALUATION + " -k nan_of", "NaN of a bank"
    ),
    Mutation(
        BUILD,
        '(evaluated.evaluation, "what is evaluated"), ',
        "",
        TEST_EVALUATION + " -k not_chosen",
        "beta is chosen on the split that is evaluated",
    ),
    Mutation(
        BUILD,
        ', (evaluated.bank, "the query bank")',
        ",",
        TEST_EVALUATION + " -k not_in_the_bank",
        "beta is chosen on videos of the bank",
    ),
    Mutation(
        BUILD, 'bank="querybank" in config', "bank=True", TEST_LOADERS + " -k asked_for", "each evaluation reads a bank"
    ),
    Mutation(LOADERS, "if video not in evaluated]", "]", TEST_EVALUATION + " -k no_part", "test captions in the bank"),
    Mutation(
        LOADERS,
        "bank_ids, **common, max_captions=restrict_train_captions",
        "bank_ids, **common, max_captions=num_test_captions",
        TEST_LOADERS + " -k restricted",
        "captions in the bank that were not trained with",
    ),
    Mutation(
        REPORT,
        '"captions": results.bank_size["t2v"]',
        '"captions": results.bank_size["v2t"]',
        TEST_EVALUATION + " -k changes_no_other",
        "metrics.json: videos as captions of the bank",
    ),
    Mutation(
        "trainer/evaluation.py",
        "            found[name] = values\n",
        "",
        TEST_EVALUATION + " -k changes_no_other",
        "normalized metrics in place of the others",
    ),
    Mutation(
        BUILD,
        'config.with_overrides(["querybank.choose_beta=true"])',
        'config.with_overrides(["querybank.beta=20"])',
        TEST_EVALUATION + " -k best_one",
        "--querybank val does not choose",
    ),
    Mutation(
        BUILD,
        "            if required:\n",
        "            if True:\n",
        TEST_EVALUATION + " -k not_chosen",
        "test.py fails on val",
    ),
    Mutation(BUILD, ' or section["method"] == "csls"', "", TEST_EVALUATION + " -k csls", "beta of csls is chosen"),
    Mutation(
        "misc/searching/embedding.py",
        "bank.about.v2t_beta or bank.about.beta",
        "bank.about.beta",
        "tests/misc/searching/test_searcher_querybank.py -k as_in_an_evaluation",
        "a search for captions has the beta of a search for videos",
    ),
    Mutation(
        "misc/reporting/cross_validation.py",
        'bank = ["querybank.choose_beta=false"]',
        "pass",
        "tests/misc/test_cross_validate.py -k choose",
        "cross-validation chooses beta on what it evaluates",
    ),
]
