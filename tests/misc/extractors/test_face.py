"""Detection, cropping and description of faces."""

import numpy as np
from helpers.decoded_media import silent_media, smooth_noise, text_image


def test_no_faces_in_noise_text_and_plain_images(extractor):
    frames = [
        smooth_noise(0, smooth=6),
        smooth_noise(1, smooth=1),
        np.full((96, 128, 3), 120),
        text_image("NO FACE", height=96, width=128),
    ]
    assert extractor("face")(silent_media(*frames)) is None


def test_crops_of_faces_are_described_as_by_rgb(extractor, monkeypatch):
    """Crops have a margin; uncertain detections and those outside of the frame are left out."""
    face, frame = extractor("face"), smooth_noise(0, 120, 160)
    boxes = np.array([[50.0, 40, 70, 60], [-10, -10, 20, 20], [100, 100, 110, 110], [300, 300, 320, 320]])
    sureties = [0.99, 0.96, 0.5, 0.99]
    monkeypatch.setattr(face._detector, "detect", lambda image: (boxes, sureties))
    found = face(silent_media(frame)).features
    crops = [frame[34:66, 44:76], frame[0:29, 0:29]]
    expected = np.concatenate([extractor("rgb")(silent_media(crop)).features for crop in crops])
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert len(face(silent_media(*[frame] * 20)).features) == 12  # two of each of six frames
    monkeypatch.setattr(face, "_max_faces", 5)
    assert len(face(silent_media(*[frame] * 20)).features) == 5
