"""Mutations of moments: how they are extracted, stored, cut into windows and found."""

from helpers.mutate import Mutation

READER, SOUND, FRAMES = (f"misc/video_reading/{name}.py" for name in ("reader", "sound", "frames"))
MOMENTS, FILE, SHARDS, WRITER = (
    f"misc/extraction/{name}.py" for name in ("moments", "moments_file", "shards", "archive_writer")
)
CUT, WINDOWS, BUILDING, STORE = (
    f"misc/searching/{name}.py" for name in ("cut_collection", "windows", "building", "index/vector_store")
)
WORDS, CONCEPTS, FUSED = (f"misc/searching/channels/{name}.py" for name in ("words", "concepts", "fused_searcher"))
OPENING, RESULT, EVALUATE = "misc/searching/opening.py", "misc/searching/result.py", "misc/evaluation/moments.py"
TEST_CHUNKS = "tests/misc/video_reading/test_frames_chunks.py"
TEST_SPANS = "tests/misc/extractors/test_extractor_spans.py"
TEST_MOMENTS = "tests/misc/extraction/test_moments.py"
TEST_FILE, TEST_SHARDS = "tests/misc/extraction/test_moments_file.py", "tests/misc/extraction/test_shards_moments.py"
TEST_WINDOWS, TEST_CUT = "tests/misc/searching/test_windows.py", "tests/misc/searching/test_cut_collection.py"
TEST_STORE = "tests/misc/searching/index/test_faiss_store_windows.py"
TEST_BUILDING = "tests/misc/searching/test_building_windows.py"
TEST_WORDS = "tests/misc/searching/channels/test_words_windows.py"
TEST_CONCEPTS = "tests/misc/searching/channels/test_concepts_windows.py"
TEST_FUSED = "tests/misc/searching/channels/test_fused_searcher_moments.py"
TEST_SEARCH, TEST_EVALUATE = "tests/misc/test_search_moments.py", "tests/misc/test_evaluate_moments.py"

