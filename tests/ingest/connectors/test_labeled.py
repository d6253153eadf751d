"""Reviews and judged queries, and products of data sets."""

import json

import pytest

from recommender.models import Judgement, Product, Review


def test_reviews_of_2018_that_come_again_count_once(take):
    row = {
        "overall": 5.0,
        "reviewerID": "R1",
        "asin": "B1",
        "reviewText": "Fits well",
        "summary": "Good",
        "unixReviewTime": 1441324800,
        "style": {"Size:": "M"},
    }
    other = {**row, "style": {"Size:": "L"}}
    without = {**row, "reviewText": ""}
    report = take({"reviews.jsonl": [row, other, without]})
    assert (report.format, report.counts["reviews"]) == ("amazon_reviews_2018", 1)
    assert [r.reason for r in report.reasons()] == ["text: is required"]
    assert any("word by word" in text for text in report.warnings)
    review = Review.objects.get()
    assert (review.item_id, review.user_id, review.created_at.year) == ("B1", "R1", 2015)
    assert take({"reviews.jsonl": [row, other]}).outcomes["reviews"]["same"] == 1


def test_reviews_and_products_of_2023(take):
    review = {
        "rating": 5.0,
        "title": "Fits",
        "text": "Good<br />again",
        "asin": "V1",
        "parent_asin": "P1",
        "user_id": "U",
        "timestamp": 1588687728923,
    }
    product = {
        "parent_asin": "P1",
        "title": "Clip",
        "main_category": "Beauty",
        "price": "from 12.99",
        "features": ["Metal"],
        "description": ["A clip.", "Gold."],
        "categories": ["Beauty", "Hair"],
        "store": "Acme",
        "images": [{"large": "https://shop.example/l.jpg", "hi_res": None}],
        "details": {"Colour": "Gold"},
    }
    take({"meta.jsonl": [product], "reviews.jsonl": [review]})
    clip = Product.objects.get()
    assert (float(clip.price), clip.brand, clip.categories) == (12.99, "Acme", ["Beauty > Hair"])
    assert clip.description == "Metal\nA clip.\nGold."
    assert (Review.objects.get().item_id, Review.objects.get().text) == ("P1", "Good\nagain")


def test_judgements_of_opensearch_esci_and_trec(take):
    rated = {"judgmentRatings": [{"query": "lamp", "ratings": [{"docId": "A", "rating": "100.0"}]}]}
    assert take({"list.json": json.dumps(rated)}).counts["judgements"] == 1
    esci = "query,product_id,esci_label\nlamp,B,E\nlamp,C,I\n"
    assert take({"esci.csv": esci}).counts["judgements"] == 2
    assert take({"qrels.txt": "q-1 0 D-7 2\nq-1 0 D-8 -1\n"}).format == "trec_qrels"
    grades = {(j.query, j.item_id): j.grade for j in Judgement.objects.all()}
    assert grades == {
        ("lamp", "A"): 100,
        ("lamp", "B"): 3,
        ("lamp", "C"): 0,
        ("q-1", "D-7"): 2,
        ("q-1", "D-8"): 0,
    }


@pytest.mark.parametrize(
    ("name", "content", "format_name", "fields"),
    [
        (
            "items.csv",
            "ITEM_ID,GENRE,YEAR\nA,Drama|War,1995\n",
            "personalize_items",
            {"categories": ["Drama", "War"], "attributes": {"year": "1995"}},
        ),
        (
            "ml.item",
            "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
            "A\tToy Story\t1995\tAnimation Comedy\n",
            "recbole_items",
            {"title": "Toy Story", "categories": ["Animation", "Comedy"]},
        ),
        (
            "articles.csv",
            ",article_id,product_code,prod_name,product_type_name,product_group_name,"
            "index_group_name,detail_desc,colour_group_name\n"
            "0,0108775015,0108775,Strap top,Vest top,Upper body,Ladieswear,Jersey,Black\n",
            "hm_articles",
            {"item_id": "0108775015", "categories": ["Ladieswear > Upper body > Vest top"]},
        ),
        (
            "product.csv",
            "PRODUCT_ID,MANUFACTURER,DEPARTMENT,BRAND,COMMODITY_DESC,SUB_COMMODITY_DESC\n"
            "A,63,PRODUCE,National,SALAD MIX,SUB SALAD\n",
            "dunnhumby_products",
            {"title": "National Sub Salad", "categories": ["Produce > Salad Mix > Sub Salad"]},
        ),
        (
            "properties.csv",
            "timestamp,itemid,property,value\n1,A,categoryid,7\n2,A,available,0\n1,A,available,1\n",
            "retailrocket_items",
            {"categories": ["7"], "stock_state": "out_of_stock"},
        ),
        (
            "products.csv",
            "product_id,product_category_name,product_photos_qty\nA,home_decor,2\n",
            "olist_products",
            {"title": "", "categories": ["home decor"]},
        ),
        (
            "item_context.csv",
            ",item_id,item_feature_0,item_feature_1\n0,A,-0.6,xyz\n",
            "openbandit_items",
            {"attributes": {"item_feature_0": "-0.6", "item_feature_1": "xyz"}},
        ),
    ],
)
def test_products_of_data_sets(take, name, content, format_name, fields):
    report = take({name: content})
    assert (report.format, report.errors) == (format_name, [])
    product = Product.objects.get()
    assert {field: getattr(product, field) for field in fields} == fields
    assert bool(product.title) != any("have no title" in text for text in report.warnings)


def test_products_of_instacart_take_the_names_of_aisles(take):
    products = "product_id,product_name,aisle_id,department_id\n9,Soup,1,4\n"
    files = {
        "products.csv": products,
        "aisles.csv": "aisle_id,aisle\n1,prepared soups\n",
        "departments.csv": "department_id,department\n4,deli\n",
    }
    take(files)
    assert Product.objects.get().categories == ["deli > prepared soups"]
