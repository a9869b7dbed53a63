"""Mutations of misc/searching/channels/ and of the commands that use it."""

from helpers.mutate import Mutation

FOLDER, TESTS = "misc/searching/channels", "tests/misc/searching/channels"
WORDS, CONCEPTS = f"{FOLDER}/words.py", f"{FOLDER}/concepts.py"
TOKENS, FUSED = f"{FOLDER}/tokens.py", f"{FOLDER}/fused_searcher.py"

MUTATIONS = [
    Mutation(
        f"{FOLDER}/fusion.py",
        "weights[name] / (RANK_CONSTANT + rank)",
        "1 / (RANK_CONSTANT + rank)",
        f"{TESTS}/test_fusion.py",
        "all channels have the same weight",
    ),
    Mutation(
        f"{FOLDER}/fusion.py",
        "(-scores[video], best[video], order[video])",
        "(-scores[video], order[video])",
        f"{TESTS}/test_fusion.py -k ties",
        "of equal scores, that of the first channel is first, whatever its rank",
    ),
    Mutation(
        WORDS,
        "{hit.id for hit in hits}",
        "set()",
        f"{TESTS}/test_words.py -k similar",
        "videos with words of the query are found twice",
    ),
    Mutation(
        WORDS,
        "if len(hits) < min(k, FEW) and",
        "if",
        f"{TESTS}/test_words.py -k similar",
        "similar words are searched however many videos have the words",
    ),
    Mutation(
        WORDS,
        "if distance and x[0] == word[0]]",
        "if distance]",
        f"{TESTS}/test_words.py -k typos",
        "words that begin with another letter are similar",
    ),
    Mutation(
        WORDS,
        '"ORDER BY score, rowid LIMIT :k) AS best',
        '"ORDER BY score, rowid DESC LIMIT :k) AS best',
        f"{TESTS}/test_words.py -k equal_scores",
        "of videos with equal scores, the last ones are found",
    ),
    Mutation(
        WORDS,
        "self._fields, collection.text_digest()]",
        "self._fields]",
        f"{TESTS}/test_words.py -k until_the_collection_changes",
        "an index of words is kept although the words have changed",
    ),
    Mutation(
        WORDS,
        "*([CAPTIONS] if captions else []),",
        "CAPTIONS,",
        f"{TESTS}/test_words.py -k left_out",
        "captions are searched in an evaluation with captions as queries",
    ),
    Mutation(
        WORDS,
        "                if is_marked or BEGIN in line:",
        "                if BEGIN in line:",
        f"{TESTS}/test_words.py -k which_words",
        "the positions of a phrase are those of its first word only",
    ),
    Mutation(
        TOKENS,
        " or terms",
        "",
        f"{TESTS}/test_tokens.py -k common",
        "a query of common words only finds nothing",
    ),
    Mutation(
        TOKENS,
        "yield Term((word, words[i + 1]))",
        "yield Term((word,))",
        f"{TESTS}/test_tokens.py -k neighboring",
        "characters of unspaced scripts are searched one by one",
    ),
    Mutation(
        TOKENS,
        'unicodedata.normalize("NFKC", text)',
        "text",
        f"{TESTS}/test_tokens.py -k words_of_texts",
        "characters of other widths are other words",
    ),
    Mutation(
        CONCEPTS,
        "np.where(cosines >= MIN_COSINE, np.exp",
        "np.where(cosines >= -1, np.exp",
        f"{TESTS}/test_concepts.py -k far",
        "every query has concepts",
    ),
    Mutation(
        CONCEPTS,
        ".max(axis=0)  # (C,)",
        ".mean(axis=0)  # (C,)",
        f"{TESTS}/test_concepts.py -k plain_loop",
        "probabilities are averaged over frames",
    ),
    Mutation(
        CONCEPTS,
        "best = best[highest[best] >= MIN_PROBABILITY]",
        "best = best[highest[best] >= 0]",
        f"{TESTS}/test_concepts.py -k kept",
        "improbable concepts are kept",
    ),
    Mutation(
        CONCEPTS,
        "if video in known and known[video][0] == versions(video)}",
        "if video in known}",
        f"{TESTS}/test_concepts.py -k changed",
        "concepts of changed videos are not computed again",
    ),
    Mutation(
        CONCEPTS,
        "    if found != EXTRACTOR:",
        "    if not found:",
        f"{TESTS}/test_concepts.py -k refused",
        "features of other networks are classified",
    ),
    Mutation(
        FUSED,
        "depth, absent, weights = max(k, DEPTH)",
        "depth, absent, weights = k",
        f"{TESTS}/test_fused_searcher.py -k fewer",
        "the first results depend on their number",
    ),
    Mutation(
        FUSED,
        " for hit in result.hits if hit.id in self]",
        " for hit in result.hits]",
        f"{TESTS}/test_fused_searcher.py -k adds_its_ranking",
        "videos that are no longer in the collection are found",
    ),
    Mutation(
        "misc/evaluate_search.py",
        "(len(ids) + 1, candidates - len(ids))",
        "(len(ids) + 1, 1)",
        "tests/misc/test_evaluate_search.py -k tied_at_the_end",
        "a video that is not found counts as the first of those",
    ),
    Mutation(
        "misc/evaluate_search.py",
        "captions=False, names",
        "names",
        "tests/misc/test_evaluate_search.py -k captions_are_queries",
        "the captions that are queries are searched",
    ),
    Mutation(
        "misc/extractors/text_encoders.py",
        "mean = x[mask].mean(axis=0)",
        "mean = x.mean(axis=0)",
        "tests/misc/extractors/test_text_encoders.py -k card",
        "padding counts in the mean of sentence embeddings",
    ),
]
