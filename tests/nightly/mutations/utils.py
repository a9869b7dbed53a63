"""Mutations of utils/."""

from helpers.mutate import Mutation

FILES, UNPACK, PICKLE, GLOBALS = "utils/files.py", "utils/unpack.py", "utils/safe_pickle.py", "utils/pickle_globals.py"
TEST_FILES, TEST_UNPACK = "tests/utils/test_files.py", "tests/utils/test_unpack.py"
TEST_PICKLE, TEST_LIMITS = "tests/utils/test_safe_pickle.py", "tests/utils/test_safe_pickle_limits.py"
TEST_GLOBALS = "tests/utils/test_pickle_globals.py"
TEST_READERS = "tests/data_loader/readers/test_readers.py"

MUTATIONS = [
    Mutation(
        FILES,
        "temporary.replace(path)",
        "path.write_bytes(temporary.read_bytes())\n        temporary.unlink()",
        TEST_FILES,
        "a file is written into the old one",
    ),
    Mutation(
        FILES, "        temporary.unlink(missing_ok=True)\n        if isinst", "        if isinst", TEST_FILES, "half a file"
    ),
    Mutation(
        FILES,
        "if not path.is_file() and not path.is_dir() and path.exists():",
        "if False:",
        TEST_FILES,
        "pipes and devices are read",
    ),
    Mutation(FILES, "if len(content) > max_bytes:", "if False:", TEST_FILES, "the first bytes of a large file"),
    Mutation(FILES, "> ABANDONED_SECONDS", "> 0", TEST_FILES, "files of running processes are deleted"),
    Mutation(FILES, "raise InputError(refusal) from None", "return", "tests/base/test_runs.py -k free_again", "no lock"),
    Mutation(PICKLE, "if size > PROMISED_BYTES and", "if False and", TEST_LIMITS, "room for what a pickle promises"),
    Mutation(
        PICKLE,
        "    **dict.fromkeys((pickle.MEMOIZE, pickle.PUT, pickle.BINPUT, pickle.LONG_BINPUT), 1),\n",
        "",
        TEST_LIMITS,
        "memo entries are not counted",
    ),
    Mutation(PICKLE, "(pickle.EMPTY_SET, pickle.FROZENSET), 4)", "(), 4)", TEST_LIMITS, "sets are not counted"),
    Mutation(PICKLE, "        if placeholder.is_built:\n", "        if False:\n", TEST_PICKLE, "a state is set twice"),
    Mutation(
        PICKLE,
        "if type(function) is not Allowed or type(args) is not tuple:",
        "if type(args) is not tuple:",
        f"{TEST_PICKLE} -k refusals",
        "anything may be called",
    ),
    Mutation(
        PICKLE,
        "        if value is FORGOTTEN:\n            raise RefusedError(USED_AGAIN)\n",
        "",
        f"{TEST_PICKLE} -k refusals",
        "content of an array in another place",
    ),
    Mutation(
        PICKLE,
        "        self._copyable_bytes -= len(content)\n",
        "",
        f"{TEST_PICKLE} -k over_and_over",
        "content is copied over and over",
    ),
    Mutation(
        PICKLE,
        "        if len(level) == MAX_ITEMS:\n            break\n",
        "",
        f"{TEST_PICKLE} -k shared_containers",
        "items",
    ),
    Mutation(
        PICKLE,
        "if type(self.stack[-1]) is not list:",
        "if False:",
        f"{TEST_PICKLE} -k refusals",
        "items for something that is not a list",
    ),
    Mutation(
        PICKLE,
        "        if not isinstance(target, dict):\n",
        "        if False:\n",
        f"{TEST_PICKLE} -k refusals",
        "items of arrays are set",
    ),
    Mutation(GLOBALS, "any(part is not None for part in state[2:5])", "False", TEST_GLOBALS, "dtypes with fields by state"),
    Mutation(
        GLOBALS,
        "not isinstance(dtype, np.dtype) or dtype.hasobject or",
        "not isinstance(dtype, np.dtype) or",
        TEST_GLOBALS,
        "frombuffer and scalar of objects: addresses",
    ),
    Mutation(
        GLOBALS,
        "if len(content) != _num_items(shape) * dtype.itemsize:",
        "if False:",
        f"{TEST_PICKLE} -k refusals",
        "arrays of more bytes than there are",
    ),
    Mutation(
        GLOBALS,
        "if type(content) is not list or len(content) != _num_items(shape):",
        "if type(content) is not list:",
        "tests/data_loader/readers/test_pickle_file_refusals.py -k more_or_fewer",
        "arrays of more objects than there are",
    ),
    Mutation(
        GLOBALS,
        "if type(content) not in (bytes, bytearray):",
        "if False:",
        f"{TEST_PICKLE} -k refusals",
        "arrays of the memory of others",
    ),
    Mutation(
        GLOBALS, '"F" if fortran else "C")', '"C")', f"{TEST_PICKLE} -k every_writer", "arrays of columns are transposed"
    ),
    Mutation(GLOBALS, "return dtype.newbyteorder(state[1])", "return dtype", f"{TEST_PICKLE} -k every_writer", "byte order"),
    Mutation(UNPACK, "if self._bytes_left < 0:", "if False:", "tests/utils/test_unpack_limits.py", "unpacks to any size"),
    Mutation(
        UNPACK, "if size is not None and size > MAX_READ:", "if False:", f"{TEST_UNPACK} -k absurd", "headers of any size"
    ),
    Mutation(UNPACK, "if member.size < 0:", "if False:", f"{TEST_UNPACK} -k absurd", "negative sizes"),
    Mutation(UNPACK, "if _has_link(folder, stage):", "if False:", TEST_UNPACK, "files behind a link"),
    Mutation(UNPACK, "or not Path(stage, linkname).is_file()", "", TEST_UNPACK, "hard links to nothing"),
    Mutation(UNPACK, 'if not normal.startswith("data/"):', "if False:", TEST_UNPACK, "members outside of data"),
    Mutation(UNPACK, "if path.is_symlink() or path.is_file():", "if False:", TEST_UNPACK, "written through a link"),
    Mutation(UNPACK, "was_folder or (is_folder and", "(is_folder and", TEST_UNPACK, "a file in place of a folder"),
    Mutation(
        UNPACK,
        "path.is_dir() and not path.is_symlink() for path",
        "path.is_dir() for path",
        TEST_UNPACK,
        "moved through a link in data",
    ),
    Mutation(
        "utils/errors.py",
        "(-pair[1], pair[0])",
        "pair[0]",
        "tests/utils/test_errors_text.py",
        "counts are sorted by name",
    ),
    Mutation(
        "utils/names.py",
        "return name if name in known else normalize_name(name)",
        "return normalize_name(name)",
        "tests/utils/test_names.py",
        "a known name in NFD is not found",
    ),
    Mutation(
        "utils/interrupts.py",
        "        for number in received:",
        "        for number in received[:1]:",
        "tests/utils/test_interrupts.py tests/integration/test_interruptions.py",
        "the second of two deferred signals is lost",
    ),
    Mutation(
        "utils/interrupts.py",
        "if is_second or self._immediate:",
        "if self._immediate:",
        "tests/utils/test_interrupts.py tests/integration/test_interruptions.py",
        "a second signal is noted, not raised",
    ),
    Mutation(
        "utils/interrupts.py",
        "raise Terminated if self._number in TERMINATION_SIGNALS else KeyboardInterrupt",
        "raise KeyboardInterrupt",
        "tests/utils/test_interrupts.py tests/integration/test_interruptions.py",
        "a noted SIGTERM is reported as Ctrl-C",
    ),
    Mutation(
        "utils/interrupts.py",
        "_set_handlers(dict.fromkeys((signal.SIGINT, *TERMINATION_SIGNALS), signal.SIG_IGN))",
        "_set_handlers({signal.SIGINT: signal.SIG_IGN})",
        "tests/utils/test_interrupts.py tests/integration/test_interruptions.py",
        "a child process ends by a SIGTERM to its group",
    ),
    Mutation(
        "utils/interrupts.py",
        "for number, x in _get_handlers(TERMINATION_SIGNALS).items() if x == signal.SIG_DFL}",
        "for number, x in _get_handlers(TERMINATION_SIGNALS).items()}",
        "tests/utils/test_interrupts.py tests/integration/test_interruptions.py",
        "an ignored SIGHUP (nohup) ends a command",
    ),
    Mutation(
        "utils/jobs.py",
        "len(running) < parallel",
        "len(running) <= parallel",
        "tests/utils/test_jobs.py",
        "jobs: one more at a time than asked for",
    ),
    Mutation(
        "utils/jobs.py",
        "max(1, count_cores() // parallel)",
        "count_cores()",
        "tests/utils/test_jobs.py",
        "jobs: each with all cores",
    ),
    Mutation(
        "utils/jobs.py",
        "            start_new_session=True,\n",
        "",
        "tests/utils/test_jobs.py",
        "jobs: Ctrl-C in the terminal reaches the jobs twice",
    ),
]
