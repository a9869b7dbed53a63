"""Names of files in `data/<Name>` that an extraction writes in addition to those of a custom dataset."""

ALL = "all_list.txt"  # all videos, in symlinked-feats
VERSIONS = "versions.json"  # video -> digest of its features, in symlinked-feats
WORDS = "-words.json"  # suffix after the name of an expert: video -> recognized words, in symlinked-feats
WORD_TIMES = "-word-times.json"  # the same for [start, end] of each word in seconds; not every video with words has them
EXTRACTION_RECORD = "extraction.json"  # how the experts were extracted
FAILURES = "failures.json"  # video -> its file, and the reason why it cannot be used
WARNINGS = "warnings.json"  # video -> parts of its file that cannot be used
POSTERS = "posters"  # folder of the pictures that pages show of videos, see `misc.extraction.posters`
