"""Mutations of the archives of the corrected release and their downloads."""

from helpers.mutate import Mutation

ARCHIVE, CONVERSION = "data_loader/archive.py", "data_loader/conversion.py"
STORE, HICKLE = "data_loader/readers/expert_store.py", "data_loader/readers/hickle_file.py"
SYNC, ARCHIVES, DATASETS = "misc/sync_experts.py", "misc/syncing/remote_archive.py", "data_loader/datasets"
TEST = "tests/data_loader/test_archive_corrected.py"
TEST_BATCHES = "tests/data_loader/datasets/test_datasets_corrected.py"
TEST_FILES = "tests/data_loader/datasets/test_datasets_corrected_files.py"
TEST_STORE, TEST_HICKLE = (f"tests/data_loader/readers/test_{name}.py" for name in ("expert_store", "hickle_file"))
TEST_SYNC = "tests/misc/test_sync_experts_corrected.py"

MUTATIONS = [
    Mutation(CONVERSION, "zeros_are_missing and not only_nan_is_missing", "zeros_are_missing", TEST, "zeros are missing"),
    Mutation(
        CONVERSION, "np.isnan(x[0, 0]) and not self.only_nan_is_missing", "np.isnan(x[0, 0])", TEST, "NaN rows are missing"
    ),
    Mutation(
        CONVERSION, "if self.only_nan_is_missing and not has_no_frames:", "if False:", TEST, "an empty vector is missing"
    ),
    Mutation(ARCHIVE, 'only_nan_is_missing=self.release == "2020"', "only_nan_is_missing=False", TEST, "the rules of 2019"),
    Mutation(
        ARCHIVE,
        "folder = self.cache / path.parent.relative_to(self.folder)",
        "folder = self.cache",
        TEST_BATCHES,
        "files of the same name in two folders share a cache",
    ),
    Mutation(
        ARCHIVE,
        '/ "cache") / (root_feat_folder or "")',
        '/ "cache")',
        TEST_BATCHES,
        "archives of two releases share a cache",
    ),
    Mutation(
        ARCHIVE,
        "            return expert.file\n",
        "            pass\n",
        TEST_BATCHES,
        "the file of a dotted expert is not read",
    ),
    Mutation(
        ARCHIVE, "other and not (self.folder / file).exists() and", "other and", TEST, "the other name of a file comes first"
    ),
    Mutation(ARCHIVE, "self._renamed.add(file)", "pass", TEST, "a warning is repeated"),
    Mutation(
        ARCHIVE,
        "names = [file, self.layout.alternatives.get(file, file)]",
        "names = [file]",
        TEST,
        "a renamed file is absent",
    ),
    Mutation(ARCHIVE, "chosen = [0] * len(ids)", "pass", TEST, "without an index, each caption is a query"),
    Mutation(ARCHIVE, " and subset == self.split.train:", ":", TEST, "the warning of flaky experts in evaluation"),
    Mutation(
        ARCHIVE,
        'self.layout.release == "2020" and expert.may_be_missing is None',
        "expert.may_be_missing is None",
        "tests/data_loader/test_archive.py",
        "the warning of flaky experts in 2019",
    ),
    Mutation(ARCHIVE, "NOT_IN_HIGH_QUALITY.fullmatch(name)", "True", TEST, "any absent file is said to be in features-v2"),
    Mutation(ARCHIVE, 'or ".." in relative.parts', "", TEST, "a folder of features outside of that of the dataset"),
    Mutation(ARCHIVE, "- {self.release}):", "):", TEST, "a config of the same release is said to be of another"),
    Mutation(ARCHIVE, "and not item.keys() >= set(ids):", ":", TEST, "captions by video name need a mapping to YouTube ids"),
    Mutation(STORE, "name in lacking or empty[row]", "name in lacking", TEST_STORE, "rows of NaN are features"),
    Mutation(STORE, "name in lacking or empty[row]", "empty[row]", TEST_STORE, "missing videos have features"),
    Mutation(STORE, "not 0 <= row < len(store)", "not row < len(store)", TEST_STORE, "negative rows"),
    Mutation(STORE, "len(set(keymap.values())) < len(keymap)", "False", TEST_STORE, "two videos share a row"),
    Mutation(STORE, '_names(keys, "keys") != keymap.keys()', "False", TEST_STORE, "keys differ from the keymap"),
    Mutation(STORE, "unknown := lacking - keymap.keys()", "unknown := set()", TEST_STORE, "missing videos that are unknown"),
    Mutation(STORE, "not _is_integer(dim) or store.shape[1] != dim", "False", TEST_STORE, "a store of another dim"),
    Mutation(STORE, ".all(axis=1)", ".any(axis=1)", TEST_STORE, "a row with one NaN is missing"),
    Mutation(
        "data_loader/readers/pickle_file.py",
        "return _unwrapped(FeatureUnpickler(file).load())",
        "return _unwrapped(SafeUnpickler(file).load())",
        TEST_STORE,
        "an ExpertStore is refused",
    ),
    Mutation(HICKLE, "len(groups) != 1", "not groups", TEST_HICKLE, "two contents in a hickle file"),
    Mutation(HICKLE, "(/(data|data_0))?", "(/.*)?", TEST_HICKLE, "deeper groups in a hickle file"),
    Mutation(f"{DATASETS}/msrvtt.py", '"311529eeb17527a728a1b930f64415dc15a11298"', '"3"', TEST_SYNC, "an older sum"),
    Mutation(
        f"{DATASETS}/didemo.py", "names_end_at_dot=True,\n    downloads", "downloads", TEST_BATCHES, "names keep their dots"
    ),
    Mutation(f"{DATASETS}/vatex.py", "split2", "split1", TEST_FILES, "VaTeX is tested on its validation list"),
    Mutation(ARCHIVES, 'DEFAULT_RELEASE = "features-v2"', 'DEFAULT_RELEASE = "high-quality"', TEST_SYNC, "another default"),
    Mutation(ARCHIVES, "sha1 in self.sha1 or (not self.sha1", "(True", TEST_SYNC, "an archive with a wrong sum is unpacked"),
    Mutation(SYNC, "if not archive.sha1 and not unchecked:", "if False:", TEST_SYNC, "an archive that nothing checks"),
    Mutation(SYNC, "needs_access_code and not access_code", "needs_access_code and False", TEST_SYNC, "no access code"),
    Mutation(
        ARCHIVES,
        "(folder / self.release.features).is_dir()), self.folders[0])",
        "False), self.folders[0])",
        TEST_SYNC,
        "didemo",
    ),
    Mutation(
        ARCHIVES, "names = (layout.folder, *published.other_names)", "names = (layout.folder,)", TEST_SYNC, "DiDeMo only"
    ),
]
