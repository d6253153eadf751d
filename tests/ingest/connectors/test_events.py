"""Orders and events of other platforms and tracking tools."""

import json

import pytest

from recommender.ingest import Parser, upsert_products
from recommender.models import Event


@pytest.fixture
def known(shop):
    """Three products; the third has two variants."""
    rows = [
        {"item_id": "A", "title": "A"},
        {"item_id": "B", "title": "B"},
        {"item_id": "C", "title": "C", "variants": [{"sku": "C-S"}, {"sku": "C-M"}]},
    ]
    upsert_products(shop, list(enumerate(rows)), ["title", "variants", "images"], Parser())


def stored(*names):
    rows = Event.objects.order_by("occurred_at", "event_id", "line")
    return [tuple(_value(row, name) for name in names) for row in rows]


def _value(row, name):
    if name == "item":
        return row.product.item_id if row.product else None
    if name == "user":
        return row.shopper.user_id if row.shopper else None
    return getattr(row, name)


def test_woocommerce_orders(take, known, shop):
    base = {"order_date": "2025-02-03 10:11:12", "order_currency": shop.currency, "refunds": ""}
    rows = [
        {
            **base,
            "order_id": "1",
            "status": "wc-completed",
            "customer_id": "12",
            "order_total": "27",
            "order_items": "product_id:5|sku:C-S|quantity:2|total:18;"
            "product_id:6|sku:B|quantity:1|total:9",
        },
        {
            **base,
            "order_id": "2",
            "status": "wc-refunded",
            "customer_id": "0",
            "order_total": "9",
            "order_items": "product_id:6|sku:B|quantity:1|total:9",
            "refunds": "9",
        },
        {
            **base,
            "order_id": "3",
            "status": "wc-cancelled",
            "customer_id": "12",
            "order_items": "product_id:6|sku:B|quantity:1|total:9",
        },
        {
            **base,
            "order_id": "4",
            "status": "draft",
            "customer_id": "12",
            "order_items": "product_id:6|sku:B|quantity:1|total:9",
        },
    ]
    report = take({"orders.csv": rows})
    assert report.format == "woocommerce_orders"
    assert report.counts["events"] == {"purchase": 3, "return": 1}
    assert ("12", "C", "C-S", "purchase", 2, 18) in stored(
        "user", "item", "variant_id", "type", "quantity", "value"
    )
    assert (None, "order-2", "return") in stored("user", "session_id", "type")


def ga4(name, items=(), order="(not set)", at=1, user=None):
    return {
        "event_date": "20250115",
        "event_timestamp": str(1736900000000000 + at),
        "event_name": name,
        "user_id": user,
        "user_pseudo_id": "10.20",
        "event_params": [
            {"key": "ga_session_id", "value": {"string_value": None, "int_value": "7"}},
            {"key": "search_term", "value": {"string_value": "lamp"}},
        ],
        "ecommerce": {"transaction_id": order},
        "items": [
            {"item_id": i, "price": "19.0", "quantity": q, "item_variant": "(not set)"}
            for i, q in items
        ],
    }


def test_ga4_events(take, known):
    rows = [
        ga4("page_view"),
        ga4("view_item", [("A", None)], at=2),
        ga4("view_item_list", [("A", None), ("B", None)], at=3),
        ga4("purchase", [("A", "2"), ("B", "1")], "T-1", 4, user="u1"),
        ga4("purchase", [("A", "2"), ("B", "1")], "T-1", 5, user="u1"),
        ga4("refund", [("B", "1")], "T-1", 6, user="u1"),
        ga4("search", at=7),
        ga4("purchase", [("(not set)", None)], at=8),
    ]
    report = take({"events.jsonl": rows})
    assert (report.format, report.errors) == ("ga4", [])
    assert report.counts["events"] == {
        "impression": 2,
        "purchase": 2,
        "return": 1,
        "search": 1,
        "view": 1,
    }
    assert ("u1", "A", "purchase", 2, 38) in stored("user", "item", "type", "quantity", "value")
    assert ("10.20.7", "search", "lamp") in stored("session_id", "type", "query")
    texts = " ".join(report.warnings)
    assert "page is loaded again" in texts and "of a kind that is not used" in texts


def test_ga4_rows_of_one_product(take, known):
    row = {
        "event_name": "purchase",
        "event_timestamp": "1736900000000000",
        "user_pseudo_id": "1.2",
        "user_id": "",
        "item_id": "A",
        "quantity": "2",
        "price": "5",
        "transaction_id": "T",
    }
    assert take({"flat.csv": [row]}).counts["events"] == {"purchase": 1}
    assert stored("event_id", "value") == [("order-T", 10)]


