from recommender.models.alerts import Alert
from recommender.models.api_keys import ApiKey
from recommender.models.audit import AuditEntry
from recommender.models.changes import Change
from recommender.models.conversations import Conversation, HandoverReason, Message
from recommender.models.erasures import Erasure
from recommender.models.events import Event
from recommender.models.exposures import ServedList
from recommender.models.feeds import Feed
from recommender.models.file_mappings import FileMapping
from recommender.models.idempotent_replies import IdempotentReply
from recommender.models.labeled_texts import Dialogue, Judgement, Review
from recommender.models.opinions import (
    Opinion,
    OpinionCount,
    OpinionLabel,
    OpinionTopic,
    SurgeRule,
)
from recommender.models.passages import Passage
from recommender.models.placements import Placement
from recommender.models.platform_hooks import HookDelivery, PlatformHook
from recommender.models.precomputed_lists import RecommendationList
from recommender.models.product_attributes import ProductAttribute
from recommender.models.product_vectors import ProductVector
from recommender.models.products import GoneProduct, Product, ProductName
from recommender.models.purges import Purge
from recommender.models.registry import MetricPoint, ModelVersion, TrainingRun
from recommender.models.search_queries import EvaluationQuerySet, SearchQuery
from recommender.models.search_settings import SearchSettings, Synonym
from recommender.models.service_desk import (
    AnswerTemplate,
    Article,
    SupportIntent,
    SupportSettings,
    TemplateVersion,
)
from recommender.models.shoppers import SessionLink, Shopper
from recommender.models.shops import Shop
from recommender.models.webhooks import Webhook, WebhookDelivery

__all__ = [
    "Alert",
    "AnswerTemplate",
    "ApiKey",
    "Article",
    "AuditEntry",
    "Change",
    "Conversation",
    "Dialogue",
    "Erasure",
    "EvaluationQuerySet",
    "Event",
    "Feed",
    "FileMapping",
    "GoneProduct",
    "HandoverReason",
    "HookDelivery",
    "IdempotentReply",
    "Judgement",
    "Message",
    "MetricPoint",
    "ModelVersion",
    "Opinion",
    "OpinionCount",
    "OpinionLabel",
    "OpinionTopic",
    "Passage",
    "Placement",
    "PlatformHook",
    "Product",
    "ProductAttribute",
    "ProductName",
    "ProductVector",
    "Purge",
    "RecommendationList",
    "Review",
    "SearchQuery",
    "SearchSettings",
    "ServedList",
    "SessionLink",
    "Shop",
    "Shopper",
    "SupportIntent",
    "SupportSettings",
    "SurgeRule",
    "Synonym",
    "TemplateVersion",
    "TrainingRun",
    "Webhook",
    "WebhookDelivery",
]
