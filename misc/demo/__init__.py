"""The Demo dataset, from the attributes of each clip (`clips.py`) to its file, its features and its captions."""
