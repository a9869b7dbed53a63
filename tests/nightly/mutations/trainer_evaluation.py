"""Mutations of trainer/: evaluations and their results."""

from helpers.mutate import Mutation

MUTATIONS = [
    Mutation(
        "trainer/evaluation.py",
        "else caption_mask.any(dim=1, keepdim=True)",
        "else caption_mask[:, :1]",
        "tests/trainer/test_evaluation_masks.py",
        "averaged captions have the mask of the first caption",
    ),
    Mutation(
        "trainer/evaluation.py",
        "texts.weights[caption_mask.flatten()]",
        "texts.weights",
        "tests/trainer/test_evaluation.py -k batches_change",
        "weights include captions that do not exist",
    ),
    Mutation(
        "trainer/evaluation.py",
        '"v2t": v2t_ranks(sims, query_masks, v2t_ties)',
        '"v2t": v2t_ranks(sims, query_masks)',
        "tests/test_test.py -k rule_for_ties",
        "v2t_ties is ignored",
    ),
    Mutation(
        "trainer/evaluation.py",
        "rows = model.score(text, video, caption_mask[start:stop], start)",
        "rows = model.score(text, video, caption_mask[start:stop], 0)",
        "tests/trainer/test_evaluation.py -k no_memory",
        "chunks of captions are scored as those of the first videos",
    ),
    Mutation(
        "trainer/evaluation.py",
        "offset = start * self.width * FLOAT32_BYTES",
        "offset = 0",
        "tests/trainer/test_evaluation.py -k in_a_file",
        "captions in a file are those from its start",
    ),
    Mutation(
        "trainer/evaluation.py",
        "model.raise_if_nan()  # on a GPU",
        "pass  # on a GPU",
        "tests/trainer/test_evaluation.py -k nan",
        "NaN in an expert is evaluated on a GPU",
    ),
    Mutation(
        "trainer/evaluation.py",
        "model.eval()\n    chunk_bytes",
        "chunk_bytes",
        "tests/trainer/test_evaluation.py -k batches_change",
        "a model is evaluated in training mode",
    ),
    Mutation(
        "trainer/checkpoint_evaluation.py",
        '"validation": state.get("values")',
        '"validation": evaluation.metrics',
        "tests/trainer/test_checkpoint_evaluation.py -k passed_on",
        "metrics.json: figures of the test as those of the validation",
    ),
    Mutation(
        "trainer/checkpoint_evaluation.py",
        '"training_environment": state.get("environment")',
        '"training_environment": environment(next(model.parameters()).device, get_world_size())',
        "tests/trainer/test_checkpoint_evaluation.py -k passed_on",
        "metrics.json: this machine as that of the training",
    ),
    Mutation(
        "trainer/checkpoint_evaluation.py",
        '"leaky": leaky,',
        '"leaky": False,',
        "tests/test_test.py -k leaky",
        "metrics.json: leaky results are not marked",
    ),
    Mutation(
        "trainer/query_results.py",
        "([video] if averaged else caption_ids[video] for video",
        "(caption_ids[video] for video",
        "tests/test_test.py -k ids_of_captions",
        "similarities of averaged captions have the ids of single ones",
    ),
    Mutation(
        "trainer/checkpoint_evaluation.py",
        "load_weights(model, state, path)\n",
        "pass\n",
        "tests/test_train.py -k writes_checkpoints",
        "the last model is tested, not the best one",
    ),
    Mutation(
        "trainer/checkpoint_evaluation.py",
        "evaluation.query_masks.sum()",
        "evaluation.query_masks.size",
        "tests/trainer/test_checkpoint_evaluation.py -k numbers_of_videos",
        "metrics.json: captions that do not exist are counted",
    ),
]
