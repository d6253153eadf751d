"""The filter language: what it says, what it refuses, and that columns give what a plain
reading of the rules gives.
"""

import itertools
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recommender.catalog.eligibility import allowed, read_products
from recommender.catalog.filter_language import DEEPEST, FilterError, parse, select
from recommender.catalog.product_fields import FILTER_FIELDS as FIELDS
from recommender.models import Product

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def products(shop):
    rows = [
        {
            "item_id": "boot",
            "title": "Hiking boot",
            "brand": "Alto",
            "categories": ["Shoes > Outdoor"],
            "price": "129.00",
            "attributes": {"colour": ["brown", "black"], "size_eu": [37, 38], "vegan": True},
            "stock_state": "in_stock",
            "stock_quantity": 3,
            "margin_rate": 0.4,
            "available_from": NOW - timedelta(days=10),
            "locale": "en-GB",
        },
        {
            "item_id": "lamp/1",
            "title": 'Lamp "Glow",\nred',
            "brand": "O'Neil",
            "categories": ["Home", "Sale"],
            "price": "9.5",
            "attributes": {"colour": "red", "Größe": 5.5},
            "available_from": NOW - timedelta(days=100),
        },
        {
            "item_id": "plain",
            "title": "",
            "available_from": NOW - timedelta(days=400),
            "available_until": NOW + timedelta(days=3),
        },
    ]
    for row in rows:
        Product.objects.create(shop=shop, **row)
    return shop


def passing(shop, text, **params):
    frame = read_products(shop.pk)
    return set(frame.filter(allowed(frame, select([text], params), NOW))["item_id"])


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("price < 100", "lamp/1"),
        ("price.amount >= 9.5", "boot lamp/1"),
        ("price is null", "plain"),
        ("not price < 100", "boot plain"),
        ("price in (9.5, 129)", "boot lamp/1"),
        ("price != 9.5", "boot plain"),
        ("price <> 9.5", "boot plain"),
        ("price = -1", ""),
        ("brand = 'O''Neil'", "lamp/1"),
        ("brand != 'Alto'", "lamp/1 plain"),
        ("brand not in ('Alto')", "lamp/1 plain"),
        ("brand is not null", "boot lamp/1"),
        ("brand contains 'ALT'", "boot"),
        ("title contains 'glow'", "lamp/1"),
        ("title is null", "plain"),
        ("categories = 'Shoes'", "boot"),
        ("categories in ('Shoes > Outdoor', 'Home')", "boot lamp/1"),
        ("categories = 'Shoe'", ""),
        ("not categories in ('Sale')", "boot plain"),
        ("categories contains 'out'", "boot"),
        ("categories is null", "plain"),
        ("attributes.colour = 'black'", "boot"),
        ("attributes.colour in ('black', 'red')", "boot lamp/1"),
        ("attributes.size_eu = 38", "boot"),
        ("attributes.size_eu > 37.5", "boot"),
        ("attributes.size_eu < 37", ""),
        ("attributes.vegan = true", "boot"),
        ("attributes.vegan = FALSE", ""),
        ("attributes.colour contains 'RO'", "boot"),
        ("attributes.colour is null", "plain"),
        ('attributes."Größe" <= 5.5', "lamp/1"),
        ("attributes.nothing = 1", ""),
        ("attributes.nothing != 1", "boot lamp/1 plain"),
        ("stock.state = 'in_stock'", "boot"),
        ("stock.quantity >= 3", "boot"),
        ("margin_rate > 0.3", "boot"),
        ("locale = 'en-GB'", "boot"),
        ("item_id in ('boot', 'plain')", "boot plain"),
        ("age < 30", "boot"),
        ("age >= 100 and age < 101", "lamp/1"),
        ("available_from > '2026-05-01'", "boot"),
        ("available_until <= '2026-06-04T00:00:00+00:00'", "plain"),
        ("available_until is null", "boot lamp/1"),
        ("price < 100 OR brand = 'Alto' and age > 1000", "lamp/1"),
        ("(price < 100 or brand = 'Alto') and age < 1000", "boot lamp/1"),
        ("NOT (price < 100 or brand = 'Alto')", "plain"),
    ],
)
def test_what_passes(products, text, ids):
    assert passing(products, text) == set(ids.split())


