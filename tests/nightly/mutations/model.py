"""Mutations of model/."""

from helpers.mutate import Mutation

METRIC, LOSS, SIMILARITY = "model/metric.py", "model/loss.py", "model/similarity.py"
NET_VLAD, GATES, MODEL, INPUTS = "model/net_vlad.py", "model/gates.py", "model/model.py", "model/inputs.py"
TEST_METRIC = "tests/model/test_metric.py tests/model/test_metric_properties.py"
TEST_LOSS = "tests/model/test_loss.py"
TEST_SIMILARITY, TEST_NET_VLAD = "tests/model/test_similarity.py", "tests/model/test_net_vlad.py"
TEST_GATES, TEST_MODEL, TEST_INPUTS = "tests/model/test_gates.py", "tests/model/test_model.py", "tests/model/test_inputs.py"
REASONING, PUBLISHED = "model/reasoning.py", "model/published.py"
CORRECTED, TEST_PUBLISHED = "tests/model/test_model_corrected.py", "tests/model/test_published.py"
TEST_REASONING = "tests/model/test_reasoning.py"

MUTATIONS = [
    Mutation(METRIC, "higher = (block > truth)", "higher = (block >= truth)", TEST_METRIC, "ties count as higher"),
    Mutation(METRIC, "higher + (tied - 1) / 2\n    return ranks", "higher\n    return ranks", TEST_METRIC, "a tie is a hit"),
    Mutation(METRIC, "return ranks[exists]", "return ranks", TEST_METRIC, "captions that do not exist are queries"),
    Mutation(METRIC, "np.where(exists, truth, -np.inf)", "truth", TEST_METRIC, "a masked caption may be the best one"),
    Mutation(METRIC, "((block > best) & candidate)", "(block > best)", TEST_METRIC, "masked captions rank higher"),
    Mutation(METRIC, "((block == best) & candidate)", "(block == best)", TEST_METRIC, "masked captions are tied"),
    Mutation(METRIC, "(tied - tied_own) / (tied_own + 1)", "(tied - tied_own) / 2", TEST_METRIC, "own ties are ignored"),
    Mutation(METRIC, "ranks <= 0 if k == 1 else ranks < k", "ranks < k", TEST_METRIC, "a tie for first is a hit at 1"),
    Mutation(METRIC, 'recall["R5"] * recall["R10"]', 'recall["R5"] * recall["R50"]', TEST_METRIC, "geometric mean of R50"),
    Mutation(METRIC, '"MedR": float(np.median(ranks)) + 1', '"MedR": float(np.median(ranks))', TEST_METRIC, "MedR from 0"),
    Mutation(METRIC, "NotFiniteError(start + int(", "NotFiniteError(int(", TEST_METRIC, "row of NaN within its block"),
    Mutation(METRIC, "[block.min(), block.max()]", "[block.max()]", TEST_METRIC, "-inf is ranked"),
    Mutation(METRIC, " or sims.shape[0] % sims.shape[1]", "", TEST_METRIC, "any number of rows is ranked"),
    Mutation(
        METRIC, "rows // num_captions]", "rows % block.shape[1]]", TEST_METRIC, "captions of a video are not contiguous"
    ),
    Mutation(METRIC, "best = truth.max(axis=1)", "best = truth[:, 0]", TEST_METRIC, "only the first caption of a video"),
    Mutation(
        METRIC, "if not masks.any(axis=1).all()", "if not masks.any()", TEST_METRIC, "a video without captions is ranked"
    ),
    Mutation(LOSS, "sims - match[None]", "sims - match[:, None]", TEST_LOSS, "one direction twice"),
    Mutation(LOSS, "hinge.fill_diagonal_(0)", "hinge", TEST_LOSS, "matching pairs count"),
    Mutation(LOSS, "hinge.fill_diagonal_(0), n * (n - 1)", "hinge.fill_diagonal_(0), n * n", TEST_LOSS, "too many terms"),
    Mutation(LOSS, "sims.shape[0] < 2", "sims.shape[0] < 1", TEST_LOSS, "a single pair is ranked"),
    Mutation(SIMILARITY, "x * video.available[:, i : i + 1]", "x", TEST_SIMILARITY, "missing experts count"),
    Mutation(
        SIMILARITY,
        "scale = text.weights @ video.available.T",
        "scale = text.weights @ torch.ones_like(video.available.T)",
        TEST_SIMILARITY,
        "weights are not renormalized over the experts of a video",
    ),
    Mutation(SIMILARITY, "dim=1) * text.weights.square()", "dim=1) * text.weights", TEST_SIMILARITY, "length of text"),
    Mutation(SIMILARITY, "scale.sqrt() if l2renorm else scale", "scale", TEST_SIMILARITY, "divides by squared lengths"),
    Mutation(SIMILARITY, "torch.where(x > 0, x, 1)", "x", TEST_SIMILARITY, "a video without an expert scores NaN"),
    Mutation(
        SIMILARITY, ".all(dim=1) & available.bool()", ".all(dim=1)", TEST_SIMILARITY, "NaN of a missing expert is blamed"
    ),
    Mutation(SIMILARITY, "bad.nonzero()[0]", "bad.nonzero()[-1]", TEST_SIMILARITY, "the last video with NaN is named"),
    Mutation(SIMILARITY, 'else ["the text"]', "else []", TEST_SIMILARITY, "NaN of the text is not named"),
    Mutation(
        SIMILARITY, "repeat_interleave(num_captions, dim=0)", "repeat(num_captions, 1)", TEST_MODEL, "2019: other videos"
    ),
    Mutation(
        NET_VLAD,
        "if mask is not None:\n            assignment",
        "if mask is not None and not self.training:\n            assignment",
        TEST_NET_VLAD,
        "padding is pooled in training",
    ),
    Mutation(NET_VLAD, "valid is None or not self.training", "True", TEST_NET_VLAD, "padding enters the statistics"),
    Mutation(NET_VLAD, "enough = count > 1", "enough = count > 0", TEST_NET_VLAD, "statistics of one token"),
    Mutation(NET_VLAD, "running_var.lerp_(unbiased", "running_var.lerp_(var", TEST_NET_VLAD, "running variance is biased"),
    Mutation(
        NET_VLAD, "num_batches_tracked += enough", "num_batches_tracked += 1", TEST_NET_VLAD, "empty batches are counted"
    ),
    Mutation(NET_VLAD, "to_unit / whole.clamp_min(EPS)", "to_unit", TEST_NET_VLAD, "the whole is not normalized"),
    Mutation(NET_VLAD, "value=-1", "value=1", TEST_NET_VLAD, "centers are added"),
    Mutation(
        NET_VLAD, "(residual * _scales(residual)).view", "(residual * _scales(residual)).mT.reshape", TEST_NET_VLAD, "order"
    ),
    Mutation(GATES, " - (0 if includes_self else torch.eye(num_experts))", "", TEST_GATES, "an expert sees itself"),
    Mutation(GATES, "if self.selects_partners:", "if False:", CORRECTED, "pairs that do not exist enter running statistics"),
    Mutation(NET_VLAD, "[:, : self.cluster_size]", "[:, -self.cluster_size :]", TEST_NET_VLAD, "ghosts are kept"),
    Mutation(
        REASONING, "torch.arange(pairs - 1, -1, -1", "torch.arange(0, pairs", TEST_REASONING, "order of running statistics"
    ),
    Mutation(
        REASONING, "num_batches_tracked += pairs", "num_batches_tracked += 1", TEST_REASONING, "batches are counted once"
    ),
    Mutation(REASONING, "nn.Mish() if self.use_mish else nn.ReLU()", "nn.Mish()", CORRECTED, "use_mish is ignored"),
    Mutation(MODEL, "embeddings = [len(embeddings) * x for x in embeddings]", "pass", CORRECTED, "a mean of all experts"),
    Mutation(
        MODEL, "if num_clusters else MeanPooling()", "if True else MeanPooling()", CORRECTED, "clusters of averaged text"
    ),
    Mutation(
        MODEL, "(0, self.concat_dim - x[0].shape[1])", "(self.concat_dim - x[0].shape[1], 0)", CORRECTED, "side of padding"
    ),
    Mutation(PUBLISHED, " or re.match(UNUSED_EARLY, name)", "", TEST_PUBLISHED, "weights of early corrected versions"),
    Mutation(PUBLISHED, "layer < len(gating.g_hidden)", "layer <= len(gating.g_hidden)", CORRECTED, "the last layer of g"),
    Mutation(LOSS, "F.huber_loss(sims", "F.mse_loss(sims", TEST_LOSS, "squares instead of Huber"),
    Mutation(
        GATES, "available[:, :, None] * available[:, None]", "available[:, None]", TEST_GATES, "missing experts are gated"
    ),
    Mutation(GATES, "weights.sum(dim=2, keepdim=True) * self.g2.bias", "self.g2.bias", TEST_GATES, "bias without a pair"),
    Mutation(
        GATES,
        "others = torch.cat([others[:, :i], other, others[:, i + 1 :]], dim=1)",
        "del other",
        TEST_GATES,
        "sequential gates see ungated predecessors",
    ),
    Mutation(
        GATES,
        "self.batch_norm_gate(gate) + self.batch_norm_self(self.fc(x))",
        "self.batch_norm_self(gate) + self.batch_norm_gate(self.fc(x))",
        TEST_GATES,
        "batch norms are swapped",
    ),
    Mutation(
        GATES,
        "F.normalize(x.unflatten(1, (num_experts, -1)), dim=2).flatten(1)",
        "F.normalize(x, dim=1)",
        "tests/model/test_per_expert.py",
        "experts are normalized together",
    ),
    Mutation(MODEL, "available.amax(dim=1, keepdim=True)", "available[:, :1]", TEST_MODEL, "Concat: only the first expert"),
    Mutation(MODEL, "x[i] for i in self.concat_order", "x[i] for i in range(len(x))", TEST_MODEL, "Concat by name"),
    Mutation(MODEL, "if self.keep_missing_modalities:", "if False:", TEST_MODEL, "keep_missing_modalities is ignored"),
    Mutation(
        MODEL, "frame_masks.get(name) if self.mask_padding", "frame_masks.get(name) if True", TEST_MODEL, "mask of frames"
    ),
    Mutation(MODEL, "if self.mask_padding and word_mask", "if word_mask", TEST_MODEL, "published models mask words"),
    Mutation(MODEL, "enabled=False) if", "enabled=torch.is_autocast_enabled(device)) if", TEST_MODEL, "scores in bfloat16"),
    Mutation(
        MODEL, "video.available[first_video:][:n]", "video.available[:n]", TEST_MODEL, "2019 score of the first videos"
    ),
    Mutation(MODEL, ".softmax(dim=1)  # w", ".softmax(dim=0)  # w", TEST_MODEL, "weights depend on other captions"),
    Mutation(
        MODEL,
        "caption_mask = None if word_mask is None else word_mask.any(dim=-1)",
        "caption_mask = None",
        TEST_MODEL,
        "captions that do not exist are averaged",
    ),
    Mutation(
        MODEL, ".sum(dim=1, keepdim=True).clamp(min=1)", ".sum(dim=1, keepdim=True)", TEST_MODEL, "NaN without captions"
    ),
    Mutation(MODEL, "reduce(p) for reduce, p", "p for reduce, p", TEST_MODEL, "experts are not projected"),
    Mutation(
        INPUTS, "x = torch.where(available.view(-1, *[1] * (x.ndim - 1)), x, 0)", "", TEST_MODEL, "NaN of missing experts"
    ),
    Mutation(INPUTS, ".any(dim=1) & available", ".any(dim=1)", TEST_MODEL, "missing experts may not be NaN"),
    Mutation(INPUTS, "if self.check_nan:", "if False:", TEST_MODEL, "NaN is not looked for"),
    Mutation(INPUTS, "bad.int().argmax()", "bad.int().argmin()", TEST_MODEL, "NaN of another item"),
    Mutation(INPUTS, "zlib.crc32(name.encode())", "0", TEST_INPUTS, "experts share their noise"),
    Mutation(INPUTS, "torch.randn_like(x) if self.training else", "", TEST_INPUTS, "noise is constant in training"),
    Mutation(INPUTS, "if x.device.type == ", "if x.device.type != ", TEST_INPUTS, "NaN is reported late"),
    Mutation(
        INPUTS,
        "items, self._nan_items = self._nan_items, {}",
        "items = self._nan_items",
        TEST_MODEL,
        "NaN is reported again",
    ),
    Mutation(
        INPUTS,
        "if earlier is None else torch.where(earlier < 0, item, earlier)",
        "",
        TEST_INPUTS,
        "NaN of a batch is forgotten at the next",
    ),
    Mutation(
        "model/variants.py",
        '("face", "flow", "scene", "audio",',
        '("flow", "face", "scene", "audio",',
        "tests/model",
        "Concat joins experts in another order than published",
    ),
    Mutation("model/variants.py", "if dim % vlad_clusters", "if dim < vlad_clusters", TEST_MODEL, "clusters cut the tokens"),
    Mutation("model/variants.py", "if unknown := sorted", "if unknown := [] and sorted", TEST_MODEL, "noise for no expert"),
    Mutation(
        "model/published.py",
        '(r"ce\\.g_reason_([12])\\.", r"collaborative_gating.g\\1.")',
        '(r"ce\\.g_reason_([12])\\.", r"collaborative_gating.h\\1.")',
        TEST_MODEL,
        "published weights of g become those of h",
    ),
    Mutation(
        "model/published.py",
        "if shapes[0] != shapes[1]:",
        'if "nothing" in shapes:',
        "tests/base/test_checkpoint.py -k another_model",
        "weights of another shape are not named",
    ),
    Mutation(
        "model/published.py",
        "if value.shape != expected[name].shape:",
        "if False:",
        "tests/model/test_published.py",
        "published weights of another shape are not named",
    ),
    Mutation(
        "model/per_expert.py",
        'state[f"{prefix}{i}.{key',
        'state[f"{prefix}{module.num_experts - 1 - i}.{key',
        "tests/model/test_per_expert.py",
        "experts are saved in the reverse order",
    ),
    Mutation(
        "model/earlier.py",
        "[part.view(d, d) for",
        "[part.view(d, d).T for",
        "tests/model/test_earlier.py",
        "the state of an optimizer is transposed",
    ),
    Mutation(
        "model/earlier.py",
        "x.T.split(dims)",
        "x.T.split(dims[::-1])[::-1]",
        "tests/model/test_earlier.py",
        "the state of an optimizer is that of other experts",
    ),
]
