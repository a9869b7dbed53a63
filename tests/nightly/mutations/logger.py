"""Mutations of logger/."""

from helpers.mutate import Mutation

RESULTS, EVENTS, SETUP = "logger/results.py", "logger/tensorboard.py", "logger/logging_setup.py"
TEST_RESULTS, TEST_SEEDS = "tests/logger/test_results.py -k small_split", "tests/logger/test_results_seeds.py"
TEST_BINS, TEST_SETUP = "tests/logger/test_tensorboard.py -k bins", "tests/logger/test_logging_setup.py"

MUTATIONS = [
    Mutation(RESULTS, "100 * min(k, videos) / videos", "100 * k / videos", TEST_RESULTS, "chance of more than 100 %"),
    Mutation(
        RESULTS,
        "if videos < MIN_VIDEOS:\n            chance",
        "if videos <= MIN_VIDEOS:\n            chance",
        TEST_RESULTS,
        "50",
    ),
    Mutation(
        RESULTS,
        "spread[metric][name]:.1f",
        "value:.1f",
        "tests/logger/test_results.py -k row_per",
        "the mean in place of the deviation",
    ),
    Mutation(RESULTS, "statistics.stdev(x) if", "statistics.pstdev(x) if", TEST_SEEDS, "the deviation is that of all seeds"),
    Mutation(
        RESULTS, "statistics.fmean(x) for name", "statistics.median(x) for name", TEST_SEEDS, "the median, not the mean"
    ),
    Mutation(RESULTS, "if len(ties) > 1:", "if False:", TEST_SEEDS, "seeds of different rules for ties"),
    Mutation(RESULTS, '.get("environment")) not in environments', '.get("environment")) not in [1]', TEST_SEEDS, "machines"),
    Mutation(RESULTS, "if leaky else split", "if False else split", TEST_SEEDS, "the leaky similarity is not marked"),
    Mutation(
        RESULTS,
        "(intervals or {}).get(metric)",
        "(intervals or {}).get('v2t_metrics')",
        "tests/logger/test_results.py",
        "intervals of others",
    ),
    Mutation(EVENTS, "[1, 1.5, *range(2, 52)]", "[1, *range(2, 52)]", TEST_BINS, "a tie for first is in the bin of rank 1"),
    Mutation(EVENTS, "while edges[-1] <= candidates", "while edges[-1] < candidates", TEST_BINS, "the last rank has no bin"),
    Mutation(
        EVENTS, "1 + of_queries", "of_queries", "tests/logger/test_tensorboard.py -k ranks_and_weights", "ranks from 0"
    ),
    Mutation(
        EVENTS,
        "purge_step=start_epoch",
        "purge_step=None",
        "tests/logger/test_tensorboard.py -k resumed",
        "epochs of an interrupted run are there twice",
    ),
    Mutation(SETUP, "            handler.flush()\n", "", TEST_SETUP, "lines before a run has its folder are lost"),
    Mutation(SETUP, "setLevel(LEVELS[verbosity])", "setLevel(logging.INFO)", TEST_SETUP, "verbosity is ignored"),
]
