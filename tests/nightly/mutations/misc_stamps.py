"""Mutations of misc/stamps/ and its command."""

from helpers.mutate import Mutation

PACKAGE, ITEMS, PICTURES = "misc/stamps/package.py", "misc/stamps/items.py", "misc/stamps/pictures.py"
CLIPS, FAMILIES, COMMAND = "misc/stamps/clips.py", "misc/stamps/families.py", "misc/stamps/dataset.py"


def _mutations(path: str, *changes: tuple[str, str, str, str]) -> list[Mutation]:
    """Return mutations of a file from (old, new, word that selects its tests, effect)."""
    name = "test_make_stamps" if path == COMMAND else f"stamps/test_{path.removeprefix('misc/stamps/').removesuffix('.py')}"
    return [
        Mutation(path, old, new, f"tests/misc/{name}.py -k {word}", f"stamps: {does}") for old, new, word, does in changes
    ]


MUTATIONS = [
    *_mutations(
        PACKAGE,
        ("is_file() and not path.is_symlink():", "is_file():", "links", "links in a folder are followed"),
        ("if is_own and path", "if path", "another_package", "stamps of other packages are read"),
        ("if member.isfile() and not member.issparse()", "if member.isfile()", "sparse", "sparse members are read"),
        ("if self._content_left < 0:", "if False:", "unpacks", "a bomb is unpacked"),
        ("memlimit=MAX_DICTIONARY", "memlimit=1 << 40", "memory", "decompression takes any memory"),
        ("if len(content) > MAX_FILE:", "if len(content) > MAX_FILE + 1:", "too_large", "a file may be too large"),
        (
            "file.seek(int(size) + int(size) % 2, io.SEEK_CUR)",
            "file.seek(int(size), io.SEEK_CUR)",
            "same_files",
            "no padding",
        ),
        ("            while content.read(CHUNK):", "            while False:", "not_the_package", "the end is not checked"),
        ('not re.match("en(?![a-z])", match[1])', 'not match[1].startswith("en")', "english_sounds", "eng is English"),
        ("if not size.isdecimal():", "if False:", "not_the_package", "a header without a size"),
    ),
    *_mutations(
        ITEMS,
        ('for kind in ("", "_desc"):', 'for kind in ("_desc", ""):', "english_caption", "the name is before the effect"),
        (
            "stem + kind + language + suffix for language in ENGLISH for suffix in SOUNDS",
            "stem + kind + language + suffix for suffix in SOUNDS for language in ENGLISH",
            "briton",
            "a Briton is preferred",
        ),
        ("and not stem.endswith(VARIANTS)", "", "line_each", "mirrored pictures are reported"),
        (
            'content.decode("utf-8-sig"), None',
            'content.decode("utf-8"), None',
            "english_caption",
            "a mark is read",
        ),
        ('" ".join(lines[0].split())', "lines[0]", "english_caption", "spaces are kept"),
        ("if lines and not TRANSLATION.match(lines[0])", "if lines", "line_each", "a translation is the caption"),
        ("        elif name in stamps:", "        elif False:", "told_apart", "one stamp replaces another"),
    ),
    *_mutations(
        PICTURES,
        (", dpi=DOTS_PER_INCH", "", "points", "pictures in points are empty"),
        (
            "width=SIDE, height=SIDE",
            "width=SIDE",
            "huge",
            "a high picture is huge",
        ),
        ("if not image.getextrema()[3][1]:", "if False:", "cannot_be_drawn", "invisible pictures are drawn"),
        ("if image.width * image.height > MAX_PIXELS:", "if False:", "too_many", "too many pixels are decoded"),
        ("scale = SIDE / max(image.size)", "scale = SIDE / min(image.size)", "fills", "a picture is cut"),
        ('Image.new("RGBA", image.size, "white")', 'Image.new("RGBA", image.size, "black")', "blended", "on black"),
    ),
    *_mutations(
        CLIPS,
        ("if is_same else None", "if True else None", "made_again", "changed stamps are not made again"),
        ("clip.stat().st_size == entry.get", "0 != entry.get", "truncated", "truncated clips are kept"),
        (
            'file.write(f"\\n{json.dumps(entry)}")',
            'file.write(f"{json.dumps(entry)}\\n")',
            "damaged_record",
            "lost",
        ),
        ("                clips[name].unlink(missing_ok=True)", "                pass", "unusable", "an old clip stays"),
        ("    record.remove_others(folder, stamps)\n", "", "no_longer_chosen", "clips that are not chosen stay"),
        ("SAMPLE_RATE, MAX_SECONDS)", "SAMPLE_RATE)", "long_sound", "sounds are not cut"),
        ("parts = [code.encode(), *", "parts = [*", "change_of_the_code", "clips of other code are kept"),
        ("(stamp.picture, *stamp.sounds))]", "(stamp.picture,))]", "changed_files", "clips of other sounds are kept"),
    ),
    *_mutations(
        FAMILIES,
        ("same |= captions[:, None] == captions", "pass", "capitals", "equal captions are no twins"),
        (" | (flat @ mirrored.reshape(len(names), -1).T > SAME)", "", "share_their_picture", "mirrored ones are no twins"),
        ("if word not in ARTICLES", "", "capitals", "articles tell captions apart"),
        ("if len(group) > 1 for name", "for name", "capitals", "each is its own twin"),
        ("sorted([*order, *twins])", "sorted(order)", "for_training", "twins are in no split"),
        ("key=lambda name: hashlib.sha256(name.encode()).digest()", "key=len", "for_training", "the order is not by hash"),
        ("if len(rows):", "if False:", "share_their_picture", "thumbnails have the border"),
    ),
    *_mutations(
        COMMAND,
        ("for name in listed if name in stamps}", "for name in stamps}", "do_not_match", "stamps in no list are made"),
        ('    require_package("resvg_py")\n', "", "library", "the missing library is found late"),
        ("for line in warnings[:SHOWN]:", "for line in warnings:", "many_warnings", "all warnings are printed"),
        ("    if not done:", "    if False:", "only_damaged", "an empty data set is written"),
        ("    if not chosen:", "    if False:", "lists_of_other", "lists of others are taken"),
    ),
]
