"""Passages: what is made of each source, and how they follow its changes."""

import pytest
from django.utils import timezone

from recommender.models import Article, Change, Dialogue, Passage, Product, Review
from recommender.support import passages
from recommender.support.defaults import settings_of
from recommender.support.passages import update_passages
from recommender.support.sentences import LONGEST_PASSAGE
from recommender.support.sentences import passages as parts


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)


@pytest.fixture
def desk(shop):
    settings_of(shop)
    return shop


def texts(shop, kind):
    rows = Passage.objects.of(shop).filter(kind=kind).order_by("source_id", "position")
    return list(rows.values_list("text", flat=True))


def test_texts_are_cut_at_sentences_and_paragraphs():
    assert parts("One. Two!\nThree?\n\nFour.") == ["One. Two! Three?", "Four."]
    assert parts("一句话。第二句！") == ["一句话。 第二句！"]
    assert parts("Costs 3.50 euros, e.g. for mugs.") == ["Costs 3.50 euros, e.g. for mugs."]
    long = parts(" ".join(["word"] * 400) + ".")
    assert len(long) > 2 and all(len(part) <= LONGEST_PASSAGE for part in long)
    assert " ".join(long) == " ".join(["word"] * 400) + "."
    assert parts("x" * 1_200) == ["x" * 500, "x" * 500, "x" * 200]
    assert parts("") == [] and parts(" \n ") == []


def test_each_kind_of_source_makes_passages(desk):
    Article.objects.create(shop=desk, article_id="a", title="A", text="First.\n\nSecond.")
    Dialogue.objects.create(shop=desk, dialogue_id="d", text="Why?", intent="x", answer="Because.")
    Dialogue.objects.create(shop=desk, dialogue_id="e", text="How?", intent="x", answer=" ")
    Dialogue.objects.create(
        shop=desk, dialogue_id="f", text="Who?", intent="x", answer="Me.", split="test"
    )
    Product.objects.create(
        shop=desk,
        item_id="p",
        title="Mug",
        brand="Alto",
        description="Of tin.",
        attributes={"wash": "by hand", "colors": ["red", "blue"], "deep": {"a": 1}, "on": True},
    )
    Product.objects.create(shop=desk, item_id="h", title="Hidden", description="x", hidden=True)
    Product.objects.create(shop=desk, item_id="bare", title="Bare")
    text = "It is lovely and keeps my tea warm for hours."
    Review.objects.create(shop=desk, review_id="r", item_id="p", text=text)
    Review.objects.create(shop=desk, review_id="s", item_id="p", text="Nice.")
    Review.objects.create(shop=desk, review_id="t", item_id="", text=text)
    Review.objects.create(shop=desk, review_id="u", item_id="p", text=text, copy="duplicate")
    update_passages(desk)
    assert texts(desk, "article") == ["First.", "Second."]
    assert texts(desk, "dialogue") == ["Because."]
    assert texts(desk, "product") == [
        "Of tin.",
        "Brand: Alto. Wash: by hand. Colors: red, blue",
    ]
    assert texts(desk, "review") == [text]
    assert Passage.objects.get(kind="dialogue").title == "Why?"
    assert Passage.objects.get(kind="review").item_id == "p"


def test_a_changed_source_gets_new_passages_and_a_deleted_one_none(desk):
    article = Article.objects.create(shop=desk, article_id="a", title="A", text="Old.")
    assert update_passages(desk) == 1 and Change.objects.filter(kind=Change.SUPPORT).count() == 1
    before = Passage.objects.get()
    assert update_passages(desk) == 0
    article.text, article.updated_at = "New.", timezone.now()
    article.save()
    update_passages(desk, ["product"])
    assert Passage.objects.get() == before
    update_passages(desk)
    assert texts(desk, "article") == ["New."] and Passage.objects.get() != before
    article.delete()
    assert update_passages(desk) == 1 and not Passage.objects.exists()


def test_the_newest_reviews_of_a_product_are_kept(desk, monkeypatch):
    monkeypatch.setattr(passages, "MOST_REVIEWS", 2)
    for n in range(4):
        text = f"Review number {n} that is long enough to be quoted."
        Review.objects.create(shop=desk, review_id=f"r{n}", item_id="p", text=text)
    update_passages(desk)
    assert [text[14] for text in texts(desk, "review")] == ["2", "3"]


def test_a_shop_without_a_service_desk_has_no_passages(shop):
    Dialogue.objects.create(shop=shop, dialogue_id="d", text="Why?", intent="x", answer="So.")
    assert update_passages(shop) == 0 and not Passage.objects.exists()


def test_another_champion_embeds_the_passages_again(desk_shop, answers_checkpoint):
    from tests import stocked_shop

    first = set(Passage.objects.of(desk_shop).values_list("encoder", flat=True))
    version = stocked_shop.register(desk_shop, answers_checkpoint, "answers")
    version.promote()
    assert update_passages(desk_shop) == Passage.objects.of(desk_shop).count()
    after = set(Passage.objects.of(desk_shop).values_list("encoder", flat=True))
    assert after == {version.folder} != first
