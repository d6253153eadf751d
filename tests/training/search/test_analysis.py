"""Text analysis: documents and queries give the same terms, codes and sizes in all their forms."""

import pytest

from training.search.analysis import Analyzer, code_form, code_suffixes, fold, unspaced_bigrams


@pytest.fixture(scope="module")
def english():
    return Analyzer(("en",))


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("AB-123/45", ["ab", "123", "45", "ab12345"]),
        ("iPhone 15 128GB", ["iphon", "15", "128", "gb", "128gb"]),
        ("128 GB", ["128", "128gb", "gb"]),
        ("3.5mm", ["3.5", "mm", "3.5mm"]),
        ("3,5 mm", ["3.5", "3.5mm", "mm"]),
        ("1,000 pcs", ["1000", "1000pc", "pcs"]),
        ("8 ounces", ["8", "8oz", "ounc"]),
        ("4×6", ["4", "x", "6", "4x6"]),
        ("men's", ["man"]),
        ("women’s", ["woman"]),
        ("L'Oréal", ["l", "oreal", "loreal"]),
        ("Harley-Davidson", ["harley", "davidson", "harleydavidson"]),
        ("C++", ["c", "c++"]),
        ("ＦＵＬＬ　１２８ＧＢ", ["full", "128", "gb", "128gb"]),
        ("running shoes", ["run", "shoe"]),
        ("", []),
        ("  -- !! ", []),
    ],
)
def test_terms_of_a_text(english, text, terms):
    assert english.document_terms(text) == terms


def test_offsets_are_characters_of_the_original_text(english):
    text = "Ünlü 🎁 AB-123, iPhone"
    assert [text[c.begin : c.end] for c in english.chunks(text)] == ["Ünlü", "AB-123", "iPhone"]


def test_chinese_is_segmented_after_sizes_are_taken_out():
    terms = Analyzer(("zh",)).document_terms("苹果手机壳128GB防摔")
    assert {"苹果", "手机", "128gb", "果手", "防摔"} <= set(terms)
    assert unspaced_bigrams("苹果 abc") == ["苹果"]


def test_a_language_without_a_stemmer_keeps_its_words():
    assert Analyzer(("zh",)).document_terms("running shoes") == ["running", "shoes"]


def test_each_language_has_its_own_stems():
    assert Analyzer(("de",)).document_terms("Lampen") == Analyzer(("de",)).document_terms("Lampe")
    assert Analyzer(("fr",)).document_terms("chaussures") == ["chaussur"]


@pytest.mark.parametrize("text", ["AB-123/45", "ab 123 45", "AB123 45"])
def test_forms_of_a_code_are_one(text):
    assert code_form(text) == "ab12345"


def test_suffixes_of_a_code_begin_at_its_parts():
    assert code_suffixes("AB-123/45") == ["ab12345", "12345"]
    assert code_suffixes("0012-A") == ["0012a"]


@pytest.mark.parametrize(("word", "folded"), [("Straße", "strasse"), ("Été", "ete"), ("Ǆ", "dz")])
def test_folding(word, folded):
    assert fold(word) == folded


@pytest.mark.parametrize(
    ("text", "is_code"),
    [
        *[(code, True) for code in ("60-1412", "41-41", "AB-1", "128GB", "4205.000.002")],
        *[(text, False) for text in ("1/2", "3.5", "2-1/4", "1,000", "red", "2026")],
    ],
)
def test_numbers_with_separators_are_codes_where_they_are_long(text, is_code):
    (chunk,) = Analyzer(("en",)).chunks(text)
    assert chunk.is_code is is_code
