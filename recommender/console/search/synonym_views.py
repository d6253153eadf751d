"""Synonyms: proposals from behavior, what each would change, approval."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_POST

from recommender.console.pages import need, open_shop, page
from recommender.inference import search_metrics
from recommender.inference.search_index import IndexNotReady
from recommender.models import AuditEntry, Shop, Synonym
from recommender.search.configurations import LIVE, Configuration
from recommender.search.evaluation import hits_of
from recommender.search.synonym_proposals import propose

SHOWN, PREVIEWED = 50, 10


def synonyms(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.view_synonym")
    rows = list(shop.synonyms.filter(state=Synonym.PROPOSED).order_by("pk")[:SHOWN])
    live = shop.synonyms.filter(state=Synonym.LIVE).count()
    asked = request.GET.get("preview", "")
    changed = next((row for row in rows if str(row.pk) == asked), None)
    return page(
        request,
        shop,
        "search/synonyms",
        "Synonyms",
        sentence=f"Live synonyms: {live}. Proposals: {len(rows)}.",
        rows=rows,
        previewed=changed,
        changes=_changes(shop, changed) if changed else [],
    )


def _changes(shop: Shop, synonym: Synonym) -> list[dict]:
    """Per phrase, the first products now and with the synonym."""
    out = []
    after = Configuration(proposed=(synonym.pk,))
    for phrase in synonym.phrases[:5]:
        try:
            lists = [hits_of(shop, phrase, one, PREVIEWED) for one in (LIVE, after)]
        except IndexNotReady:
            return []
        ids = [[hit.item_id for hit in hits] for hits in lists]
        out.append(
            {
                "phrase": phrase,
                "before": lists[0],
                "after": lists[1],
                "new": set(ids[1]) - set(ids[0]),
                "overlap": round(100 * search_metrics.overlap(*ids, PREVIEWED)),
            }
        )
    return out


@require_POST
def look_for_synonyms(request: HttpRequest, shop: str) -> HttpResponse:
    """Look for proposals in the searches of the last two months."""
    shop = open_shop(request, shop)
    need(request, "recommender.add_synonym")
    propose(shop)
    return HttpResponseRedirect(reverse("admin:search_synonyms", args=[shop.key]))


@require_POST
def decide_synonym(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """Make a proposal live, or turn it down."""
    shop = open_shop(request, shop)
    need(request, "recommender.change_synonym")
    synonym = get_object_or_404(shop.synonyms, pk=pk)
    before = synonym.get_state_display()
    synonym.state = Synonym.LIVE if request.POST.get("decision") == "live" else Synonym.OFF
    synonym.save()
    AuditEntry.objects.note(
        shop, request.user, AuditEntry.CHANGED, str(synonym), before, synonym.get_state_display()
    )
    return HttpResponseRedirect(reverse("admin:search_synonyms", args=[shop.key]))