def test_parameters_take_the_place_of_values(products):
    assert passing(
        products, "price < :most and brand in :brands", most=100, brands=["O'Neil", "x"]
    ) == {"lamp/1"}
    assert passing(products, "available_from > :since", since="2026-05-01") == {"boot"}
    assert passing(products, "attributes.vegan = :yes", yes=True) == {"boot"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("price", "ends too early"),
        ("price <", "ends too early"),
        ("price < 3;", "from character 10 on: ';'"),
        ("colour = 'red'", "unknown field 'colour'"),
        ("attributes. = 1", "from character 11"),
        ('title = "x"', "single quotes"),
        ("price < 'a'", "price is compared with a number"),
        ("brand = 3", "brand is compared with a text"),
        ("brand < 'a'", "does not support '<'"),
        ("price contains '1'", "does not support"),
        ("available_from > 'soon'", "a date such as"),
        ("available_from > 5", "a date such as"),
        ("attributes.x < 'a'", "is compared with a number"),
        ("brand contains ''", "is compared with a text"),
        ("price = 99999999999999999", "out of range"),
        ("price in ()", "cannot be read"),
        ("((price < 1)", "ends too early"),
        ("not " * 400 + "price < 1", f"deeper than {DEEPEST}"),
        (" or ".join(["price < 1"] * 51), "more than 50"),
        ("brand = '" + "x" * 100_000 + "'", "longer than 2,000"),
        ("price < 1' or '1'='1", "cannot be read from character 10"),
        ("brand = 'a'; DROP TABLE recommender_product", "cannot be read"),
    ],
)
def test_what_is_refused(text, message):
    with pytest.raises(FilterError) as refused:
        parse(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("text", "params", "name"),
    [
        ("price < :most", {}, "most"),
        ("price < :most", {"most": None}, "most"),
        ("price < :most", {"most": "3"}, "most"),
        ("price < :most", {"most": True}, "most"),
        ("price < :most", {"most": [1]}, "most"),
        ("price < :most", {"most": float("1e300")}, "most"),
        ("brand in :b", {"b": "x"}, "b"),
        ("brand in :b", {"b": []}, "b"),
        ("brand in :b", {"b": ["x", 3]}, "b"),
        ("brand in :b", {"b": ["x"] * 1001}, "b"),
        ("available_from > :d", {"d": "never"}, "d"),
        ("categories = :c", {"c": {}}, "c"),
    ],
)
def test_a_value_that_does_not_fit_names_its_parameter(text, params, name):
    with pytest.raises(FilterError) as refused:
        select([text], params)
    assert refused.value.parameter == name


def test_deep_brackets_are_no_bomb():
    assert parse("(" * 900 + "price < 1" + ")" * 900).root == parse("price < 1").root


COLUMNS = {
    "brand": st.sampled_from([None, "a", "b"]),
    "price": st.sampled_from([None, 1.0, 2.0, 3.0]),
}
COMPARISONS = {
    "brand = 'a'": lambda r: r["brand"] == "a",
    "brand in ('a', 'b')": lambda r: r["brand"] in ("a", "b"),
    "brand is null": lambda r: r["brand"] is None,
    "price < 2": lambda r: r["price"] is not None and r["price"] < 2,
    "price >= 2": lambda r: r["price"] is not None and r["price"] >= 2,
    "brand != 'a'": lambda r: r["brand"] != "a",
    "price not in (1, 3)": lambda r: r["price"] not in (1, 3),
}
LEAVES = st.sampled_from(list(COMPARISONS.items()))


def _joined(children):
    both = st.tuples(children, children)
    return st.one_of(
        both.map(
            lambda ab: (f"({ab[0][0]}) and ({ab[1][0]})", lambda r: ab[0][1](r) and ab[1][1](r))
        ),
        both.map(
            lambda ab: (f"({ab[0][0]}) or ({ab[1][0]})", lambda r: ab[0][1](r) or ab[1][1](r))
        ),
        children.map(lambda a: (f"not ({a[0]})", lambda r: not a[1](r))),
    )


@settings(deadline=None)
@given(
    st.recursive(LEAVES, _joined, max_leaves=12),
    st.lists(st.fixed_dictionaries(COLUMNS), min_size=1, max_size=6),
)
def test_columns_agree_with_a_plain_reading_of_the_rules(expression, rows):
    text, plain = expression
    frame = pl.DataFrame(rows, schema={"brand": pl.String, "price": pl.Float64})
    result = frame.select(ok=select([text]).expression)["ok"].to_list()
    assert result == [plain(row) for row in rows]


VALUES = ["'a'", "1", "1.5", "-3", "true", "'2026-08-20'", ":one", "''"]
OPERATORS = [
    "{f} = {v}",
    "{f} != {v}",
    "{f} < {v}",
    "{f} >= {v}",
    "{f} in ({v}, {v})",
    "{f} not in ({v})",
    "{f} in :many",
    "{f} contains {v}",
    "{f} is null",
]
PARAMS = [{"one": one, "many": [one]} for one in (1, 1.5, "a", True, "2026-08-20", 10**14)]


@pytest.mark.parametrize("name", [*FIELDS, "attributes.size", "attributes.none"])
def test_whatever_a_filter_says_it_is_refused_or_it_works(stocked, name):
    """Operators, fields and values in all their combinations, over the columns as the database
    gives them.
    """
    Product.objects.filter(shop=stocked).update(
        attributes={"size": [1, "L", 2.5]}, stock_quantity=1
    )
    frame, now, worked = read_products(stocked.pk), datetime(2026, 8, 1, tzinfo=UTC), 0
    for form, value, params in itertools.product(OPERATORS, VALUES, PARAMS):
        try:
            selection = select([form.format(f=name, v=value)], params)
        except FilterError:
            continue
        assert allowed(frame, selection, now).dtype == pl.Boolean
        worked += 1
    assert worked >= 20


def test_a_whole_number_is_found_among_others(stocked):
    product = Product.objects.filter(shop=stocked).order_by("item_id").first()
    Product.objects.filter(shop=stocked).update(stock_quantity=7)
    Product.objects.filter(pk=product.pk).update(stock_quantity=1)
    frame, now = read_products(stocked.pk), datetime.now(UTC)
    assert frame.filter(allowed(frame, select(["stock.quantity in (1)"]), now))[
        "item_id"
    ].to_list() == [product.item_id]
    assert allowed(frame, select(["stock.quantity in :n"], {"n": [1, 7]}), now).all()
    assert not allowed(frame, select(["stock.quantity in (1.5)"]), now).any()
