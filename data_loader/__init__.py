"""From feature files to padded batches.

The entry point is `trainer.build.build_loaders`, which passes the config to `data_loaders.py`. In the order of calls:

1. `data_loaders.py`: an `ExpertDataLoader` has a `torch.utils.data.DataLoader` for training and one for evaluation.
2. `dataset.py`: an `ExpertDataset` returns one video with its experts and captions; `Collate` pads videos to a batch, in
   memory that the main process shares (`workers.py`). The trainer moves it to the GPU.
3. `archive.py`: an `Archive` finds the files of a dataset, as `datasets/<name>.py` declares them, and the missing experts.
4. `store.py`: a `FeatureTable` maps the cache of a file; `Features` and `Captions` read the rows of a video from it.
5. `conversion.py`: on first use of a file, each of its items is checked and written to the cache.
6. `readers/`: one module per file format yields the items of a file, and refuses what could do harm.

"Captions" are word vectors (words, text_dim), "raw captions" the same as strings. `text` in a batch is padded captions,
`text_feat` the name of the word vectors; text embeddings (`model.similarity`) are what the model makes of captions.

`experts.py` has the published experts, and merges them with the experts that a config declares.
"""
