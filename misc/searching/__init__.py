"""Search a collection by recognized words, by concepts, and by the scores of a trained model.

`opening` opens the channels that a collection has; `channels` ranks and fuses them. A query to the trained model takes these
steps:

1. `opening` opens the checkpoint, the collection and its index, which `building` makes if it does not exist.
2. `searcher` encodes the words with the text encoder of the collection, and `embedding` embeds them with the model.
3. `index.patterns` turns the score into an inner product, for each set of experts that some videos have.
4. `index.vector_store` collects the best videos of each set from FAISS or Milvus, and `index.patterns` merges them.
5. `result` formats them as lines, JSON or a page; `serving` shows them in a browser.
"""
