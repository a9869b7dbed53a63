"""Word vectors from the texts of the training videos."""

from collections.abc import Iterable

import numpy as np


def word_vectors(texts: Iterable[list[str]], dim: int) -> dict[str, np.ndarray]:
    """Return word -> vector (dim,) of length 1, by singular value decomposition of positive pointwise mutual information.

    Words are similar if they occur in the same texts (Levy, Goldberg: Neural Word Embedding as Implicit Matrix
    Factorization, 2014, with the whole text as the window). The vector of a word that is in every text is zero.

    Args:
        texts: for each video, the words of all its texts.
        dim: size of a vector, at most the number of different words.
    """
    texts = [set(text) for text in texts]
    index = {word: i for i, word in enumerate(sorted(set().union(*texts)))}
    occurs = np.zeros((len(texts), len(index)))
    for row, text in enumerate(texts):
        occurs[row, [index[word] for word in text]] = 1
    joint = occurs.T @ occurs  # number of texts with both words
    counts = occurs.sum(axis=0)
    information = np.log(np.maximum(joint, 1e-12) * len(texts) / np.outer(counts, counts)).clip(min=0)
    left, values, _ = np.linalg.svd(information)
    vectors = left[:, :dim] * np.sqrt(values[:dim])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-6)
    return {word: vectors[i] for word, i in index.items()}
