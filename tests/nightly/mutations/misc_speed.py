"""Mutations of misc/speed/ and figs/."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "misc/speed/timing.py",
        "return {name: values[WARM_UP:] for name, values in seconds.items()}",
        "return seconds",
        "tests/misc/speed/test_timing.py",
        "the repetitions of the warm-up count",
    ),
    Mutation(
        "misc/speed/timing.py",
        "return statistics.median(a / b for a, b in",
        "return statistics.median(b / a for a, b in",
        "tests/misc/speed/test_timing.py",
        "the speedup is its inverse",
    ),
    Mutation(
        "misc/speed/batches.py",
        "if len(ours) != len(plain) or not all(map(_is_equal, ours, plain)):",
        "if len(ours) != len(plain):",
        "tests/misc/speed/test_batches.py",
        "a batch that differs from that of plain loops is measured",
    ),
    Mutation(
        "misc/speed/batches.py",
        "padded[i] = missing\n            continue",
        "continue",
        "tests/misc/speed/test_batches.py",
        "plain loops: zeros in place of NaN for a missing expert",
    ),
    Mutation(
        "misc/speed/metrics.py",
        "return np.array(ranks)\n\n\ndef random",
        "return np.array(ranks) + 0.5\n\n\ndef random",
        "tests/misc/speed/test_metrics.py",
        "plain ranks of videos are half a rank too high",
    ),
    Mutation(
        "misc/speed/metrics.py",
        "        if not all(map(np.array_equal, candidates[name](), expected)):",
        "        if False:",
        "tests/misc/speed/test_metrics.py",
        "other ranks than those of plain loops are measured",
    ),
    Mutation(
        "misc/speed/process.py",
        "    if result.returncode:\n        raise",
        "    if False:\n        raise",
        "tests/misc/speed/test_process.py",
        "a measured process may fail",
    ),
    Mutation(
        "misc/speed/scaling.py",
        "np.polyfit(np.log(sizes), np.log(costs), 1)[0]",
        "np.polyfit(sizes, costs, 1)[0]",
        "tests/misc/speed/test_scaling.py",
        "the exponent is a slope without logarithms",
    ),
    Mutation(
        "misc/speed/store.py",
        "        unfinished.rename(data_dir)\n",
        "        shutil.copytree(unfinished, data_dir)\n",
        "tests/misc/speed/test_store.py",
        "the unfinished copy of an archive stays",
    ),
    Mutation(
        "figs/draw_model.py",
        "str(escape(formula))",
        "formula",
        "tests/figs/test_draw_model.py",
        "markup in a formula of the picture",
    ),
    Mutation(
        "figs/draw_model.py",
        'r"_(<tspan.*?</tspan>|[a-z]+)"',
        'r"_([a-z]+)"',
        "tests/figs/test_draw_model.py",
        "a variable is no subscript",
    ),
]
