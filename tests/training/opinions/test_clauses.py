"""Clauses: the parts of a text that can hold an opinion of their own."""

import random

import pytest

from training.opinions.clauses import MOST_CLAUSES, clauses


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("great quality, late delivery", ["great quality", "late delivery"]),
        ("While it is soft, it arrived late.", ["While it is soft", "it arrived late."]),
        ("I love it and the color is gorgeous", ["I love it", "and the color is gorgeous"]),
        ("it fits and looks great", ["it fits and looks great"]),
        ("soft, warm and cozy", ["soft, warm and cozy"]),
        ("sizes M, L, and XL. All too small", ["sizes M, L, and XL.", "All too small"]),
        ("slow although the quality is good", ["slow", "although the quality is good"]),
        ("However, it runs small", ["However, it runs small"]),
        ("It costs 3.50 at J. Crew. Don't!", ["It costs 3.50 at J. Crew.", "Don't!"]),
        ("Pros: cheap - Cons: flimsy", ["Pros: cheap", "Cons: flimsy"]),
        ("5 stars... would buy again", ["5 stars...", "would buy again"]),
        ("Gute Qualität, aber zu spät", ["Gute Qualität", "aber zu spät"]),
        ("质量很好，但是物流太慢了。", ["质量很好", "但是物流太慢了。"]),
        ("虽然贵但值得", ["虽然贵", "但值得"]),
        ("质量不错 物流很快", ["质量不错", "物流很快"]),
        ("书的质量很好,就是快递慢", ["书的质量很好", "就是快递慢"]),
        ("It has not yet arrived", ["It has not yet arrived"]),
        ("after a while it broke", ["after a while it broke"]),
        ("good yet cheap", ["good", "yet cheap"]),
        ("不但质量好而且便宜", ["不但质量好", "而且便宜"]),
        ("这就是我想要的，价格不过分", ["这就是我想要的", "价格不过分"]),
        ("El producto llegó en la fecha prevista", ["El producto llegó en la fecha prevista"]),
        ("I ordered an L. Way too big", ["I ordered an L.", "Way too big"]),
        ("Nice", ["Nice"]),
        ("but", ["but"]),
        ("", []),
        ("!!! 👍👍", []),
    ],
)
def test_clauses_of_a_text(text: str, expected: list[str]) -> None:
    assert [text[begin:end] for begin, end in clauses(text)] == expected


def test_clauses_are_in_order_and_lose_no_word() -> None:
    draw = random.Random(0)
    pieces = [
        "it",
        "is",
        "but",
        "and",
        "the",
        ",",
        ".",
        ";",
        "\n",
        "质量",
        "很好",
        "，",
        "3.5",
        "!",
        "-",
    ]
    for _ in range(500):
        text = "".join(draw.choice(pieces) + draw.choice(["", " "]) for _ in range(30))
        spans, at = clauses(text), 0
        for begin, end in spans:
            assert at <= begin < end <= len(text)
            assert not any(c.isalnum() for c in text[at:begin])
            at = end
        assert not any(c.isalnum() for c in text[at:])


def test_a_long_text_has_a_limited_number_of_clauses() -> None:
    assert len(clauses("too small. " * 10_000)) <= MOST_CLAUSES + 1


@pytest.mark.parametrize("part", [" ", "and ", "it ", "- ", "但", ", "])
def test_long_texts_of_one_part_do_not_take_long(part: str) -> None:
    """A pattern that backtracks would never end."""
    text = part * (100_000 // len(part)) + "good"
    assert text[slice(*clauses(text)[-1])].endswith("good")
