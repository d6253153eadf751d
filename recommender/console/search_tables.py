"""Admin tables of search: synonyms, settings, the log of queries."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from recommender.console.shop_access import OfShop
from recommender.console.tables import ReadOnly
from recommender.models import SearchQuery, SearchSettings, Synonym


class TellsOfSearch(OfShop):
    """Rows are deleted one by one, so that each invalidates what processes cache."""

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet) -> None:
        for row in queryset:
            row.delete()


@admin.register(Synonym)
class SynonymAdmin(TellsOfSearch):
    list_display = ["__str__", "state", "origin", "created_by", "shop"]
    list_filter = ["shop", "state", "origin"]
    search_fields = ["phrases", "also_finds"]
    fields = ["shop", "phrases", "also_finds", "state"]

    def get_readonly_fields(self, request, obj=None):
        return ["shop"] if obj else []

    def save_model(self, request: HttpRequest, obj: Synonym, form, change: bool) -> None:
        if not change:
            obj.created_by = request.user
        super().save_model(request, obj, form, change)


@admin.register(SearchSettings)
class SearchSettingsAdmin(TellsOfSearch):
    list_display = ["shop", "languages", "stop_words", "not_understood", "cross_encoder_ms"]
    fields = ["shop", "languages", "stop_words", "not_understood", "cross_encoder_ms"]

    def get_readonly_fields(self, request, obj=None):
        return ["shop"] if obj else []


@admin.register(SearchQuery)
class SearchQueryAdmin(ReadOnly):
    list_display = ["created_at", "text", "total", "corrected", "relaxed", "took_ms", "shop"]
    list_filter = ["shop", "relaxed", "simulated"]
    search_fields = ["=normalized", "=query_id"]
    search_help_text = "A query in small letters, or a query’s id, whole."
    ordering = ["-created_at"]
    list_select_related = ["shop"]
