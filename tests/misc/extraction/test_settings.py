"""The config of an extraction: what features depend on, and what is refused."""

from pathlib import Path

import pytest

from misc.extraction.settings import Settings, ZeroShot

SETTINGS = Settings(experts={"rgb": {"extractor": "rgb"}, "ocr": {"extractor": "ocr"}})


@pytest.mark.parametrize(
    "change",
    [
        {"frames": {"rate": 9}},
        {"frames": {"side": 100}},
        {"frames": {"most": 5}},
        {"sound": {"most_seconds": 5}},
        {"text": "x"},
    ],
)
def test_a_recipe_has_everything_that_features_depend_on(change):
    other = Settings(**(SETTINGS.model_dump() | change))
    assert all(other.recipe(name) != SETTINGS.recipe(name) for name in SETTINGS.experts)


def test_defaults_that_are_written_out_do_not_change_a_recipe():
    """Otherwise all videos would be extracted again."""
    assert Settings(**SETTINGS.model_dump()).recipe("rgb") == SETTINGS.recipe("rgb")


def test_frames_of_an_image_text_model_depend_on_its_weights_but_not_on_their_place():
    def recipe(**options):
        settings = SETTINGS.model_copy(update={"zero_shot": ZeroShot(**{"model": "a", "sha256": "1"} | options)})
        assert settings.outputs == ("rgb", "ocr", "zero_shot") and settings.recipe("rgb") == SETTINGS.recipe("rgb")
        return settings.recipe("zero_shot")

    assert SETTINGS.outputs == ("rgb", "ocr")
    assert recipe() == recipe(model="b")
    assert len({recipe(), recipe(sha256="2"), recipe(frames=3)}) == 3
    other = Settings(**(SETTINGS.model_dump() | {"frames": {"rate": 9}, "zero_shot": {"model": "a", "sha256": "1"}}))
    assert other.recipe("zero_shot") != recipe()


def test_only_experts_of_an_extractor_with_a_new_version_are_extracted_again(monkeypatch):
    extractors = ("speech", "whisper:tiny", "ocr")
    settings = Settings(experts={f"x{i}": {"extractor": name} for i, name in enumerate(extractors)})

    def recipes(**versions):
        monkeypatch.setattr("misc.extraction.settings.EXTRACTOR_VERSIONS", versions)
        return [settings.recipe(name) for name in settings.experts]

    first, both, later = recipes(), recipes(speech=2, whisper=2), recipes(speech=3)
    assert [a == b for a, b in zip(first, both, strict=True)] == [False, False, True]
    assert [a == b for a, b in zip(first, later, strict=True)] == [False, True, True] and later[0] != both[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "file: Invalid JSON"),
        ("[]", "file: Input should be an object"),
        ("{}", "experts: Field required"),
        ('{"experts": {}}', "experts: Dictionary should have at least 1 item"),
        ('{"experts": {"rgb": "rgb"}}', "experts.rgb: Input should be an object"),
        ('{"experts": {"rgb": {"extractor": "rgb", "option": {}}}}', "experts.rgb.option: Extra inputs are not permitted"),
        ('{"experts": {"text": {"extractor": "rgb"}}}', "experts: 'text' is not a valid name of an expert"),
        ('{"experts": {"zero_shot": {"extractor": "rgb"}}}', "experts: 'zero_shot' is not a valid name of an expert"),
        ('{"experts": {"a/b": {"extractor": "rgb"}}}', "experts: 'a/b' is not a valid name of an expert"),
        ('{"experts": {"rgb": {"extractor": "rgp"}}}', "extractor 'rgp': unknown, expected one of"),
        ('{"experts": {"x": {"extractor": "scene", "options": {"frames": 0}}}}', "option 'frames' is 0, expected a whole"),
        ('{"frames": {"rate": 0}, "experts": {"rgb": {"extractor": "rgb"}}}', "frames.rate: Input should be greater than 0"),
        (
            '{"frames": {"side": 1.5}, "experts": {"rgb": {"extractor": "rgb"}}}',
            "frames.side: Input should be a valid integer",
        ),
        (" " * (1 << 20) + "{}", "more than 1048576 bytes, expected the config of an extraction"),
        ('{"fps": 3, "experts": {"rgb": {"extractor": "rgb"}}}', "fps: Extra inputs are not permitted"),
    ],
)
def test_invalid_configs_are_one_line(eleven_videos, refused_extraction, content, message):
    Path("config.json").write_text(content)
    assert message in (line := refused_extraction()) and ("config.json: " in line or "extractor '" in line)
    assert not Path("data").exists()
