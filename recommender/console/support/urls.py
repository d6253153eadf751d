"""Addresses of the pages of the service desk: (route, view, name)."""

from recommender.console.support import (
    article_views,
    inbox_views,
    report_views,
    settings_views,
    template_views,
    unanswered_views,
)

BASE = "s/<slug:shop>/support/"
PAGES = [
    (BASE, report_views.overview, "support"),
    (f"{BASE}try/", report_views.trial, "support_trial"),
    (f"{BASE}inbox/", inbox_views.inbox, "support_inbox"),
    (f"{BASE}transcripts/", inbox_views.transcripts, "support_transcripts"),
    (
        f"{BASE}conversations/<int:pk>/",
        inbox_views.conversation,
        "support_conversation",
    ),
    (f"{BASE}unanswered/", unanswered_views.queue, "support_unanswered"),
    (f"{BASE}templates/", template_views.templates, "support_templates"),
    (f"{BASE}templates/<int:pk>/", template_views.template, "support_template"),
    (
        f"{BASE}templates/<int:pk>/delete/",
        template_views.delete_template,
        "support_template_delete",
    ),
    (f"{BASE}intents/", template_views.intents, "support_intents"),
    (
        f"{BASE}intents/<int:pk>/delete/",
        template_views.delete_intent,
        "support_intent_delete",
    ),
    (f"{BASE}articles/", article_views.articles, "support_articles"),
    (
        f"{BASE}articles/<int:pk>/delete/",
        article_views.delete_article,
        "support_article_delete",
    ),
    (f"{BASE}settings/", settings_views.settings_page, "support_settings"),
]
