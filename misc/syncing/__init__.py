"""The published archives of features, for `misc/sync_experts.py` and the pages of datasets."""
