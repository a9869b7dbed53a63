"""Search a collection with the embeddings of a checkpoint, with the model's scores.

The way of a query, `misc/search.py "a red bird"`:

1. `commands` opens the checkpoint, the collection and its index (which `building` makes if there is none).
2. `searcher` encodes the words with the text encoder of the collection.
3. `embedding` embeds them with the model.
4. `patterns` turns the score into an inner product, for each set of experts that some videos have.
5. `vector_store` collects the best videos of each set from FAISS or Milvus and merges them.
6. `result` prints them or writes a page; `serving` shows them in a browser.
"""
