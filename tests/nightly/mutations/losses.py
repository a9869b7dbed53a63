"""Mutations of losses with parameters, of duplicates, and of trainings that start from another model."""

from helpers.mutate import Mutation

LOSS, TRANSFER, DUPLICATES = "model/loss.py", "model/transfer.py", "data_loader/duplicates.py"
TRAINER, CALL, BUILD = "trainer/trainer.py", "trainer/losses.py", "trainer/build.py"
PARALLEL, INIT_FROM = "trainer/data_parallel.py", "trainer/init_from.py"
TEST = "tests/model/test_loss.py tests/model/test_loss_properties.py"
TEST_TRAINER, TEST_INIT, TEST_TRANSFER = (
    "tests/trainer/test_losses.py", "tests/trainer/test_init_from.py", "tests/model/test_transfer.py",
)  # fmt: skip
TEST_BUILD = "tests/trainer/test_build.py"
TEST_DUPLICATES, TEST_PARALLEL = "tests/data_loader/test_duplicates.py", "tests/nightly/test_data_parallel.py"

MUTATIONS = [
    Mutation(LOSS, "amax(dim=0)", "amax(dim=1)", TEST, "the hardest text of a video is one of another video"),
    Mutation(LOSS, "ignored = ignored | duplicates", "pass", TEST, "a duplicate is the hardest negative"),
    Mutation(LOSS, "return hardest.sum() / (2 * n)", "return hardest.sum() / n", TEST, "twice the mean"),
    Mutation(LOSS, "(count - ignored.sum())", "(count - 0 * ignored.sum())", TEST, "terms that are left out are counted"),
    Mutation(LOSS, ".clamp(min=1)", "", TEST, "a batch without negatives has a loss of NaN"),
    Mutation(
        LOSS, "logits.masked_fill(_without_diagonal(duplicates)", "logits.masked_fill(duplicates", TEST, "no matching pair"
    ),
    Mutation(LOSS, "F.cross_entropy(logits.T, target)", "F.cross_entropy(logits, target)", TEST, "one direction twice"),
    Mutation(LOSS, "torch.tensor(-math.log(temperature))", "torch.tensor(math.log(temperature))", TEST, "t for 1 / t"),
    Mutation(LOSS, "-math.log(MIN_TEMPERATURE))", "100.0)", TEST, "the temperature has no lower bound"),
    Mutation(LOSS, "min(max(temperature, MIN_TEMPERATURE)", "min(temperature", TEST, "the logged value is not that used"),
    Mutation(LOSS, "persistent=False", "persistent=True", TEST, "a fixed temperature is saved"),
    Mutation(DUPLICATES, " if text else ", " if False else ", TEST_DUPLICATES, "texts are not compared"),
    Mutation(DUPLICATES, "words[mask]", "words", TEST_DUPLICATES, "padding makes captions differ"),
    Mutation(CALL, "(labels[:, None] == labels)", "(labels[:, None] != labels)", TEST_TRAINER, "the mask is inverted"),
    Mutation(
        CALL,
        'if not getattr(loss_function, "exclude_duplicates", False):',
        'if not hasattr(loss_function, "exclude_duplicates"):',
        TEST_TRAINER,
        "duplicates are left out by default",
    ),
    Mutation(BUILD, '{"params": of_loss, "weight_decay": 0.0}', '{"params": of_loss}', TEST_BUILD, "decay"),
    Mutation(
        TRAINER, '**({"loss_state_dict": loss_state} if loss_state else {}),', "", TEST_TRAINER, "the loss is not saved"
    ),
    Mutation(
        TRAINER,
        '**({"loss_state_dict": loss_state} if loss_state else {}),',
        '"loss_state_dict": loss_state,',
        TEST_TRAINER,
        "checkpoints of losses without parameters change",
    ),
    Mutation(TRAINER, "self.loss_function.load_state_dict(loss_state)", "pass", TEST_TRAINER, "the loss is not resumed"),
    Mutation(TRAINER, '*(("loss",) if learns_loss else ())', "", TEST_TRAINER, "another loss takes the old optimizer"),
    Mutation(
        "trainer/training.py",
        "model.parameters(), loss_function.parameters())",
        "model.parameters())",
        TEST_TRAINER,
        "untrained",
    ),
    Mutation(PARALLEL, "return labels if get_world_size() == 1 else", "return labels if 1 else", TEST_PARALLEL, "a share"),
    Mutation(
        TRANSFER,
        "(experts if match[1] == POOLING else joined)[int(match[2])]",
        "match[2]",
        TEST_TRANSFER,
        "experts are matched by rank",
    ),
    Mutation(TRANSFER, "(experts if match[1] == POOLING else joined)", "experts", TEST_TRANSFER, "Concat is one expert"),
    Mutation(TRANSFER, "if _layer(name) in fitting:", "if _fits(own, found, name):", TEST_TRANSFER, "layers are torn"),
    Mutation(TRANSFER, "elif name.startswith(MIXTURE):", "elif False:", TEST_TRANSFER, "mixture weights by rank"),
    Mutation(INIT_FROM, "with torch.random.fork_rng(devices=[]):", "if True:", TEST_INIT, "other random numbers"),
    Mutation(INIT_FROM, "if not found.num_matrices:", "if not found.taken:", TEST_INIT, "biases are a start"),
    Mutation(
        "trainer/training.py",
        'if start is None and "init_from" in config:',
        'if "init_from" in config:',
        TEST_INIT,
        "reread",
    ),
    Mutation("train.py", "if args.resume not in (None, AUTO):", "if False:", TEST_INIT, "--resume and --init_from"),
    Mutation(
        "train.py",
        'if state and config.get("init_from") not in (None, state["config"].get("init_from")):',
        "if False:",
        TEST_INIT,
        "a key that has no effect",
    ),
]
