"""Mutations of data_loader/."""

from helpers.mutate import Mutation

FOLDER, TESTS = "data_loader", "tests/data_loader"
DATASET, ARCHIVE, STORE = f"{FOLDER}/dataset.py", f"{FOLDER}/archive.py", f"{FOLDER}/store.py"
CONVERSION, EXPERTS, LOADERS = f"{FOLDER}/conversion.py", f"{FOLDER}/experts.py", f"{FOLDER}/data_loaders.py"
READERS, BUDGET = f"{FOLDER}/readers/__init__.py", f"{FOLDER}/readers/budget.py"
HDF5, MSGPACK, NPY = (f"{FOLDER}/readers/{name}_file.py" for name in ("hdf5", "msgpack", "npy"))
TEST_DATASET, TEST_ARCHIVE, TEST_STORE = f"{TESTS}/test_dataset.py", f"{TESTS}/test_archive.py", f"{TESTS}/test_store.py"
TEST_PROPERTIES = f"{TESTS}/test_store_properties.py"
TEST_REFUSALS, TEST_LOADERS = f"{TESTS}/datasets/test_datasets_refusals.py", f"{TESTS}/test_data_loaders.py"
TEST_BUDGET, TEST_HDF5 = f"{TESTS}/readers/test_budget.py", f"{TESTS}/readers/test_hdf5_file.py"
TEST_MSGPACK, TEST_NPY = f"{TESTS}/readers/test_msgpack_file.py", f"{TESTS}/readers/test_npy_file.py"
TEST_ROWS, TEST_MISSING = f"{TESTS}/test_archive_rows.py", f"{TESTS}/test_archive_missing_experts.py -k Toy"
TEST_CAPTIONS, TEST_DOTTED = f"{TESTS}/test_dataset_captions.py", f"{TESTS}/test_experts_dotted.py"
TEST_CORRECTED = f"{TESTS}/test_data_loaders_corrected.py"
CACHE = f"{TEST_STORE} -k a_cache"

