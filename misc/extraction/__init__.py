"""The extraction of experts from a folder of videos, which `misc/extract_experts.py` runs.

The steps of an extraction: `video_folder` lists the videos, an engine (`engines`) distributes them to workers, which
(`worker`) decode each video and run the extractors, and `shards` stores the output per video. Then `archive_writer` writes
the feature archive from the shards and the captions (`caption_files`), and `training_config` a config to train on it.
"""
