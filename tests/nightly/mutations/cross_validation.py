"""Mutations of cross-validation: its folds, its trainings and its table."""

from helpers.mutate import Mutation

FOLDS, TABLE, COMMAND = "misc/reporting/folds.py", "misc/reporting/cross_validation.py", "misc/reporting/fold_trainings.py"
TEST_FOLDS, TEST_TABLE = "tests/misc/reporting/test_folds.py", "tests/misc/reporting/test_cross_validation.py"
TEST_COMMAND = "tests/misc/test_cross_validate.py"

MUTATIONS = [
    Mutation(FOLDS, "if test == split.evaluation:", "if False:", TEST_FOLDS, "the test split is cross-validated"),
    Mutation(FOLDS, "if video not in tested]", "]", TEST_FOLDS, "test videos are in folds"),
    Mutation(FOLDS, 'config.get("training_file") or ', "", TEST_FOLDS, "training_file is ignored"),
    Mutation(FOLDS, "groups.get(video, video)), [])", "video), [])", TEST_FOLDS, "groups are divided"),
    Mutation(FOLDS, "min(folds, key=len)", "folds[0]", TEST_FOLDS, "one fold has all videos"),
    Mutation(FOLDS, "(hashlib.sha256(group[1].encode()).digest(), group)", "members[group][0]", TEST_FOLDS, "folds by name"),
    Mutation(FOLDS, "json.dumps(folds).encode()", 'b""', TEST_FOLDS, "results of other folds are taken"),
    Mutation(FOLDS, "link.unlink(missing_ok=True)", "pass", TEST_FOLDS, "a link of another archive stays"),
    Mutation(FOLDS, 'args.get("cache_dir") or ', "", TEST_FOLDS, "cache_dir is ignored"),
    Mutation(
        FOLDS,
        '"test_split": args["split_name"]',
        '"test_split": "test"',
        f"{TEST_COMMAND} -k every_fold",
        "test videos are evaluated",
    ),
    Mutation(FOLDS, "if by_subset or", "if", TEST_FOLDS, "files of one list are divided"),
    Mutation(
        FOLDS,
        "by_subset or any(subset.caption_index for subset in subsets)",
        "by_subset",
        TEST_FOLDS,
        "the captions of one list are chosen, those of others not",
    ),
    Mutation(TABLE, "if fold is not val", "", f"{TEST_COMMAND} -k every_fold", "the fold is trained on"),
    Mutation(TABLE, " / len(values) ** 0.5", "", TEST_TABLE, "deviation in place of the standard error"),
    Mutation(
        TABLE, "zip(folds, results[first], strict=True)", "zip(folds, folds, strict=True)", TEST_TABLE, "no difference"
    ),
    Mutation(TABLE, "zip(folds, results[first], strict=True)", "zip(folds, results[first][::-1])", TEST_TABLE, "unpaired"),
    Mutation(
        TABLE,
        "runs.get(key)",
        "next(iter(runs.values()), None)",
        f"{TEST_COMMAND} -k complete",
        "the run of another setting is taken",
    ),
    Mutation(
        TABLE,
        " and read_final_metrics(run) is not None",
        "",
        f"{TEST_COMMAND} -k complete",
        "an interrupted run is complete",
    ),
    Mutation(
        TABLE,
        '"_querybank_metrics" if querybank',
        '"_metrics" if querybank',
        f"{TEST_COMMAND} -k complete",
        "the bank is without effect",
    ),
    Mutation(TABLE, 'bank = ["querybank={}"] if', "bank = [] if", f"{TEST_COMMAND} -k complete", "no query bank"),
    Mutation(
        TABLE,
        "overrides, (split, split)",
        'overrides, (split, "test")',
        f"{TEST_COMMAND} -k linear",
        "ridge is tested on test videos",
    ),
    Mutation(
        TABLE,
        "if not all(run for fold in runs for run in fold):",
        "if not runs:",
        f"{TEST_COMMAND} -k failure",
        "a failure is a result",
    ),
    Mutation(
        COMMAND,
        "validation.check(setting)",
        "pass",
        f"{TEST_COMMAND} -k refusals",
        "each training of a setting fails",
    ),
    Mutation(
        COMMAND,
        "if x.run is None]",
        "]",
        f"{TEST_COMMAND} -k complete",
        "everything is trained again",
    ),
    Mutation(
        COMMAND,
        "checkpoint.unlink()",
        "pass",
        f"{TEST_COMMAND} -k complete",
        "checkpoints fill the disk",
    ),
    Mutation("utils/jobs.py", "        sys.exit(1)", "        pass", f"{TEST_COMMAND} -k failure", "a failure is a success"),
    Mutation(
        COMMAND,
        "if REFERENCE.name not in results:",
        "if not results:",
        f"{TEST_COMMAND} -k failure",
        "another reference",
    ),
]
