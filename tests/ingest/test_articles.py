"""Import of articles from files."""

import pytest
from django.core.management import call_command

from recommender.models import Article

ROWS = (
    "article_id,title,text,url\n"
    "a,Returns,Send it back.,https://shop.example/a\n"
    "b,,No title.,\n"
    "c,Wrong,Text.,ftp://x\n"
)


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """Tasks that were queued, instead of a broker."""
    queued = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue", lambda *call: queued.append(call)
    )
    return queued


def bring(path, capsys, *options):
    rejected = path.with_suffix(".rejected")
    call_command("import_articles", str(path), *options, "--rejected", str(rejected), verbosity=0)
    return capsys.readouterr().out


def test_articles_of_a_file_are_stored_once(shop, tmp_path, capsys, queue):
    path = tmp_path / "articles.csv"
    path.write_text(ROWS)
    assert "1 new, 0 changed, 0 same, 2 rejected" in bring(path, capsys, "--dry-run")
    assert not Article.objects.exists() and not queue
    said = bring(path, capsys)
    assert "1 new, 0 changed, 0 same, 2 rejected" in said and "address" in said
    assert queue == [("update_passages", shop.pk, "article")]
    assert "0 new, 0 changed, 1 same, 2 rejected" in bring(path, capsys)
    path.write_text(ROWS.replace("Send it back.", "Keep it."))
    assert "0 new, 1 changed" in bring(path, capsys)
    assert Article.objects.get().text == "Keep it."
