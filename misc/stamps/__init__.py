"""The stamps of Tux Paint as short clips with captions, which `misc/make_stamps.py` makes from their Debian package.

`package` reads the files of the package, `items` finds the stamps in them, `pictures` draws a stamp on white, `clips` writes
its clip, and `families` splits stamps so that none in the validation or test split has a twin.
"""
