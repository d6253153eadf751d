"""Languages of texts that shoppers write: short ones, several scripts, none."""

import pytest

from recommender.reviews.languages import language_of


@pytest.mark.parametrize(
    "text, language",
    [
        ("Great quality, but the delivery was late", "en"),
        ("Sehr schön, aber leider viel zu klein", "de"),
        ("质量很好，物流太慢", "zh"),
        ("とても良い商品です", "ja"),
        ("배송이 너무 늦어요", "ko"),
        ("Очень хорошее качество", "ru"),
        ("iPhone 的屏幕很好看", "zh"),
        ("I love this one, 很好", "en"),
        ("👍👍👍", ""),
        ("", ""),
        ("12345 67", ""),
        ("qzx", ""),
    ],
)
def test_the_language_of_a_text(text, language):
    assert language_of(text) == language


def test_a_long_text_is_read_from_its_beginning():
    assert language_of("The dress is lovely and fits well. " * 40_000) == "en"
