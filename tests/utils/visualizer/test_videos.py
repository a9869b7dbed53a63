"""Video files are found by the ids of videos."""

from utils.visualizer.videos import find_videos


def test_clips_are_found_by_path_name_or_stem(tmp_path):
    folder = tmp_path / "clips"
    for name in ("a.mp4", "a.avi", "sub/a.webm", "sub/b.MOV", "c.txt", "sub/deep/c.v1.mkv"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (tmp_path / "outside.webm").touch()
    videos = find_videos(folder)
    assert videos["a"] == "videos/a.mp4"  # the whole path; else .webm would be better
    assert videos["a.avi"] == "videos/a.avi" and videos["sub/a"] == "videos/sub/a.webm"
    assert videos["b"] == videos["sub/b"] == videos["b.MOV"] == "videos/sub/b.MOV"
    assert videos["c.v1"] == "videos/sub/deep/c.v1.mkv"
    assert "c" not in videos and "../outside" not in videos and "" not in videos
