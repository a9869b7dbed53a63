"""The command that an extraction prints at its end."""

from pathlib import Path

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
    assert "hardly trained" not in out  # all experts have few videos


def test_experts_of_few_training_videos_are_told(extract, monkeypatch):
    monkeypatch.setattr("data_loader.experts.RARE", 4)
    for i in range(6):
        film(f"{i}.mkv", i)
    captions([str(i) for i in range(6)])
    Path("splits").mkdir()
    for split, videos in {"train": "0123", "val": "4", "test": "5"}.items():
        Path(f"splits/{split}_list.txt").write_text("\n".join(videos))
    out, _ = extract("--captions", "captions.json", "--splits", "splits")
    assert "fewer than 4 training videos have reader (2), whose weights" in out  # another one is for testing