def track(event, message="m1", **properties):
    return {
        "type": "track",
        "event": event,
        "messageId": message,
        "userId": "u",
        "anonymousId": "a",
        "originalTimestamp": "2025-10-16T08:10:12.782Z",
        "timestamp": "2025-10-16T13:40:12.791+05:30",
        "properties": properties,
    }


def test_track_calls(take, known, shop):
    products = [
        {"product_id": "p-1", "sku": "C-M", "price": 3, "quantity": 2},
        {"product_id": "B", "price": "4.50", "quantity": 1},
    ]
    rows = [
        track("Order Completed", order_id="o1", currency=shop.currency, products=products),
        track("Product Viewed", "m2", product_id="A", price=3),
        track("Product Viewed", "m2", product_id="A", price=3),
        track("Product Added", "m3", productId="A", quantity=1),
        track("Checkout Started", "m4"),
    ]
    report = take({"track.jsonl": rows})
    assert (report.format, report.errors) == ("segment", [])
    assert report.counts["events"] == {"add_to_cart": 1, "purchase": 2, "view": 1}
    assert ("order-o1", "C", "C-M", 6) in stored("event_id", "item", "variant_id", "value")
    assert ("message-m2", "A", "view") in stored("event_id", "item", "type")


def test_snowplow_events_with_contexts_beside_them(take, known):
    action = (
        "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1_0_0"
    )
    base = {
        "collector_tstamp": "2022-12-22 13:25:47.779000 UTC",
        "domain_userid": "d",
        "domain_sessionid": "s",
        "user_id": "NULL",
    }
    events = [
        {**base, "event_id": "e1", action: json.dumps({"type": "product_view"})},
        {**base, "event_id": "e2", action: json.dumps({"type": "transaction"})},
        {**base, "event_id": "e3", action: ""},
    ]
    products = [
        {"root_id": "e1", "id": "A", "name": "A", "price": "12", "quantity": "", "brand": "x"},
        {"root_id": "e2", "id": "B", "name": "B", "price": "12", "quantity": "2", "brand": "x"},
    ]
    orders = [{"root_id": "e2", "transaction_id": "T", "revenue": "24"}]
    with pytest.raises(ValueError, match="give the table of events"):
        take({"product_context.csv": products})
    files = {"events.csv": events, "product_context.csv": products, "transactions.csv": orders}
    report = take(files)
    assert report.counts["events"] == {"purchase": 1, "view": 1}
    assert stored("event_id", "user", "session_id", "item", "value") == [
        ("event-e1", None, "s", "A", None),
        ("order-T", None, "s", "B", 24),
    ]


def test_user_behavior_insights_of_opensearch(take, known):
    lines = [
        {"index": {"_index": "ubi_queries"}},
        {
            "query_id": "q1",
            "client_id": "c",
            "user_query": "lamp",
            "timestamp": "2024-12-10T00:01:29Z",
        },
        {"index": {"_index": "ubi_events"}},
        {
            "query_id": "q1",
            "client_id": "c",
            "action_name": "click",
            "timestamp": "2024-12-10T00:02:00Z",
            "event_attributes": {"object": {"object_id": "A"}, "position": {"ordinal": 3}},
        },
    ]
    report = take({"ubi.ndjson": "\n".join(map(json.dumps, lines))})
    assert report.counts["events"] == {"click": 1, "search": 1}
    assert stored("type", "item", "position", "query") == [
        ("search", None, None, "lamp"),
        ("click", "A", 3, None),
    ]


def test_metarank_mixes_kinds_in_one_file(take, shop):
    at = "1599391467000"
    rows = [
        {
            "event": "item",
            "id": "1",
            "timestamp": at,
            "item": "cat",
            "fields": [{"name": "title", "value": "Cat"}, {"name": "colour", "value": ["black"]}],
        },
        {
            "event": "user",
            "id": "2",
            "timestamp": at,
            "user": "u",
            "fields": [{"name": "age", "value": 33}],
        },
        {
            "event": "ranking",
            "id": "3",
            "timestamp": at,
            "user": "u",
            "session": "s",
            "items": [{"id": "dog"}, {"id": "cat"}],
        },
        {
            "event": "interaction",
            "id": "4",
            "timestamp": at,
            "user": "u",
            "session": "s",
            "type": "click",
            "item": "cat",
        },
    ]
    report = take({"metarank.jsonl": rows})
    assert (report.counts["products"], report.counts["shoppers"]) == (1, 1)
    assert report.counts["events"] == {"click": 1, "impression": 1}
    assert [r.reason for r in report.reasons()] == ["item_id: is not a known product"]
    assert shop.products.get().attributes == {"colour": ["black"]}