MUTATIONS = [
    Mutation(READER, "else sound.start - frames.first", "else 0.0", TEST_CHUNKS, "late sound counts from its own start"),
    Mutation(READER, "length >= chunks.min_length", "length > 0", TEST_CHUNKS, "short videos have chunks"),
    Mutation(SOUND, "TrackSamples(later_seconds, max_seconds, ", "TrackSamples(later_seconds, 0, ", TEST_CHUNKS, "twice"),
    Mutation(
        FRAMES,
        "self._taken = self._kept[:count], self._kept[count:], first + count",
        "self._taken = self._kept[:count], self._kept[count:], first",
        TEST_CHUNKS,
        "times of all chunks are those of the first",
    ),
    Mutation(
        FRAMES, "max_frames=sys.maxsize", "max_frames=sampling.max_frames", TEST_CHUNKS, "a film ends after its first frames"
    ),
    Mutation(
        "misc/extractors/face.py",
        "for frame, time in frames for crop",
        "for frame, time in [*frames][::-1] for crop",
        TEST_SPANS,
        "faces in reverse order",
    ),
    Mutation("misc/extractors/audio.py", " + media.sound_start", "", TEST_SPANS, "sound features start at 0"),
    Mutation("misc/extractors/flow.py", "media.times[chosen + 1]", "media.times[chosen]", TEST_SPANS, "flow of one frame"),
    Mutation(
        "misc/extractors/pretrained/whisper_models.py",
        "time + media.sound_start for time",
        "time for time",
        TEST_SPANS,
        "words of late sound are early",
    ),
    Mutation(
        MOMENTS,
        "at, part = start + first / SAMPLE_RATE",
        "at, part = first / SAMPLE_RATE",
        TEST_MOMENTS,
        "parts of sound start at 0",
    ),
    Mutation(
        MOMENTS,
        "self._use_sound(media, media.later_sound, media.sound_end, PIECE_SECONDS, self._in_context)",
        "pass",
        TEST_MOMENTS,
        "no words after the described sound",
    ),
    Mutation(
        MOMENTS,
        "                if self._error is None:\n",
        "                if True:\n",
        TEST_MOMENTS,
        "experts go on after an error",
    ),
    Mutation(
        MOMENTS,
        "if media.seconds < MIN_SECONDS:",
        "if media.seconds <= MIN_SECONDS:",
        "tests/misc/test_extract_experts_moments.py",
        "a video of exactly 30 s has no moments",
        "no film is that long to the last bit",
    ),
    Mutation(
        "misc/extraction/hdf5_tables.py",
        "table.resize(first + len(rows), axis=0)\n    table[first:] = rows",
        "table.resize(first + len(rows), axis=0)\n    table[:len(rows)] = rows",
        TEST_FILE,
        "videos overwrite each other",
    ),
    Mutation(
        FILE,
        "if not is_complete or ",
        "if ",
        TEST_FILE,
        "fewer words than times are read",
        "no mutation of the bytes of the test does this",
    ),
    Mutation(
        SHARDS,
        "digest.update(np.ascontiguousarray(found.spans))",
        "pass",
        TEST_SHARDS,
        "a video whose moments shift is not indexed again",
    ),
    Mutation(
        SHARDS,
        "if shard.moments_versions.get(name) != MOMENTS_VERSION",
        "if not shard.moments",
        TEST_SHARDS,
        "an extraction of one expert completes all",
    ),
    Mutation(
        SHARDS, "if length >= MIN_SECONDS:", "if shard.length is None:", TEST_SHARDS, "short videos are extracted again"
    ),
    Mutation(WRITER, "if shard.is_long:", "if True:", "tests/misc/test_extract_experts_moments.py", "short videos are cut"),
    Mutation(WINDOWS, ">= self.stride / 2", ">= 0", TEST_WINDOWS, "the last window may be a fraction of a second"),
    Mutation(
        WINDOWS, "if self.stride > self.window:", "if False:", TEST_WINDOWS, "seconds between windows are not searched"
    ),
    Mutation(WINDOWS, "if len(chosen) == MAX_MOMENTS:", "if len(chosen) == 1:", TEST_WINDOWS, "one moment only"),
    Mutation(
        WINDOWS,
        "if not any(_share(moment, x) > 0.5 for x in chosen):",
        "if True:",
        TEST_WINDOWS,
        "moments overlap",
    ),
    Mutation(
        "misc/searching/image_query.py",
        "as_moments(found))",
        "[])",
        "tests/misc/searching/test_image_query.py -k long_video",
        "a query by an image finds no moments",
    ),
    Mutation(
        CUT,
        "(middle >= span[0]) & (middle < span[1])",
        "(middle >= span[0]) & (middle <= span[1])",
        TEST_CUT,
        "a frame is in two windows",
    ),
    Mutation(
        CUT,
        "(starts < span[1]) & (ends >= span[0]) & (overlap",
        "(starts < span[1]) & (starts >= span[0]) & (overlap",
        TEST_CUT,
        "a sign is only in the window where it appears",
    ),
    Mutation(
        CUT,
        "np.minimum((ends - starts) / 2, MIN_OVERLAP)",
        "0",
        f"{TEST_CUT} -k most_of_it",
        "a spoken word at the edge of two windows is in both",
    ),
    Mutation(
        CUT, "if any(x is not None for x in row.values()):", "if True:", TEST_CUT, "windows without experts are indexed"
    ),
    Mutation(
        CUT,
        "yield from rows or [",
        "yield from rows if spans else [",
        TEST_CUT,
        "a long video without experts is not indexed",
    ),
    Mutation(
        CUT,
        "[next(vectors) if text else None for text in texts]",
        "[next(vectors, None) for text in texts]",
        TEST_CUT,
        "words are in other windows",
    ),
    Mutation(STORE, "limit *= 4", "break", TEST_STORE, "windows of one video displace other videos"),
    Mutation(STORE, "if with_bank and self.bank is not None:", "if False:", TEST_STORE, "the bank is not used"),
    Mutation(
        BUILDING, "            _remove(store, videos)\n", "", TEST_BUILDING, "windows of the old version of a video stay"
    ),
    Mutation(
        BUILDING,
        "list(map(collection.version, owners))",
        "list(map(collection.version, batch.ids))",
        TEST_BUILDING,
        "changed long videos are not found",
    ),
    Mutation(
        "misc/searching/channels/words_index.py",
        "lines if spans else {**self._collection.get_words(video), **lines}",
        "{**self._collection.get_words(video), **lines}",
        TEST_WORDS,
        "words of a long video without a time are found",
    ),
    Mutation(
        WORDS, "if video in by_video or len(by_video) < k:", "if len(by_video) < k:", TEST_WORDS, "further windows are lost"
    ),
    Mutation(
        "misc/searching/channels/words_index.py",
        "cut, collection.text_digest()]",
        "collection.text_digest()]",
        TEST_WORDS,
        "the file has other windows",
    ),
    Mutation(CONCEPTS, ' or about.get("windows") != self._cut', "", TEST_CONCEPTS, "the file has other windows"),
    Mutation(
        "misc/searching/channels/fusion.py",
        "(RANK_CONSTANT + rank + number)",
        "(RANK_CONSTANT + rank)",
        "tests/misc/searching/channels/test_fusion.py",
        "all moments of a channel count the same",
    ),
    Mutation(
        FUSED,
        "(best[0].start, best[0].end))) if best else hit.words",
        "(best[-1].start, best[-1].end))) if best else hit.words",
        TEST_FUSED,
        "the words of another moment are shown",
    ),
    Mutation(OPENING, "if windows != kept or not path.exists():", "if False:", TEST_SEARCH, "windows are not kept"),
    Mutation(
        OPENING,
        "elif found != (wanted := choose_windows(args, searcher.collection)):",
        "elif (wanted := None):",
        TEST_SEARCH,
        "nothing is said of other windows",
    ),
    Mutation(
        RESULT, "time_text(math.ceil(moment.end))", "time_text(moment.end)", TEST_FUSED, "a moment ends a second too early"
    ),
    Mutation(
        "misc/searching/file_features.py",
        "path, wanted, with_moments=False)",
        "path, wanted)",
        "tests/misc/searching/test_collection.py -k a_file_has",
        "a query by a file waits for its moments",
    ),
    Mutation(EVALUATE, "none_before *= wrong", "pass", TEST_EVALUATE, "chance finds a moment at several ranks"),
]
