"""Mutations of base/."""

from helpers.mutate import Mutation

CHECKPOINT, LEGACY = "base/checkpoint.py", "base/legacy_checkpoint.py"
VALIDATION, SCHEMA, RUNS = "base/validation.py", "base/schema.py", "base/runs.py"
TEST_CHECKPOINT, TEST_LEGACY = "tests/base/test_checkpoint.py", "tests/base/test_legacy_checkpoint.py"
TEST_2020 = "tests/base/test_legacy_checkpoint_2020.py"
TEST_HOSTILE = "tests/base/test_checkpoint_hostile.py"
TEST_VALIDATION, TEST_RUNS = "tests/base/test_validation.py", "tests/base/test_runs.py -k found"
TEST_NEWEST = "tests/base/test_runs_newest.py"

MUTATIONS = [
    Mutation(
        "base/monitor.py",
        "if better and not math.isnan(value):",
        "if better:",
        "tests/base/test_monitor.py",
        "NaN can be the best value",
    ),
    Mutation(
        "base/monitor.py",
        "return self.epochs_since_best >= self.early_stop",
        "return self.epochs_since_best > self.early_stop",
        "tests/base/test_monitor.py",
        "training stops an epoch late",
    ),
    Mutation("base/monitor.py", "value > self.best", "value >= self.best", "tests/base/test_monitor.py", "a tie is better"),
    Mutation(
        CHECKPOINT,
        "isinstance(x, float) and math.isfinite(x) for x in (loss, seconds)",
        "isinstance(x, float) for x in (loss, seconds)",
        TEST_CHECKPOINT,
        "the loss of an interrupted epoch may be NaN",
    ),
    Mutation(CHECKPOINT, "weights_only=True", "weights_only=False", TEST_HOSTILE, "torch may execute what a file says"),
    Mutation(CHECKPOINT, "if _check_records(path):", "if False:", TEST_HOSTILE, "only torch checks a file"),
    Mutation(CHECKPOINT, "entry.compress_type != zipfile.ZIP_STORED", "False", TEST_HOSTILE, "packed records are read"),
    Mutation(CHECKPOINT, "> path.stat().st_size", "> 2**60", TEST_HOSTILE, "records may overlap"),
    Mutation(CHECKPOINT, "while content.read(CHUNK_BYTES)", "while False", TEST_CHECKPOINT, "checksums are not compared"),
    Mutation(
        CHECKPOINT,
        "weights.layout != torch.strided",
        "False",
        TEST_CHECKPOINT,
        "weights may be sparse",
        equivalent="the unpickler of this version of torch refuses sparse tensors before",
    ),
    Mutation(CHECKPOINT, "weights.is_complex()", "False", TEST_CHECKPOINT, "weights may be complex"),
    Mutation(CHECKPOINT, 'state["epoch"] < 1', 'state["epoch"] < 0', TEST_CHECKPOINT, "epoch 0 is read"),
    Mutation(CHECKPOINT, "and abs(x) <= MAX_VALUE", "", TEST_CHECKPOINT, "values may be NaN"),
    Mutation(
        CHECKPOINT,
        "[type(part) for part in description] != _STORAGE_TYPES",
        "len(description) != 5",
        TEST_HOSTILE,
        "the key of a storage may be any object",
    ),
    Mutation(
        CHECKPOINT, "check_extent(_Unpickler(content).load())", "_Unpickler(content).load()", TEST_HOSTILE, "any depth"
    ),
    Mutation(CHECKPOINT, "        if verify:\n", "        if False:\n", TEST_CHECKPOINT, "no verification"),
    Mutation(CHECKPOINT, "[:-MAX_PERIODIC]:", "[: 1 - MAX_PERIODIC]:", TEST_CHECKPOINT, "only two checkpoints are kept"),
    Mutation(
        CHECKPOINT, "(epochs[path] <= epoch, epochs[path])", "epochs[path]", TEST_CHECKPOINT, "a resumed run loses its file"
    ),
    Mutation(
        CHECKPOINT, "error.__context__ if isinstance(error.__context__, OSError) else", "", TEST_CHECKPOINT, "full disk"
    ),
    Mutation(LEGACY, "if count < 0 or self.remaining_bytes < 0:", "if count < 0:", TEST_LEGACY, "storages of any size"),
    Mutation(LEGACY, "if unpickler.storages:", "if False:", TEST_LEGACY, "storages that are missing hold any memory"),
    Mutation(LEGACY, "if count != len(storage) or len(raw)", "if len(raw)", TEST_LEGACY, "storages of another size"),
    Mutation(LEGACY, '"optimizer" in content or', "", TEST_2020, "a MoEE of the corrected release is taken for one of 2019"),
    Mutation(LEGACY, "if count * dtype.itemsize != len(raw):", "if False:", TEST_2020, "storages of another size in a zip"),
    Mutation(LEGACY, ' != b"little"', ' == b""', TEST_2020, "bytes in another order in a zip"),
    Mutation(LEGACY, "name.removeprefix(PREFIX): value", "name: value", TEST_2020, "names of a training on several GPUs"),
    Mutation(LEGACY, "    check_extent(config)\n", "", TEST_LEGACY, "a config of any extent"),
    Mutation(LEGACY, ' or not machine.get("little_endian")', "", TEST_LEGACY, "bytes in another order"),
    Mutation(
        LEGACY, "self.remaining_bytes -= count * dtype.itemsize", "self.remaining_bytes -= count", TEST_LEGACY, "items"
    ),
    Mutation(SCHEMA, r"^[\w-][\w.-]*$", r"^[\w.-]+$", TEST_VALIDATION, "the name of an experiment may be .."),
    Mutation(SCHEMA, 'extra="forbid", strict=True', 'extra="forbid"', TEST_VALIDATION, "texts become numbers"),
    Mutation(SCHEMA, 'extra="forbid", strict', 'extra="ignore", strict', TEST_VALIDATION, "unknown keys are ignored"),
    Mutation(SCHEMA, "seed: int = Field(0, ge=0,", "seed: int = Field(0,", TEST_VALIDATION, "a seed may be negative"),
    Mutation(
        VALIDATION,
        'schedule["args"].get("mode", "min")',
        'schedule["args"].get("mode", mode)',
        TEST_VALIDATION,
        "ReduceLROnPlateau waits for a minimum of what is maximized",
    ),
    Mutation(VALIDATION, "if found != mode:", "if False:", TEST_VALIDATION, "ReduceLROnPlateau has another mode"),
    Mutation(VALIDATION, "allow_nan=False, ensure", "ensure", TEST_VALIDATION, "a config may hold NaN"),
    Mutation(VALIDATION, '"skip_first_n_saves"] >=', '"skip_first_n_saves"] >', TEST_VALIDATION, "nothing is saved"),
    Mutation(
        VALIDATION, 'if negative and path.startswith("lr', 'if False and path.startswith("lr', TEST_VALIDATION, "negative lr"
    ),
    Mutation(VALIDATION, "type(epoch) is int and epoch > 0", "True", TEST_VALIDATION, "milestones that are no epochs"),
    Mutation(
        VALIDATION,
        'if len(set(checked["metrics"])) < len(checked["metrics"]):',
        "if False:",
        TEST_VALIDATION,
        "a metric is there twice",
    ),
    Mutation(
        "base/registry.py",
        'not key.startswith("_") and component.accepts(key, value)',
        "component.accepts(key, value)",
        "tests/base/test_registry.py",
        "private classes can be named",
    ),
    Mutation(
        "base/registry.py",
        'getattr(value, "__module__", None) == module.__name__',
        "True",
        "tests/base/test_registry.py",
        "classes that a module imports can be named",
    ),
    Mutation(
        "base/registry.py", "if len(owners) > 1:", "if False:", "tests/base/test_registry.py", "the first of two classes"
    ),
    Mutation("base/registry.py", "strict=True, allow_inf_nan", "allow_inf_nan", TEST_VALIDATION, "arguments are converted"),
    Mutation(
        "base/config_files.py",
        'if "args" in parent and parent.get("type") != child.get("type", parent.get("type")):',
        "if False:",
        "tests/base/test_config_files_properties.py",
        "arguments of another class are inherited",
    ),
    Mutation(
        "base/config_files.py",
        "merge(merged, _read(Path(ancestor)",
        "merge(_read(Path(ancestor)",
        "tests/base/test_config_files_properties.py",
        "files are merged in another order",
    ),
    Mutation(
        "base/runs.py", "max(points, key=cls.progress", "min(points, key=cls.progress", TEST_NEWEST, "an old checkpoint"
    ),
    Mutation(
        RUNS,
        'math.inf if partial_epoch is None else partial_epoch["step"]',
        '0 if partial_epoch is None else partial_epoch["step"]',
        TEST_NEWEST,
        "a partial epoch counts for more than a whole one",
    ),
    Mutation(RUNS, " and not (run / last_file).exists()", "", TEST_RUNS, "a complete run is unfinished"),
    Mutation(RUNS, "read_run_config(run) == config, METRICS", "True, METRICS", TEST_RUNS, "a run of another config"),
    Mutation(
        RUNS, "(run.name[:19], len(run.name), run.name)", "run.name", "tests/base/test_runs.py -k order", "-10 before -2"
    ),
    Mutation(
        RUNS,
        '(watched.mode == "off" or watched.name in values) and watched.update(values)',
        "True",
        TEST_NEWEST,
        "the last checkpoint takes the place of the best",
    ),
    Mutation(
        "base/experiment.py",
        "outside or folder.is_symlink()",
        "folder.is_symlink()",
        "tests/base/test_experiment.py",
        "a purge leaves its folder",
    ),
    Mutation(
        "base/experiment.py",
        "run.is_dir() and _in_use(run):",
        "False:",
        "tests/base/test_experiment.py",
        "a purge deletes a run in training",
    ),
    Mutation(
        "base/device.py", "np.random.seed(seed % 2**32)", "np.random.seed(0)", "tests/base/test_device.py", "numpy's seed"
    ),
    Mutation(
        LEGACY,
        " or any(part is not None for part in view)",
        "",
        TEST_LEGACY,
        "a view of a storage is taken for all of it",
    ),
    Mutation(
        RUNS,
        '(watched.mode == "off" or watched.name in values) and ',
        "",
        TEST_NEWEST,
        "a checkpoint without the monitored value is considered",
    ),
]
