"""Queries in other languages than that of the text encoder."""

import pytest

from misc.searching.query_language import guess_language, note_language

QUERIES = {
    "German": [
        "der Hund läuft über die Straße",
        "Ein roter Vogel singt",
        "ein hund und eine katze",
        "Die Küste mit einem Leuchtturm",
    ],
    "French": ["le chat est sur la table", "une fille avec son chien"],
    "Spanish": ["el perro corre en la playa", "el niño come una manzana", "un pájaro rojo y un gato", "una niña y un perro"],
    "Italian or Spanish": ["una mujer cocina"],
    "French, Italian or Spanish": ["un oiseau rouge chante"],
    "Italian": ["il gatto è sulla sedia", "un cane che corre", "una ragazza con il gatto"],
    "Dutch": ["een rode vogel zingt"],
    "in Cyrillic script": ["красная птица поёт", "птица"],
    "in Greek script": ["ένα κόκκινο πουλί"],
    "in Chinese script": ["红鸟在唱歌"],
    "in Hiragana script": ["とり"],
    "in Arabic script": ["طائر أحمر"],
}
ENGLISH = """
a red bird sings | thanks for watching | bird | two men on a boat | en route to the sea | tivo rakel domu | a | 50% SALE |
123 | an et al citation | mit campus | met big cats | who met the Kowalczyks | die hard | met a man in a big sur inn
"""
NAMES = """
Vincent van Gogh | robert de niro | La La Land | Der Spiegel | Das Boot | Le Mans | El Niño | Tour de France | Las Vegas |
leonardo da vinci | Pedro de la Fuente | Notre Dame de Paris | Amélie Poulain | Jürgen Müller | Radosław Wołk |
Nguyễn Thị Hoa | Hendrik van den Berg | Rio de Janeiro | Santa Maria del Mar | Cirque du Soleil | Ölüdeniz | Skarsgård |
Dan Brown | Per Gessle
"""


@pytest.mark.parametrize(("language", "text"), [(name, text) for name, texts in QUERIES.items() for text in texts])
def test_other_languages_are_recognized(language, text):
    found = guess_language(text)
    assert found == language


@pytest.mark.parametrize("text", [text.strip() for text in (ENGLISH + "|" + NAMES).split("|")] + ["", "?", "\ud800"])
def test_english_and_names_are_not_told(text):
    assert guess_language(text) is None


def test_only_the_english_encoder_gets_a_note():
    assert "German, but the text encoder minilm knows English only" in note_language("Ein roter Vogel", "minilm")
    assert note_language("Ein roter Vogel", "transformers:multilingual") is None
    assert note_language("a red bird", "minilm") is None
