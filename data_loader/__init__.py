"""From feature files to padded batches.

A file becomes a batch in six steps:

1. `readers/`: one module per file format yields the items of a file, and refuses what could do harm.
2. `conversion.py`: each item is checked and written to a cache file, once.
3. `store.py`: a `FeatureTable` maps the cache file; `Features` and `Captions` read the rows of a video from it.
4. `archive.py`: an `Archive` finds the files of a dataset, as `datasets/<name>.py` declares them, and the missing experts.
5. `dataset.py`: an `ExpertDataset` returns one video with its experts and captions; `Collate` pads videos to a batch.
6. `data_loaders.py`: an `ExpertDataLoader` has a `torch.utils.data.DataLoader` for training and one for evaluation.

`experts.py` says what is known of each expert, and `workers.py` prepares the worker processes of a `DataLoader`.
"""
