"""Mutations of misc/reporting/ and its commands."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "misc/reporting/results.py",
        "statistics.stdev(x)",
        "statistics.pstdev(x)",
        "tests/misc/test_gen_readme.py -k summary",
        "tables give the deviation of the population, not of a sample",
    ),
    Mutation(
        "misc/reporting/results.py",
        "if metrics.leaky and not table.leak:",
        "if False:",
        "tests/misc/test_gen_readme.py -k fair_results",
        "leaky results are in the tables",
    ),
    Mutation(
        "misc/reporting/results.py",
        "[other.seed for other in seeds].count(metrics.seed) > 1",
        "False",
        "tests/misc/test_gen_readme.py -k fair_results",
        "a seed that is there twice counts twice",
    ),
    Mutation(
        "misc/reporting/results.py",
        "if size is not None and metrics.videos != size:",
        "if False:",
        "tests/misc/test_gen_readme.py -k some_of_the_published",
        "results on some of the published videos are in the tables",
    ),
    Mutation(
        "misc/reporting/results.py",
        "if len(paths) > 1 and not missing:",
        "if len(paths) > 1:",
        "tests/misc/test_gen_readme.py -k passes_over",
        "a run with a seed that is not done is used",
    ),
    Mutation(
        "misc/reporting/results.py",
        "if is_same and times[path] >= checkpoint.stat().st_mtime:",
        "if is_same:",
        "tests/misc/reporting/test_results.py -k earlier",
        "an evaluation of an earlier checkpoint counts",
    ),
    Mutation(
        "misc/reporting/results.py",
        'and metrics["split"] == config["test_split"]',
        "",
        "tests/misc/reporting/test_results.py -k another_split",
        "an evaluation of another split counts",
    ),
    Mutation(
        "misc/reporting/results.py",
        "sorted(times, key=times.get, reverse=True)",
        "sorted(times, key=times.get)",
        "tests/misc/reporting/test_results.py -k newest",
        "the oldest evaluation of a checkpoint counts",
    ),
    Mutation(
        "misc/reporting/run_groups.py",
        "|trainer\\.(save_dir",
        "|optimizer.*|trainer\\.(save_dir",
        "tests/misc/test_gen_readme.py -k another_config",
        "results of another optimizer are in the tables",
    ),
    Mutation(
        "misc/reporting/markdown_blocks.py",
        "if count != 1:",
        "if count > 1:",
        "tests/misc/test_gen_readme.py -k fill_in",
        "a table without a place on its page is lost silently",
    ),
    Mutation(
        "misc/reporting/published_results.py",
        "rows.get(key) for rows in tables]",
        "rows.get(key) for rows in reversed(tables)]",
        "tests/misc/reporting/test_published_results.py -k both_releases",
        "the figures of the two releases are exchanged",
    ),
    Mutation(
        "misc/reporting/published_results.py",
        "(tuple(entry.identity.items()), entry.our_experiment)",
        "(tuple(entry.identity.items()), entry.dataset)",
        "tests/misc/reporting/test_published_results.py -k common_row",
        "figures of different experiments with the same label stand in one row",
    ),
    Mutation(
        "misc/reporting/published_results.py",
        'suffix: ClassVar[str] = "-2020"',
        'suffix: ClassVar[str] = ""',
        "tests/misc/reporting/test_published_results.py -k same_release",
        "corrected figures link to the configs of 2019",
    ),
    Mutation(
        "misc/run_ablations.py",
        "if not failures:\n        names",
        "if True:\n        names",
        "tests/misc/test_run_ablations.py -k failures",
        "tables are filled in although trainings failed",
    ),
]
