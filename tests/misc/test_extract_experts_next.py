"""The command that an extraction prints at its end."""

from helpers.extraction import captions, film


def last_line(out):
    return out.splitlines()[-1]


def test_without_captions_it_is_the_search(extract):
    film("a.mkv")
    assert last_line(extract()[0]) == "next: python misc/search.py 'what you look for' --name Mine"
    out, _ = extract("--data_dir", "else where")
    assert last_line(out) == "next: python misc/search.py 'what you look for' --name Mine --data_dir 'else where'"


def test_with_captions_it_is_the_training(extract):
    videos = [film(f"{i}.mkv", i).stem for i in range(6)]
    captions(videos)
    out, _ = extract("--captions", "captions.json", "--split", "60/20/20")
    assert last_line(out) == "next: python train.py --config configs/Mine/train-full-ce.json"