@pytest.mark.parametrize(
    ("name", "content", "format_name", "expected"),
    [
        (
            "events.csv",
            "timestamp,visitorid,event,itemid,transactionid\n1433221332117,7,view,A,\n"
            "1433221332118,7,addtocart,A,\n1433221332119,7,transaction,A,99\n",
            "retailrocket_events",
            {"add_to_cart": 1, "purchase": 1, "view": 1},
        ),
        (
            "2019-Oct.csv",
            "event_time,event_type,product_id,category_id,price,user_id,user_session\n"
            "2019-10-01 00:00:00 UTC,cart,A,2.1E+18,9.5,7,s\n",
            "rees46_events",
            {"add_to_cart": 1},
        ),
        (
            "interactions.csv",
            "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE,EVENT_VALUE\n7,A,828124615,watch,\n7,B,828124616,RATING,4\n",
            "personalize_interactions",
            {"rating": 1, "view": 1},
        ),
        (
            "feedback.jsonl",
            '{"FeedbackType":"read","ItemId":"A","Timestamp":"2021-10-24T06:42:20.207Z","UserId":"j"}',
            "gorse_feedback",
            {"view": 1},
        ),
        (
            "ml.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n7\tA\t4\t881250949\n",
            "recbole_interactions",
            {"rating": 1},
        ),
        (
            "transactions_train.csv",
            "t_dat,customer_id,article_id,price,sales_channel_id\n2018-09-20,c,A,0.05,2\n"
            "2018-09-20,c,A,0.05,2\n",
            "hm_transactions",
            {"purchase": 2},
        ),
        (
            "transaction_data.csv",
            "HOUSEHOLD_KEY,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,TRANS_TIME\n"
            "25,3,2021-12-01,A,2,11.63,1125\n",
            "dunnhumby_transactions",
            {"purchase": 1},
        ),
        (
            "yoochoose-clicks.dat",
            "1,2014-04-07T10:51:09.277Z,A,0\n".replace("A", "11"),
            "yoochoose_clicks",
            {},
        ),
        (
            "all.csv",
            "timestamp,item_id,position,click,propensity_score\n"
            "2019-11-24 00:00:00+00:00,A,3,1,0.02\n",
            "openbandit",
            {"click": 1, "impression": 1},
        ),
    ],
)
def test_events_of_data_sets_and_recommenders(take, known, name, content, format_name, expected):
    report = take({name: content})
    assert (report.format, report.counts["events"]) == (format_name, expected)


def test_olist_orders_join_three_files(take, known):
    items = [{"order_id": "o", "order_item_id": "1", "product_id": "A", "price": "58.90"}]
    orders = [
        {
            "order_id": "o",
            "customer_id": "c",
            "order_status": "delivered",
            "order_purchase_timestamp": "2017-09-13 08:59:02",
        }
    ]
    customers = [{"customer_id": "c", "customer_unique_id": "u"}]
    with pytest.raises(ValueError, match="no date of purchase"):
        take({"items.csv": items})
    take({"items.csv": items, "orders.csv": orders, "customers.csv": customers})
    assert stored("event_id", "user", "item", "value") == [("order-o", "u", "A", 58.9)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("order_id,user_id,eval_set,order_number,order_dow\n1,2,prior,1,2\n", "no dates"),
        ("query_id,source\n0,other\n", "holds no judgements"),
        (
            "name,user_pseudo_id,event_dimensions_hostname\nview_item,1,h\n",
            "without their products",
        ),
    ],
)
def test_files_from_which_nothing_can_be_learned_say_so(take, content, message):
    with pytest.raises(ValueError, match=message):
        take({"file.csv": content})


def test_the_modelled_table_of_snowplow(take, known):
    row = {
        "event_id": "e1",
        "domain_userid": "d",
        "domain_sessionid": "s",
        "user_id": "NULL",
        "derived_tstamp": "2022-12-22 13:25:47.779000 UTC",
        "product_id": "A",
        "product_price": "12",
        "product_quantity": "2",
    }
    rows = [
        {**row, "ecommerce_action_type": "product_view", "transaction_id": ""},
        {**row, "ecommerce_action_type": "transaction", "transaction_id": "T"},
    ]
    report = take({"interactions.csv": rows})
    assert (report.format, report.counts["events"]) == (
        "snowplow_interactions",
        {"purchase": 1, "view": 1},
    )
    assert ("order-T", None, "A", 24) in stored("event_id", "user", "item", "value")
