"""Everyday words for groups of classes, against the names of the classes."""

import tomllib

import pytest

from misc.searching.channels import everyday_words
from misc.searching.channels.concepts import load_class_names
from misc.searching.channels.everyday_words import find_group, load_groups

CLASSES = load_class_names()


def names(part):
    return [CLASSES[number] for number in find_group(part, CLASSES)]


def test_all_classes_of_the_file_exist_in_this_order():
    for section in tomllib.loads(everyday_words.FILE.read_text()).values():
        for key, found in section.items():
            assert all(word == word.lower().strip() != "" for word in key.split(", "))
            for name in found:
                numbers = [CLASSES.index(end) for end in name.split(everyday_words.RANGE)]
                assert numbers == sorted(numbers), name
    assert len(load_groups(tuple(CLASSES))) > 250


@pytest.mark.parametrize(
    ("part", "some", "others"),
    [
        ("dog", ["Chihuahua", "golden retriever", "Siberian husky", "Mexican hairless"], ["timber wolf", "hotdog"]),
        ("cat", ["tabby", "Siamese cat"], ["lion", "cougar"]),
        ("bird", ["robin", "ostrich", "flamingo", "albatross"], ["bullfrog", "grey whale", "tusker"]),
        ("fish", ["goldfish", "eel", "puffer"], ["starfish", "grey whale"]),
        ("car", ["jeep", "cab", "sports car"], ["school bus", "freight car"]),
        ("musical instrument", ["violin", "sax"], ["microphone"]),
        ("bicycle", ["mountain bike", "bicycle-built-for-two"], ["tricycle"]),
    ],
)
def test_a_word_is_for_the_classes_that_people_mean(part, some, others):
    found = names(part)
    assert set(some) <= set(found) and not set(others) & set(found)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [("dogs", "dog"), ("puppies", "puppy"), ("wolves", "wolf"), ("knives", "knife"), ("buses", "bus"), ("taxis", "taxi")],
)
def test_plurals_mean_the_same(plural, singular):
    assert names(plural) == names(singular) != []


def test_the_last_word_of_names_of_animals_means_them():
    for word in ("cockatoo", "mastiff", "cockatoos"):
        expected = [name for name in CLASSES if name.endswith(f" {word.removesuffix('s')}")]
        assert names(word) == expected != []
    assert "Madagascar cat" in CLASSES and "Madagascar cat" not in names("cat")  # a lemur: the file has cats
    assert "sea lion" in CLASSES and names("lion") == ["lion"] and "walking stick" in CLASSES and names("stick") == []
    assert "paper towel" in CLASSES and names("towel") == []
    assert names("sulphur-crested") == names("robin") == []  # a name of one word is found by itself


def test_other_words_have_no_group():
    assert names("sadness") == names("s") == names("") == []
