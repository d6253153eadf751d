"""Reviews, dialogues and judged queries: from files to what training reads."""

import json
from importlib import import_module
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command

from recommender.model_lifecycle.snapshot_export import NothingToLearn, snapshot_shop
from recommender.models import (
    Dialogue,
    Judgement,
    OpinionLabel,
    OpinionTopic,
    Review,
    Shopper,
)
from recommender.models.opinions import Polarity

REVIEWS = """id,stars,words,about
r1,5,Lovely lantern,lantern
r2,1,"Broke, sadly",teapot
r3,7x,Odd stars,teapot
r4,3,,garden
"""


def bring(command: str, path: Path, *options: str) -> str:
    out = StringIO()
    call_command(
        command,
        str(path),
        *options,
        "--rejected",
        str(path.with_suffix(".rejected")),
        stdout=out,
        verbosity=0,
    )
    return out.getvalue()


def test_reviews_come_in_and_a_second_import_changes_nothing(shop, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text(REVIEWS)
    mapped = ("--map", "review_id=id", "rating=stars", "text=words", "topic=about")
    assert "2 new, 0 changed, 0 same, 2 rejected" in bring("import_reviews", path, *mapped)
    assert "0 new, 0 changed, 2 same, 2 rejected" in bring("import_reviews", path, *mapped)
    assert path.with_suffix(".rejected").read_text().splitlines()[1:] == [
        "4,rating,'7x' is not a number",
        "5,text,is required",
    ]
    assert list(
        Review.objects.order_by("review_id").values_list("review_id", "rating", "text", "topic")
    ) == [("r1", 5.0, "Lovely lantern", "lantern"), ("r2", 1.0, "Broke, sadly", "teapot")]


def test_personal_data_is_masked_before_it_is_stored(shop, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("title,text\n0171/1234567,Order 4500123456 is late. jane@mail.example\n")
    assert "1 new" in bring("import_reviews", path)
    review = Review.objects.get()
    assert (review.title, review.text) == ("[phone]", "Order [order] is late. [mail]")
    assert "0 new, 0 changed, 1 same" in bring("import_reviews", path)
    path.write_text("text,intent,answer\nwhere is order 4500123456?,late,Ask j@mail.example\n")
    bring("import_dialogues", path)
    dialogue = Dialogue.objects.get()
    assert dialogue.text == "where is order [order]?"
    assert dialogue.answer == "Ask [mail]"


def test_texts_of_earlier_builds_are_masked_by_the_migration(shop):
    for text in ("jane@mail.example", "fine"):
        Review.objects.create(shop=shop, review_id=text, text=text)
        Dialogue.objects.create(shop=shop, dialogue_id=text, text=text, intent="x", answer=text)
    import_module("recommender.migrations.0046_masked_texts").mask(apps, None)
    assert set(Review.objects.values_list("text", flat=True)) == {"[mail]", "fine"}
    assert set(Dialogue.objects.values_list("text", "answer")) == {
        ("[mail]", "[mail]"),
        ("fine", "fine"),
    }


def test_rows_without_an_id_are_known_by_their_content(shop, tmp_path):
    path = tmp_path / "dialogues.jsonl"
    rows = [
        {"text": "Where is it?", "intent": "order"},
        {"text": "Where is it?", "intent": "order"},
        {"text": "Thanks", "intent": ""},
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    assert "2 new, 0 changed, 0 same, 1 rejected" in bring("import_dialogues", path)
    assert (
        "0 new, 0 changed, 2 same" in bring("import_dialogues", path)
        and Dialogue.objects.count() == 2
    )


def test_judged_queries(shop, tmp_path):
    path = tmp_path / "judged.csv"
    path.write_text("query,item_id,grade\nred lantern,LA/0,3\nred lantern,LA/1,-1\n")
    assert "1 new" in bring("import_judgements", path) and Judgement.objects.get().grade == 3
    path.write_text("query,item_id,grade\nRed  Lantern,LA/0,1\nred lantern,LA/0,2\n")
    assert "0 new, 1 changed" in bring("import_judgements", path)
    assert Judgement.objects.get().grade == 2  # the last one counts


def test_an_import_without_its_texts_names_the_column(shop, tmp_path):
    path = tmp_path / "reviews.csv"
    path.write_text("review_id,rating\nr1,5\n")
    with pytest.raises(CommandError, match="there is no column 'words'"):
        bring("import_reviews", path, "--map", "text=words")
    assert "0 new, 0 changed, 0 same, 1 rejected" in bring("import_reviews", path)


def test_the_snapshot_has_what_was_written_by_those_who_agree(stocked, tmp_path):
    for i, user in enumerate(["shopper-001", "shopper-002", ""]):
        Review.objects.create(shop=stocked, review_id=f"r{i}", user_id=user, text="fine", rating=4)
    Judgement.objects.create(
        shop=stocked, judgement_id="a", query="lantern", item_id="LA/0", grade=1
    )
    Judgement.objects.create(
        shop=stocked, judgement_id="b", query="lantern", item_id="gone", grade=1
    )
    stocked.shoppers.filter(user_id="shopper-001").update(consent_training=False)
    manifest = snapshot_shop(stocked, tmp_path / "snapshot")
    reviews = pl.read_parquet(tmp_path / "snapshot" / "reviews.parquet")
    assert reviews["review_id"].to_list() == ["r1", "r2"] and reviews["user_id"].to_list() == [
        "shopper-002",
        None,
    ]
    assert manifest["counts"]["judgements"] == 1 and "dialogues" not in manifest["counts"]


def test_the_snapshot_has_topics_and_labels_of_opinions(shop, tmp_path):
    Shopper.objects.create(shop=shop, user_id="ann", consent_training=False)
    examples = {"positive": ["easy to build"], "neutral": [], "negative": ["screws are missing"]}
    OpinionTopic.objects.create(shop=shop, key="assembly", name="Assembly", examples=examples)
    for text, user in (("took hours", "ben"), ("took days", "ann")):
        OpinionLabel.objects.create(
            shop=shop, text=text, topic="assembly", polarity=Polarity.NEGATIVE, user_id=user
        )
    snapshot_shop(shop, tmp_path / "snapshot", recipe="opinion")
    assert set(pl.read_parquet(tmp_path / "snapshot" / "opinions.parquet").rows()) == {
        ("easy to build", "assembly", "positive", "example"),
        ("screws are missing", "assembly", "negative", "example"),
        ("took hours", "assembly", "negative", "label"),
    }


def test_reviews_alone_are_enough_for_what_learns_from_them(shop, tmp_path):
    Review.objects.create(shop=shop, review_id="r", text="fine", rating=4)
    assert snapshot_shop(shop, tmp_path / "one", recipe="rating")["counts"]["products"] == 0
    with pytest.raises(NothingToLearn, match="no products"):
        snapshot_shop(shop, tmp_path / "two")


def test_texts_edited_in_the_console_are_masked(shop, admin_client):
    review = Review.objects.create(shop=shop, review_id="r", text="fine")
    fields = {"shop": shop.pk, "review_id": "r", "text": "write to jane@mail.example"}
    reply = admin_client.post(f"/console/recommender/review/{review.pk}/change/", fields)
    assert reply.status_code == 302
    review.refresh_from_db()
    assert review.text == "write to [mail]"
