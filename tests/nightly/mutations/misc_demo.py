"""Mutations of misc/demo/ and its command."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "misc/demo/experts.py",
        "u, v = (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant",
        "v, u = (xy * yt - yy * xt) / determinant, (xy * xt - xx * yt) / determinant",
        "tests/misc/demo/test_experts.py -k flow",
        "demo flow: down and right are exchanged",
    ),
    Mutation(
        "misc/demo/experts.py",
        "turn = (w_t * (x * (v_t - v_0) - y * (u_t - u_0))).sum() / radius",
        "turn = (w_t * (y * (u_t - u_0) - x * (v_t - v_0))).sum() / radius",
        "tests/misc/demo/test_experts.py -k flow",
        "demo flow: the sense of a turn is reversed",
    ),
    Mutation(
        "misc/demo/experts.py",
        "information = np.log(np.maximum(joint, 1e-12) * len(texts) / np.outer(counts, counts))",
        "information = np.log(np.maximum(joint, 1e-12) / np.outer(counts, counts))",
        "tests/misc/demo/test_experts.py -k word_vectors",
        "demo: word vectors are not of mutual information",
    ),
    Mutation(
        "misc/demo/clips.py",
        "if value != getattr(clip, name)]",
        "]",
        "tests/misc/demo/test_clips.py -k members",
        "demo: members of a family may not differ",
    ),
    Mutation(
        "misc/demo/dataset.py",
        "for name, x in features.items() if name in train])",
        "for name, x in features.items()])",
        "tests/misc/test_make_demo.py -k standardised",
        "demo: features are standardized by the test clips, too",
    ),
    Mutation(
        "misc/demo/dataset.py",
        "for name in sorted(train)]",
        "for name in sorted(raw)]",
        "tests/misc/test_make_demo.py -k words_of_the_other",
        "demo: word vectors are made from captions of the test clips, too",
    ),
    Mutation(
        "misc/demo/dataset.py",
        'return made["recipe"] == recipe and not changed',
        "return not changed",
        "tests/misc/test_make_demo.py -k made_once",
        "demo: the data of another seed is taken for up to date",
    ),
    Mutation(
        "misc/demo/dataset.py",
        "done.unlink(missing_ok=True)",
        "pass",
        "tests/misc/test_make_demo.py -k interrupted",
        "demo: data that are replaced in part are taken for up to date",
    ),
    Mutation(
        "misc/demo/drawing.py",
        "y -= (2 * t - 1) * reach * HEIGHT",
        "y += (2 * t - 1) * reach * HEIGHT",
        "tests/misc/demo/test_drawing.py",
        "demo: what rises falls",
    ),
    Mutation(
        "misc/demo/clips.py",
        "*(PERSON if first.hair else ())",
        "*PERSON",
        "tests/misc/demo/test_clips.py -k family",
        "demo: clips that differ in glasses of no person",
    ),
]
