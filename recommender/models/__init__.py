from recommender.models.access import ApiKey
from recommender.models.alerts import Alert
from recommender.models.audit import AuditEntry
from recommender.models.catalog import GoneProduct, Product
from recommender.models.changes import Change
from recommender.models.erasures import Erasure
from recommender.models.events import Event
from recommender.models.placements import Placement, RecommendationList
from recommender.models.registry import MetricPoint, ModelVersion, TrainingRun
from recommender.models.reviews import Dialogue, Judgement, Review
from recommender.models.served import ServedList
from recommender.models.shoppers import SessionLink, Shopper
from recommender.models.shops import Shop
from recommender.models.vectors import ProductVector

__all__ = [
    "Alert",
    "ApiKey",
    "AuditEntry",
    "Change",
    "Dialogue",
    "Erasure",
    "Event",
    "GoneProduct",
    "Judgement",
    "MetricPoint",
    "ModelVersion",
    "Placement",
    "Product",
    "ProductVector",
    "RecommendationList",
    "Review",
    "ServedList",
    "SessionLink",
    "Shop",
    "Shopper",
    "TrainingRun",
]
