"""Examples of every request body, for the schema; a test sends each of them."""

from typing import Any

EVENTS: dict[str, dict[str, Any]] = {
    "view": {"type": "view", "user_id": "4711", "item_id": "22423"},
    "click on a recommendation": {
        "type": "click",
        "user_id": "4711",
        "items": [{"item_id": "22423", "position": 1}],
        "recommendation_id": "r-of-the-reply",
        "placement": "home_top",
    },
    "click on a search hit": {
        "type": "click",
        "session_id": "s-9f2",
        "items": [{"item_id": "22423", "position": 3}],
        "query_id": "q-of-the-reply",
    },
    "impression": {
        "type": "impression",
        "session_id": "s-9f2",
        "items": [{"item_id": "22423", "position": 1}, {"item_id": "84879", "position": 2}],
        "recommendation_id": "r-of-the-reply",
    },
    "search": {"type": "search", "session_id": "s-9f2", "query": "cake stand"},
    "share": {"type": "share", "user_id": "4711", "item_id": "22423"},
    "dislike": {"type": "dislike", "user_id": "4711", "item_id": "84879"},
    "rating": {"type": "rating", "user_id": "4711", "item_id": "22423", "rating": 4},
    "review": {"type": "review", "user_id": "4711", "item_id": "22423", "rating": 5},
    "add to cart": {
        "type": "add_to_cart",
        "user_id": "4711",
        "items": [{"item_id": "22423", "quantity": 2}],
    },
    "remove from cart": {
        "type": "remove_from_cart",
        "user_id": "4711",
        "items": [{"item_id": "22423", "quantity": 1}],
    },
    "purchase": {
        "type": "purchase",
        "user_id": "4711",
        "session_id": "s-9f2",
        "currency": "GBP",
        "items": [
            {"item_id": "22423", "quantity": 2, "price": "12.75"},
            {"item_id": "84879", "quantity": 1, "price": "1.69", "discount": "0.20"},
        ],
        "recommendation_id": "r-of-the-reply",
    },
    "return": {"type": "return", "user_id": "4711", "items": [{"item_id": "22423", "quantity": 1}]},
}
"""One event of each type, without event_id and time."""


def _event(name: str) -> dict[str, Any]:
    return {
        "event_id": f"order-1001-{name.replace(' ', '-')}",
        "occurred_at": "2026-01-31T10:15:00Z",
        **EVENTS[name],
    }


