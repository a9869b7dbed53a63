"""Mutations of the search by an image-text model."""

from helpers.mutate import Mutation

MODELS, MODEL_TESTS = "misc/extractors/image_text.py", "tests/misc/extractors/test_image_text.py"
TRANSFORMERS = "misc/extractors/pretrained/transformers_models.py"
FILE, FILE_TESTS = "misc/extraction/zero_shot_file.py", "tests/misc/extraction/test_zero_shot_file.py"
CHANNEL, CHANNEL_TESTS = "misc/searching/channels/zero_shot.py", "tests/misc/searching/channels/test_zero_shot.py"
SEARCH_TESTS = "tests/misc/test_search_zero_shot.py"

MUTATIONS = [
    Mutation(
        MODELS,
        "F.normalize(torch.cat(batches), dim=-1)",
        "torch.cat(batches)",
        f"{MODEL_TESTS} -k scores",
        "zero-shot: embeddings of texts are not normalized",
    ),
    Mutation(
        MODELS,
        "output.features / np.maximum(lengths, 1e-12)",
        "output.features",
        f"{MODEL_TESTS} -k scores",
        "zero-shot: embeddings of frames are not normalized",
    ),
    Mutation(
        MODELS,
        "* cosine + bias.float()",
        "* cosine",
        f"{MODEL_TESTS} -k sigmoid",
        "zero-shot: the sigmoid has no bias",
    ),
    Mutation(
        MODELS,
        "self._model.logit_scale.float().exp()",
        "self._model.logit_scale.float()",
        f"{MODEL_TESTS} -k sigmoid",
        "zero-shot: the scale of the sigmoid is taken for its logarithm",
    ),
    Mutation(
        MODELS,
        "for start, end in output.spans]",
        "for start, end in output.spans * 0]",
        f"{MODEL_TESTS} -k times",
        "zero-shot: all frames have the time of the start",
    ),
    Mutation(
        MODELS,
        'b"".join(sorted(digests))',
        'b"".join(digests[:1])',
        f"{MODEL_TESTS} -k digest",
        "zero-shot: the digest is that of some weights",
    ),
    Mutation(
        MODELS,
        "and texts.shape[1] == images.shape[1] ",
        "",
        f"{MODEL_TESTS} -k dimension",
        "zero-shot: frames and texts may have different dimensions",
    ),
    Mutation(
        TRANSFORMERS,
        '{"padding": "max_length", "max_length": length, "return_attention_mask": False}',
        '{"padding": True, "max_length": length}',
        f"{MODEL_TESTS} -k forward",
        "zero-shot: SigLIP: texts are not padded to the full length, and are masked",
    ),
    Mutation(
        TRANSFORMERS,
        '"max_length": length, "return_attention_mask": False}',
        '"max_length": length}',
        f"{MODEL_TESTS} -k forward",
        "zero-shot: SigLIP: the padding of texts is masked",
    ),
    Mutation(
        TRANSFORMERS,
        "[text.lower() for text in texts]",
        "texts",
        f"{MODEL_TESTS} -k lower",
        "zero-shot: SigLIP: capitals are not converted to lower case",
    ),
    Mutation(
        TRANSFORMERS,
        "if not is_complete:",
        "if False:",
        f"{MODEL_TESTS} -k pooler",
        "zero-shot: an image-text model may have a random pooler",
    ),
    Mutation(
        FILE,
        "yield rows / np.maximum(lengths, 1e-12)[:, None]",
        "yield rows",
        f"{FILE_TESTS} -k cosines",
        "zero-shot: embedded frames: rounding changes their lengths",
    ),
    Mutation(
        FILE,
        "for rows in self._read_frames()])",
        "for rows in itertools.islice(self._read_frames(), 1)])",
        f"{FILE_TESTS} -k written",
        "zero-shot: embedded frames: nonsense is compared with the first part only",
    ),
    Mutation(
        FILE,
        "or {rows, *self.times.shape} != {self.starts[-1]}",
        "or False",
        f"{FILE_TESTS} -k damaged",
        "zero-shot: embedded frames: the numbers of frames are not checked",
    ),
    Mutation(
        CHANNEL,
        "np.maximum.reduceat(scores, self._file.starts[:-1])",
        "np.add.reduceat(scores, self._file.starts[:-1])",
        f"{CHANNEL_TESTS} -k loop",
        "zero-shot: the score is a sum over frames",
    ),
    Mutation(
        CHANNEL,
        "scores[part].argmax()",
        "scores[part].argmin()",
        f"{CHANNEL_TESTS} -k loop",
        "zero-shot: the evidence is the worst frame",
    ),
    Mutation(
        CHANNEL,
        "if model.sha256 != self._file.sha256:",
        "if False:",
        f"{CHANNEL_TESTS} -k weights",
        "zero-shot: a model with other weights is searched",
    ),
    Mutation(
        CHANNEL,
        "if self._file.videos[row] in self._collection)",
        ")",
        f"{CHANNEL_TESTS} -k collection",
        "zero-shot: videos that have gone are found",
    ),
    Mutation(
        CHANNEL,
        "hits[0].score >= self._calibration.threshold",
        "True",
        f"{CHANNEL_TESTS} -k doubted",
        "zero-shot: every query has a believable frame",
    ),
    Mutation(
        CHANNEL,
        "(times >= start) & (times < end)",
        "times >= start",
        f"{CHANNEL_TESTS} -k windows",
        "zero-shot: frames after a window count for it",
    ),
    Mutation(
        CHANNEL,
        "[] if self._model.reads_all(text) else",
        "[] if True else",
        f"{CHANNEL_TESTS} -k noted",
        "zero-shot: a cut query has no note",
    ),
    Mutation(
        MODELS,
        r'r"\w+\W*$"',
        r'r"\w*\W*$"',
        f"{MODEL_TESTS} -k cut",
        "zero-shot: an empty query is cut",
    ),
    Mutation(
        "misc/extraction/archive_writer.py",
        "if (moments := shard.moments.get(ZERO_SHOT)) is not None:",
        "if (moments := None) is not None:",
        f"{SEARCH_TESTS} -k moments",
        "zero-shot: a long video has as many frames as a short one",
    ),
    Mutation(
        "misc/extraction/settings.py",
        'self.zero_shot.model_dump(exclude={"model"})',
        'self.zero_shot.model_dump(exclude={"model", "sha256"})',
        "tests/misc/extraction/test_settings.py -k weights",
        "zero-shot: frames of other weights are kept",
    ),
    Mutation(
        "misc/extraction/worker.py",
        "for name in settings.experts}\n        sections",
        "for name in settings.outputs}\n        sections",
        f"{SEARCH_TESTS} -k exists",
        "zero-shot: a model is trained with the frames as an expert",
    ),
    Mutation(
        "misc/searching/opening.py",
        "if args.channels is None and absent.get(name, NO_FRAMES) != NO_FRAMES:",
        "if False:",
        f"{SEARCH_TESTS} -k told",
        "zero-shot: a channel without its model is left out silently",
    ),
]
