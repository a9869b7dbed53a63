"""Experts: one module per extractor, which describes a decoded video (`misc.video_reading.media.Media`) by feature vectors.

extractor.py                       the interface, the registry `EXTRACTORS`, and `build_extractor`
audio.py  speech.py                what is heard: mel bands; spoken words
rgb.py  scene.py  face.py  ocr.py  what is seen: objects, places, faces, written words
flow.py                            what moves: optical flow
pretrained/                        models by name from timm, open_clip, Transformers and Whisper
frame_extractor.py                 the base class of networks that describe single frames
text_encoders.py                   word vectors of captions, queries and recognized words
"""
