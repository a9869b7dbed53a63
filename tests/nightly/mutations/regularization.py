"""Mutations of what keeps small sets from overfitting: experts and words that are lost, and averaged weights."""

from helpers.mutate import Mutation

DATASET, LOADERS, AVERAGE = "data_loader/dataset.py", "data_loader/data_loaders.py", "trainer/weight_average.py"
TRAINER, CHECKPOINT, VALIDATION = "trainer/trainer.py", "base/checkpoint.py", "base/validation.py"
TEST_LOSSES, TEST_BATCHES = "tests/data_loader/test_dataset_dropout.py", "tests/data_loader/test_data_loaders_dropout.py"
TEST_AVERAGE = "tests/trainer/test_weight_average.py"
TEST_CHECKPOINT = "tests/base/test_checkpoint.py -k damaged"

MUTATIONS = [
    Mutation(
        DATASET,
        "noise >= min(probability, noise.max(initial=0.0))",
        "noise >= probability",
        TEST_LOSSES,
        "an item can lose everything",
    ),
    Mutation(DATASET, "noise >= min(probability,", "noise < min(probability,", TEST_LOSSES, "what should be kept is lost"),
    Mutation(
        DATASET,
        "default_rng((int(draw * 2**53), stream))",
        "default_rng(int(draw * 2**53))",
        TEST_LOSSES,
        "experts and words are lost by the same numbers",
    ),
    Mutation(
        DATASET,
        "default_rng((int(draw * 2**53), stream))",
        "default_rng((count, stream))",
        f"{TEST_LOSSES} -k often",
        "all items lose the same",
    ),
    Mutation(
        DATASET,
        "default_rng((int(draw * 2**53), stream))",
        "default_rng()",
        TEST_BATCHES,
        "what is lost follows from nothing",
    ),
    Mutation(
        DATASET,
        "present = [name for name, x in self.features.items() if x.available[index]]",
        "present = list(self.features)",
        TEST_LOSSES,
        "the expert that stays may be one that the video lacks",
    ),
    Mutation(
        DATASET,
        "if draw is None or not self.expert_dropout:",
        "if not self.expert_dropout:",
        f"{TEST_LOSSES} -k evaluation",
        "experts are lost in evaluation",
    ),
    Mutation(
        DATASET,
        "if lossy and self.word_dropout:",
        "if lossy and self.word_dropout > 0.5:",
        TEST_LOSSES,
        "few words are lost as by text_dropout",
    ),
    Mutation(
        LOADERS,
        "word_dropout=word_dropout or 0.0,",
        "word_dropout=0.0,",
        TEST_BATCHES,
        "word_dropout of a config does nothing",
    ),
    Mutation(
        LOADERS,
        "expert_dropout=expert_dropout or 0.0,",
        "expert_dropout=0.0,",
        TEST_BATCHES,
        "expert_dropout of a config does nothing",
    ),
    Mutation(
        AVERAGE,
        "min(self.decay, (1 + self.num_updates) / (10 + self.num_updates))",
        "self.decay",
        f"{TEST_AVERAGE} -k loop",
        "random weights stay in the average",
    ),
    Mutation(
        AVERAGE, "for average, _ in floats], [value", "for average, _ in floats[1:]], [value", TEST_AVERAGE, "pairs shift"
    ),
    Mutation(AVERAGE, "1 - decay)", "decay)", f"{TEST_AVERAGE} -k loop", "the average forgets what it should keep"),
    Mutation(
        AVERAGE,
        "[*net.parameters(), *net.buffers()]",
        "[*net.parameters()]",
        f"{TEST_AVERAGE} -k loop",
        "statistics stay random",
    ),
    Mutation(AVERAGE, "average.copy_(value)", "pass", f"{TEST_AVERAGE} -k loop", "counts of batches stay 0"),
    Mutation(AVERAGE, "copy.deepcopy(model)", "model", f"{TEST_AVERAGE} -k loop", "the trained weights are the average"),
    Mutation(
        AVERAGE,
        '"state_dict": average.model.state_dict(),',
        '"state_dict": model.state_dict(),',
        f"{TEST_AVERAGE} -k validation",
        "the best model has the raw weights",
    ),
    Mutation(
        AVERAGE,
        'state.get("raw_state_dict", state["state_dict"])',
        'state["state_dict"]',
        f"{TEST_AVERAGE} -k interrupted",
        "a training resumes from the average",
    ),
    Mutation(
        AVERAGE,
        "load_weights(average.model, state, path)",
        "pass",
        f"{TEST_AVERAGE} -k interrupted",
        "a resumed average starts with random weights",
    ),
    Mutation(
        AVERAGE,
        'average.num_updates = state.get("ema_updates", 0)',
        "pass",
        f"{TEST_AVERAGE} -k interrupted",
        "a resumed average counts from 0",
    ),
    Mutation(
        TRAINER,
        "evaluate(self.evaluated_model,",
        "evaluate(self.model,",
        f"{TEST_AVERAGE} -k validation",
        "the raw weights are validated",
    ),
    Mutation(TRAINER, "average=self.average,", "", f"{TEST_AVERAGE} -k checkpoint_without", "nothing is averaged"),
    Mutation(
        CHECKPOINT,
        '_check_weights(path, state, "raw_state_dict")',
        "pass",
        TEST_CHECKPOINT,
        "raw weights may be anything",
    ),
    Mutation(CHECKPOINT, "type(updates) is not int or updates < 0", "False", TEST_CHECKPOINT, "a count may be anything"),
    Mutation(
        CHECKPOINT,
        'if "raw_state_dict" in state or "ema_updates" in state:',
        'if "raw_state_dict" in state:',
        TEST_CHECKPOINT,
        "a count without weights is ignored",
    ),
    Mutation(
        VALIDATION,
        'if args.get("word_dropout") and args.get("text_dropout"):',
        "if False:",
        "tests/base/test_validation.py",
        "of two ways to lose words, one is ignored",
    ),
]
