"""Reading of video files: frames at a chosen rate and mono sound, in bounded memory.

`reader.read_video` returns `media.Media`, or raises `media.VideoError`. It takes these steps:

1. `formats` checks the container and the suffix, and `tracks` chooses the picture track and the sound tracks.
2. A first pass reads all packets (`packets`) without decoding. `timeline` measures when each packet is presented, on a clock
   that continues where that of the file is reset, and `holes` finds stretches of time without packets.
3. A second pass decodes the packets. `frames` keeps frames at evenly spaced times, `picture` converts them to RGB as
   players show them, and `sound` resamples the sound and mixes it to mono.
"""
