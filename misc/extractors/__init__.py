"""Experts: one module per extractor, which describes a decoded video (`misc.video_reading.media.Media`) by feature vectors.

`extractor` has the interface and the registry, `pretrained/` the models that are chosen by name, `frame_extractor` the base
class of networks for single frames, and `text_encoders` the word vectors of captions, queries and recognized words.
"""
