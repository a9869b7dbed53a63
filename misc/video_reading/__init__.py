"""Reading of video files: frames at a chosen rate and mono sound, in bounded memory.

The way from a file to `Media`, each step in its own module:

    reader.read_video(path, sampling)
      1. formats.py     Is the container one that is read, and what its suffix says?
         tracks.py      Which picture track and which sound tracks are decoded?
      2. timeline.py    First pass over all packets, without decoding: when is each packet presented? Clocks that are reset
                        are continued. How long is the film, and how far apart are its pictures?
         holes.py       Which stretches of time have no packets, and is that damage?
      3. tracks.py      Second pass: packets are decoded; those that cannot be are skipped and counted.
         frames.py      Frames at evenly spaced times are kept (`FrameSampler`),
         picture.py     as RGB pictures in the orientation, shape and colors that players show (`PictureConverter`).
         sound.py       Sound is resampled and mixed to mono (`SoundReader`).
      4. media.py       The result, or the error of a file that cannot be used: `Media`, `VideoError`.
"""
