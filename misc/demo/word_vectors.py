"""Word vectors from the texts of the training videos: which words occur with the same video."""

from collections.abc import Iterable

import numpy as np


def word_vectors(texts: Iterable[list[str]], dim: int) -> dict[str, np.ndarray]:
    """Word -> vector (dim,) of length 1, by singular value decomposition of positive pointwise mutual information.

    A word that is in every text tells nothing; its vector is zero.
    Two words are alike if they occur in the same texts (Levy, Goldberg: Neural Word Embedding as Implicit Matrix
    Factorization, 2014, with the whole text as the window).

    Args:
        texts: the words of a text each; all that was said of a video is one text.
        dim: at most the number of words.
    """
    texts = [set(text) for text in texts]
    index = {word: i for i, word in enumerate(sorted(set().union(*texts)))}
    occurs = np.zeros((len(texts), len(index)))
    for row, text in enumerate(texts):
        occurs[row, [index[word] for word in text]] = 1
    together = occurs.T @ occurs  # texts in which both words occur
    alone = occurs.sum(axis=0)
    information = np.log(np.maximum(together, 1e-12) * len(texts) / np.outer(alone, alone)).clip(min=0)
    left, values, _ = np.linalg.svd(information)
    vectors = left[:, :dim] * np.sqrt(values[:dim])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True).clip(min=1e-6)
    return {word: vectors[i] for word, i in index.items()}