ITEM = {
    "title": "Regency cakestand, 3 tier",
    "description": "Of cream china with roses.",
    "brand": "Regency",
    "categories": ["Kitchen > Baking"],
    "price": {"amount": "12.75", "currency": "GBP"},
    "attributes": {"colour": ["cream", "red"], "height_cm": 40},
    "images": ["https://shop.example/22423.jpg"],
    "stock": {"state": "in_stock", "quantity": 12},
}
USER = {
    "attributes": {"country": "United Kingdom"},
    "consent": {"personalisation": True, "training": True},
    "merged_from": ["s-9f2"],
}
LIST = {"placement": "home_top", "user_id": "4711", "limit": 12}
FILTERED = {
    **LIST,
    "filter": "price < :most and stock.state = 'in_stock'",
    "params": {"most": 20},
    "explain": "full",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "POST /api/v1/recommendations": {
        "for a shopper": LIST,
        "with a filter": FILTERED,
        "on a product page": {
            "placement": "product_page",
            "user_id": "4711",
            "context": {"item_ids": ["22423"]},
        },
        "for a newcomer": {
            "placement": "home_top",
            "session_id": "s-9f2",
            "context": {"interests": ["baking"], "country": "United Kingdom"},
        },
    },
    "POST /api/v1/recommendations:page": {
        "a page": {
            "user_id": "4711",
            "placements": [{"placement": "home_top", "limit": 4}, {"placement": "discover"}],
        }
    },
    "POST /api/v1/recommendations:batch": {
        "a mailing": {"placement": "home_top", "user_ids": ["4711", "4712"], "limit": 6}
    },
    "POST /api/v1/recommendations:rows": {"titled rows": {"user_id": "4711", "rows": 3}},
    "POST /api/v1/rerank": {
        "a list of your own": {"user_id": "4711", "item_ids": ["22423", "84879"]}
    },
    "POST /api/v1/predictions": {
        "two products": {"user_id": "4711", "item_ids": ["22423", "84879"]}
    },
    "POST /api/v1/search": {
        "a query": {"query": "cake stand", "user_id": "4711", "limit": 20},
        "with a filter and facets": {
            "query": "cake stand",
            "session_id": "s-9f2",
            "filter": "price < :most",
            "params": {"most": 20},
            "facets": ["brand", {"field": "price", "ranges": [5, 10, 20]}],
            "sort": "price",
            "explain": "full",
        },
    },
    "POST /api/v1/reviews": {
        "a review": {
            "reviews": [
                {
                    "review_id": "rev-1",
                    "item_id": "22423",
                    "user_id": "4711",
                    "rating": 3,
                    "text": "Great quality, late delivery",
                    "created_at": "2026-01-31T10:15:00Z",
                }
            ]
        },
        "a message": {
            "reviews": [
                {"review_id": "mail-9", "channel": "message", "text": "Where is my parcel?"}
            ]
        },
    },
    "POST /api/v1/opinions:analyze": {
        "two texts": {"texts": ["Great quality, late delivery", "质量很好，物流太慢"]}
    },
    "POST /api/v1/assist": {
        "a question": {"question": "How long does delivery take?", "session_id": "s-9f2"},
        "on an order, from a server": {
            "question": "Where is my order?",
            "session_id": "s-9f2",
            "user_id": "4711",
            "order": {"order_id": "A-17", "status": "sent"},
        },
        "on the page of a product": {
            "question": "What is it made of?",
            "session_id": "s-9f2",
            "item_id": "22423",
        },
    },
    "POST /api/v1/assist:feedback": {
        "it helped": {"conversation_id": "conv_1", "message_id": "msg-2", "helped": True}
    },
    "POST /api/v1/conversations/{conversation_id}/answer": {
        "an answer": {"text": "Your parcel is on its way."}
    },
    "POST /api/v1/articles": {
        "a help page": {
            "articles": [
                {
                    "article_id": "returns",
                    "title": "Returns",
                    "text": "Send items back in their original box.",
                    "url": "https://shop.example/help/returns",
                }
            ]
        }
    },
    "POST /api/v1/browse": {
        "a category page": {
            "filter": "categories contains 'Kitchen'",
            "session_id": "s-9f2",
            "facets": ["brand", "attributes.colour"],
        }
    },
    "POST /api/v1/events": {name: {"events": [_event(name)]} for name in EVENTS},
    "POST /api/v1/collect": {"from a page": {"key": "vp_…", "events": [_event("view")]}},
    "PUT /api/v1/items/{item_id}": {"a product": ITEM},
    "PATCH /api/v1/items/{item_id}": {
        "sold out": {"stock": {"state": "out_of_stock"}},
        "hidden": {"hidden": True},
        "one attribute set, one removed": {"attributes": {"colour": ["blue"], "height_cm": None}},
    },
    "POST /api/v1/items:batch": {
        "two products": {
            "items": [{"item_id": "22423", **ITEM}, {"item_id": "84879", "title": "Bird ornament"}]
        }
    },
    "POST /api/v1/items:delete": {"two products": {"item_ids": ["22423", "84879"]}},
    "PUT /api/v1/attributes/{name}": {
        "a number": {"type": "number", "description": "height in centimeters"}
    },
    "POST /api/v1/users:batch": {
        "two shoppers": {
            "users": [
                {"user_id": "4711", **USER},
                {"user_id": "4712", "consent": {"personalisation": False}},
            ]
        }
    },
    "POST /api/v1/purges": {
        "old events": {"target": "events", "until": "2020-01-01T00:00:00Z", "confirm": 0},
        "products of a brand": {"target": "items", "filter": "brand = 'Old'", "confirm": 0},
    },
    "PUT /api/v1/placements/{key}": {
        "the home page": {
            "name": "Home page, top",
            "kind": "personal",
            "size": 12,
            "filter": "price < :max",
            "filter_values": {"max": 100},
            "diversity": 0.2,
        }
    },
    "PATCH /api/v1/placements/{key}": {
        "a boost and a pin": {
            "rules": [
                {"effect": "boost", "filter": "brand = 'Regency'", "factor": 2},
                {"effect": "pin", "item_ids": ["22423"], "position": 1, "name": "Tea week"},
            ]
        },
        "the end of a test": {"experiment": None},
    },
    "POST /api/v1/webhooks": {
        "the end of trainings": {
            "url": "https://shop.example/hooks/vitrine",
            "event_types": ["training_job.ended", "model.promoted", "alert.raised"],
            "description": "the data team's channel",
        }
    },
    "PATCH /api/v1/webhooks/{webhook_id}": {"a pause": {"active": False}},
    "POST /api/v1/webhooks/{webhook_id}/rotate-secret": {"a day of both": {"overlap_hours": 24}},
    "POST /api/v1/recommendations:facets": {
        "categories for a shopper": {
            "placement": "home_top",
            "user_id": "4711",
            "facet": "categories",
            "level": 1,
            "limit": 5,
        }
    },
    "POST /api/v1/keys": {
        "a server": {"name": "catalog feed", "scopes": ["catalog:read", "catalog:write"]},
        "pages": {
            "name": "home page",
            "public": True,
            "placements": ["home_top"],
            "search": True,
        },
    },
    "POST /api/v1/keys/{key_id}/rotate": {"a week of both": {"overlap_days": 7}},
    "PUT /api/v1/users/{user_id}": {"a shopper who signed in": USER},
    "PATCH /api/v1/users/{user_id}": {"a refusal": {"consent": {"personalisation": False}}},
    "POST /api/v1/training-jobs": {
        "the usual training": {"recipe": "fusion", "preset": "standard", "promote": "ask"}
    },
    "POST /api/v1/models/rollback": {"the ranking": {"purpose": "ranking"}},
}
