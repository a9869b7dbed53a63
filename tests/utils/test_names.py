"""Names of videos in both Unicode forms."""

from utils.names import match_name, normalize_name

NFC, NFD = "caf\u00e9", "cafe\u0301"


def test_a_name_that_is_known_as_it_is_stays_and_any_other_is_in_nfc():
    assert normalize_name(NFD) == normalize_name(NFC) == NFC
    assert match_name(NFD, {NFD}) == NFD
    assert match_name(NFD, {NFC}) == match_name(NFD, {}) == match_name(NFC, {NFD}) == NFC
