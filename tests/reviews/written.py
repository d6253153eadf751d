"""Reviews of tests."""

from recommender.ingest import Parser, upsert_labelled
from recommender.models import Review, Shop


def write(shop: Shop, *texts: str | dict, **fields) -> list[Review]:
    """Import reviews; a text, or the fields of one. Ids are r0, r1 …, where none is given."""
    rows = [{"text": text} if isinstance(text, str) else text for text in texts]
    rows = [{"review_id": f"r{i}", **fields, **row} for i, row in enumerate(rows)]
    columns = {name for row in rows for name in row} - {"review_id"}
    report = upsert_labelled("reviews", shop, enumerate(rows), columns, Parser(shop.zone))
    assert not report.errors, report.reasons()
    return [shop.reviews.get(review_id=row["review_id"]) for row in rows]
