"""The files in `data/<Name>` that an extraction writes beside the layout of a dataset of one's own, and a search reads."""

ALL = "all_list.txt"  # every video that can be searched, in symlinked-feats
VERSIONS = "versions.json"  # video -> what tells whether its experts have changed, in symlinked-feats
WORDS = "-words.json"  # after the name of an expert: video -> the words that it recognised, in symlinked-feats
EXTRACTION = "extraction.json"  # how the experts were extracted
FAILURES = "failures.json"  # video -> its file, and why that cannot be used
WARNINGS = "warnings.json"  # video -> what of its file cannot be used, while the rest is
