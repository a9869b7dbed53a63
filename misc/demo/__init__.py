"""The Demo dataset: short clips that are drawn, their captions, and features of seven experts.

clips.py            the attributes of each clip (`plan_clips`)
drawing.py          its frames, before a background of places.py
sounds.py           its sound; narration.py: its narrator
video_files.py      WebM files
experts.py          features of the decoded files
caption_grammar.py  captions; word_vectors.py: their word vectors
"""
