"""H&M: articles, transactions, customers."""

from recommender.ingest.connectors.core import (
    EVENTS,
    PRODUCTS,
    SHOPPERS,
    Signature,
    simple,
)
from recommender.ingest.connectors.values import (
    attributes,
    constant,
    path,
)

HM_PRODUCTS = simple(
    "hm_articles",
    "H&M articles",
    PRODUCTS,
    Signature(("article_id", "prod_name", "product_type_name")),
    {
        "item_id": "article_id",
        "title": "prod_name",
        "description": "detail_desc",
        "item_group_id": "product_code",
        "categories": lambda row: [
            path(
                " > ".join(
                    str(v)
                    for n in ("index_group_name", "product_group_name", "product_type_name")
                    if (v := row[n])
                )
            )
        ],
        "attributes": attributes(
            color="colour_group_name",
            appearance="graphical_appearance_name",
            department="department_name",
            section="section_name",
            garment_group="garment_group_name",
        ),
    },
)


HM_EVENTS = simple(
    "hm_transactions",
    "H&M transactions",
    EVENTS,
    Signature(("t_dat", "customer_id", "article_id")),
    {
        "user_id": "customer_id",
        "item_id": "article_id",
        "occurred_at": "t_dat",
        "price": "price",
        "type": constant("purchase"),
        "session_id": lambda row: f"{row['customer_id']}/{row['t_dat']}",
    },
)


HM_CUSTOMERS = simple(
    "hm_customers",
    "H&M customers",
    SHOPPERS,
    Signature(("customer_id", "club_member_status")),
    {"user_id": "customer_id", "attributes": attributes(age="age", club="club_member_status")},
)


FORMATS = (HM_PRODUCTS, HM_EVENTS, HM_CUSTOMERS)
