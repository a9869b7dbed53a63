"""Recognition of text in images."""

import numpy as np
from helpers.decoded_media import silent_media, smooth_noise, text_image


def test_each_word_is_read_once_in_its_order(extractor, context):
    frames = [*[text_image("Summer SALE")] * 3, *[text_image("summer sale", "OPEN DAILY")] * 3, *[text_image("THE END")] * 3]
    found = extractor("ocr")(silent_media(*frames))
    assert found.words == ["Summer", "SALE", "OPEN", "DAILY", "THE", "END"]
    np.testing.assert_allclose(found.features, context.text_encoder(["Summer SALE OPEN DAILY THE END"])[0], atol=1e-5)
    # The frames 1, 4 and 7 of 8 per second are read.
    assert found.times == [*[(0.12, 0.5)] * 2, *[(0.5, 0.5)] * 2, *[(0.88, 0.88)] * 2]


def test_images_without_text_give_no_output(extractor):
    assert extractor("ocr")(silent_media(*[np.full((160, 240, 3), 200)] * 2)) is None
    assert extractor("ocr")(silent_media(smooth_noise(0, smooth=6), smooth_noise(1, smooth=1))) is None
