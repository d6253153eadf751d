"""HTML in titles and descriptions of files becomes text."""

from zoneinfo import ZoneInfo

import pytest

from recommender.ingest import Parser, upsert_products
from recommender.ingest.html_text import plain_text
from recommender.models import Product


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("A red lamp", "A red lamp"),
        ("Men&#39;s T&amp;S &eacute;", "Men's T&S é"),
        ("Salt & pepper; a < b > c", "Salt & pepper; a < b > c"),
        ("R&D;x", "R&D;x"),
        (
            '<meta charset="utf-8"><span data-mce-fragment="1">Soft <b>wool</b>.</span>',
            "Soft wool.",
        ),
        ("<p>One</p><p>H<sub>2</sub>O &amp; more</p>", "One\nH2O & more"),
        ("<ul>\n <li>red\n<li>blue</ul>", "red\nblue"),
        ("First<br/>second<br>third", "First\nsecond\nthird"),
        ("<table><tr><td>A</td><td>B</td></tr><tr><td>C</td></tr></table>", "A B\nC"),
        ("<style>p{color:red}</style><script>x()</script>kept<!-- not -->", "kept"),
        ("<p>an open <b>tag", "an open tag"),
        ("<div></div>", ""),
        ("&lt;b&gt; is bold", "<b> is bold"),
    ],
)
def test_html_becomes_text(text, plain):
    assert plain_text(text) == plain


def test_deeply_nested_html_is_read():
    assert plain_text("<div>" * 5_000 + "text" + "</div>" * 5_000) == "text"


def test_products_of_files_have_texts_and_those_of_rest_stay(shop):
    row = {"item_id": "a", "title": "Men&#39;s shirt", "description": "<p>Soft</p><p>Warm</p>"}
    columns = ["title", "description"]
    upsert_products(shop, [(1, row)], columns, Parser(ZoneInfo("Europe/London")))
    assert Product.objects.values_list("title", "description").get() == (
        "Men's shirt",
        "Soft\nWarm",
    )
    upsert_products(shop, [(1, row)], columns, Parser(typed=True))
    assert Product.objects.get().title == "Men&#39;s shirt"