MUTATIONS = [
    Mutation(DATASET, "range(self.first * self.batch_size,", "range(0,", TEST_DATASET, "a resumed epoch begins anew"),
    Mutation(
        DATASET, "default_rng((self.seed, self.epoch))", "default_rng(self.seed)", TEST_DATASET, "all epochs are equal"
    ),
    Mutation(
        DATASET, "default_rng((self.seed, self.epoch))", "default_rng(self.epoch)", TEST_DATASET, "the seed is ignored"
    ),
    Mutation(DATASET, "[drawn[int(draw * len(drawn))]]", "[0]", TEST_DATASET, "only first captions are trained on"),
    Mutation(DATASET, "rows[:n], rows[n:] = x, 0", "rows[:n] = x", TEST_DATASET, "padding is any memory"),
    Mutation(DATASET, "< np.array(lengths)[:, None]", "<= np.array(lengths)[:, None]", TEST_DATASET, "padding is a word"),
    Mutation(DATASET, "float(x is not None) for x", "1.0 for x", TEST_DATASET, "missing experts count as present"),
    Mutation(DATASET, "x.get(index, self.max_expert_tokens[name])", "x.get(index)", TEST_DATASET, "sequences are not cut"),
    Mutation(DATASET, "vectors(index, k, self.max_text_words)", "vectors(index, k)", TEST_DATASET, "captions are not cut"),
    Mutation(
        DATASET, "self.share[1])[self.share[0]]", "self.share[1])[0]", f"{TEST_LOADERS} -k share", "all processes alike"
    ),
    Mutation(DATASET, "if mask[position] == 1", "if mask[k] == 1", TEST_CAPTIONS, "a mask is of the captions with words"),
    Mutation(DATASET, " and kept.any():", ":", TEST_CAPTIONS, "a caption loses all its words"),
    Mutation(DATASET, "default_rng(int(draw * 2**53))", "default_rng()", TEST_CAPTIONS, "a resumed epoch loses other words"),
    Mutation(
        DATASET,
        "words = self.captions.vectors(index, k)",
        "words = self.captions.vectors(index, k, 6)",
        TEST_CAPTIONS,
        "mean",
    ),
    Mutation(DATASET, "rest >= max(2, share[1])", "rest >= share[1]", TEST_CORRECTED, "a batch of one video"),
    Mutation(EXPERTS, 'if entry.get("flaky"):', "if False:", TEST_DOTTED, "flaky experts may not be missing"),
    Mutation(EXPERTS, '("offset", "inner_stride",', '("inner_stride",', TEST_DOTTED, "the file of other settings"),
    Mutation(LOADERS, "batches[share[0] :: share[1]]", "batches", f"{TEST_LOADERS} -k share", "each process evaluates all"),
    Mutation(LOADERS, "if not len(self.sampler):", "if False:", f"{TEST_LOADERS} -k do_not_fit", "an epoch without a batch"),
    Mutation(
        LOADERS, "max_captions=num_test_captions", "max_captions=None", f"{TEST_LOADERS} -k restricted", "all captions"
    ),
    Mutation(ARCHIVE, "if position >= count:", "if False:", f"{TEST_REFUSALS} -k only_caption", "a caption beyond the last"),
    Mutation(ARCHIVE, " or position < 0:", ":", f"{TEST_REFUSALS} -k only_caption", "a caption counted from the end"),
    Mutation(
        ARCHIVE,
        "astype(bool)[[rows[video] for video in ids]]",
        "astype(bool)[: len(ids)]",
        TEST_ROWS,
        "flags of missing experts by the position among the videos that are kept",
    ),
    Mutation(ARCHIVE, "np.array([rows[video] for video in ids])", "np.arange(len(ids))", TEST_ROWS, "rows of kept videos"),
    Mutation(ARCHIVE, "features.available &= ~flags", "features.available |= ~flags", TEST_ROWS, "flags add experts"),
    Mutation(ARCHIVE, "if flag not in (0, 1)]", "if False]", f"{TEST_REFUSALS} -k flags", "flags of any value"),
    Mutation(ARCHIVE, "if len(table) != len(rows):", "if False:", f"{TEST_REFUSALS} -k by_row", "any number of rows"),
    Mutation(
        ARCHIVE, "if len(item) < len(in_table):", "if False:", f"{TEST_REFUSALS} -k suffix", "the last of two features"
    ),
    Mutation(
        ARCHIVE,
        "if len(set(in_table)) < len(in_table):",
        "if False:",
        "tests/integration/test_bad_data.py -k there_twice",
        "the last of two items of a video",
    ),
    Mutation(
        ARCHIVE, "item.get(name, item.get(video, -1))", "item.get(video, -1)", f"{TEST_REFUSALS} -k youtube", "other names"
    ),
    Mutation(
        ARCHIVE, "        table.raise_problem(items)\n        features", "        features", TEST_ARCHIVE, "invalid features"
    ),
    Mutation(ARCHIVE, "        vectors.raise_problem(items)\n", "", TEST_ARCHIVE, "invalid captions"),
    Mutation(
        ARCHIVE,
        "in_table = [normalize_name(name) for name in table.names]",
        "in_table = list(table.names)",
        f"{TEST_ARCHIVE} -k unicode",
        "names in another Unicode form are other videos",
    ),
    Mutation(CONVERSION, "if np.isnan(x[0, 0]) and", "if False and", TEST_PROPERTIES, "NaN"),
    Mutation(CONVERSION, "self.zeros_are_missing and not x.any()", "False", TEST_PROPERTIES, "zeros"),
    Mutation(
        CONVERSION,
        "x = x.astype(np.float32)\n            with",
        "with",
        TEST_PROPERTIES,
        "means are rounded to float16",
    ),
    Mutation(CONVERSION, 'if expert.aggregation == "max" else', "if False else", TEST_PROPERTIES, "no maximum"),
    Mutation(
        CONVERSION, "if x.shape[1] != expert.dim:", "if False:", f"{TEST_ARCHIVE} -k features_that", "another dimension"
    ),
    Mutation(
        CONVERSION,
        "len(x) - int(np.argmax(x[::-1].any(axis=1)))",
        "int(x.any(axis=1).sum())",
        TEST_ROWS,
        "frames of zeros between others cut a sequence",
    ),
    Mutation(
        CONVERSION,
        "            raise _NotFloat16Error\n",
        "            pass\n",
        TEST_PROPERTIES,
        "numbers are rounded to float16",
    ),
    Mutation(
        CONVERSION,
        'self.settings["zeros_are_missing"] = self.zeros_are_missing',
        "",
        CACHE,
        "a cache by another rule for zeros",
    ),
    Mutation(STORE, '"size": status.st_size, ', "", f"{TESTS}/test_store_validity.py", "the size of a file may change"),
    Mutation(STORE, '"time": status.st_mtime_ns, ', "", CACHE, "the time of a file may change"),
    Mutation(STORE, "status.st_mtime_ns", "int(status.st_mtime)", f"{TEST_STORE} -k nanoseconds", "changes within a second"),
    Mutation(STORE, '"version": VERSION, ', "", CACHE, "caches of another version"),
    Mutation(
        STORE, "ends.max(initial=0) > cache.stat().st_size", "False", f"{TEST_STORE} -k damaged", "rows beyond the file"
    ),
    Mutation(STORE, "min(length, max_rows)", "max_rows", TEST_PROPERTIES, "rows of the next sequence"),
    Mutation(STORE, "positions[:max_captions]]", "positions]", f"{TEST_DATASET} -k first_captions", "all captions"),
    Mutation(STORE, "used[lengths[used] > 0]", "used", f"{TEST_ARCHIVE} -k without_a_word", "captions without a word"),
    Mutation(
        STORE, "np.concatenate(parts)[:max_words]", "np.concatenate(parts)", f"{TEST_DATASET} -k fused", "fused and not cut"
    ),
    Mutation(
        STORE, "texts.count(v) != len(lengths)", "False", f"{TEST_ARCHIVE} -k differ_in_number", "texts of other captions"
    ),
    Mutation(BUDGET, "MAX_FEATURE_RATIO = 32", "MAX_FEATURE_RATIO = 3200", TEST_BUDGET, "a file holds 3200 times its size"),
    Mutation(BUDGET, "MIN_LIMIT_BYTES = 32 << 20", "MIN_LIMIT_BYTES = 32 << 30", TEST_BUDGET, "a small file holds any size"),
    Mutation(BUDGET, "max(value.nbytes, 4 * value.size)", "0", TEST_BUDGET, "arrays are not counted"),
    Mutation(BUDGET, "(1 + sum(value.shape))", "1", TEST_BUDGET, "rows of an empty array are not counted"),
    Mutation(
        BUDGET, "REFERENCE_BYTES + len(value))\n            return ()", "0)\n            return ()", TEST_BUDGET, "texts"
    ),
    Mutation(BUDGET, "return [*value.keys(), *value.values()]", "return [*value.keys()]", TEST_BUDGET, "values of a dict"),
    Mutation(BUDGET, "if code_points.max() > 0x10FFFF:", "if False:", TEST_BUDGET, "letters that crash numpy"),
    Mutation(BUDGET, "if not isinstance(value, _ATOMS):", "if False:", TEST_BUDGET, "any object"),
    Mutation(
        READERS, "            budget.spend(value)\n            yield", "            yield", TEST_BUDGET, "items of any size"
    ),
    Mutation(READERS, "            Budget(path).spend(content)\n", "", TEST_BUDGET, "small files of any content"),
    Mutation(HDF5, "if address in seen:", "if False:", TEST_HDF5, "a group in itself"),
    Mutation(
        HDF5,
        "if not isinstance(group.get(key, getlink=True), h5py.HardLink):",
        "if False:",
        TEST_HDF5,
        "links to other files",
    ),
    Mutation(
        HDF5,
        "data_set.is_virtual or data_set.external",
        "data_set.is_virtual",
        TEST_HDF5,
        "data of other files",
    ),
    Mutation(HDF5, "> budget.remaining:", "> 2**60:", TEST_HDF5, "data sets are read before they are counted"),
    Mutation(
        HDF5,
        "if unpacker.unconsumed_tail and unpacker.decompress(unpacker.unconsumed_tail, 1):",
        "if False:",
        TEST_HDF5,
        "chunks unpack to any size",
    ),
    Mutation(MSGPACK, "            ext_hook=_refuse_extension,\n", "", TEST_MSGPACK, "extension types are taken"),
    Mutation(MSGPACK, 'fields.get("kind") in (b"O", "O")', "False", TEST_MSGPACK, "arrays of pickled objects"),
    Mutation(MSGPACK, 'if dtype.kind not in "biufcSU":', "if False:", TEST_MSGPACK, "arrays of records"),
    Mutation(NPY, "> MAX_HEADER_BYTES:", "> 2**60:", TEST_NPY, "a header of any length"),
    Mutation(NPY, 'dtype.kind not in "biufcSUO"', "False", TEST_NPY, "arrays of records in .npy files"),
    Mutation(
        EXPERTS, "sorted(set(names) - dropped)", "sorted(set(names))", f"{TESTS}/test_experts.py", "drop_feats is ignored"
    ),
    Mutation(
        EXPERTS,
        'fields.setdefault("embed_dim", None)',
        "pass",
        f"{TESTS}/test_experts.py",
        "another dim keeps the embedding of the published one",
    ),
    Mutation(
        "data_loader/teachers.py",
        "np.atleast_2d(x)[:count]",
        "np.atleast_2d(x)[-count:]",
        f"{TESTS}/test_teachers.py",
        "of more captions of a teacher, the last ones",
    ),
    Mutation(
        EXPERTS,
        'fields.setdefault("dim", section["face_dim"])',
        'fields["dim"] = section["face_dim"]',
        f"{TESTS}/test_experts.py",
        "face_dim before the expert's own dim",
    ),
    Mutation(
        "data_loader/data_loaders.py",
        "1 + max(dataset.caption_positions(index))",
        "len(dataset.caption_positions(index))",
        "tests/data_loader/test_data_loaders_corrected.py -k teachers",
        "teachers: captions without words shift those of all later videos",
    ),
    Mutation(
        "data_loader/workers.py",
        "        process.kill()",
        "        process.terminate()",
        "tests/data_loader/test_workers.py",
        "a worker that hangs outlives the training, which waits for it",
    ),
    Mutation(
        "data_loader/workers.py",
        "if soft == resource.RLIM_INFINITY or soft >= needed:",
        "if soft >= needed:",
        "tests/data_loader/test_workers.py",
        "an infinite limit of open files is lowered",
    ),
    Mutation(
        "data_loader/workers.py",
        "if hard != resource.RLIM_INFINITY and hard < needed:",
        "if hard < needed:",
        "tests/data_loader/test_workers.py",
        "an infinite hard limit of open files is refused",
    ),
    Mutation(
        "data_loader/workers.py",
        '    with record_function("worker_context"):\n        pass\n',
        "",
        "tests/data_loader/test_workers.py",
        "torch imports a module while workers run",
    ),
]
