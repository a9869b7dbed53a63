"""The extraction of experts from a folder of videos, which `misc/extract_experts.py` runs.

settings.py         the config: which frames, how much sound, which experts, which text encoder
video_folder.py     the videos of a folder by id, and what is still to be extracted of each
engines.py          many videos at once, in processes of this machine or on Ray,
worker.py           each of which decodes a video (`misc/video_reading/`) and runs all experts (`misc/extractors/`)
shards.py           the results of one video in one file, so that an extraction can be resumed
run.py              the loop over videos, from tasks to shards
caption_files.py    captions and splits that the user provides
archive_writer.py   the feature archive for training and search
training_config.py  the config to train on it
"""
