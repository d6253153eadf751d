"""Articles: help pages that answers quote."""

import uuid

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from recommender.console.forms import line, text
from recommender.console.pages import delete_audited, need, open_shop, page
from recommender.infrastructure import task_queue
from recommender.ingest.parsing import is_number
from recommender.models import Article, AuditEntry, Passage, Shop
from recommender.support import authoring

VIEW, CHANGE = "recommender.view_article", "recommender.change_article"
SHOWN = 50


@require_http_methods(["GET", "POST"])
def articles(request: HttpRequest, shop: str) -> HttpResponse:
    """The articles of a shop; a POST saves one."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    problem, draft = "", Article(shop=shop)
    if request.method == "POST":
        need(request, CHANGE)
        draft = _draft(request, shop)
        try:
            authoring.save_article(
                draft,
                line(request, "title"),
                text(request, "text"),
                line(request, "url"),
                line(request, "language")[:8],
            )
            AuditEntry.objects.note(
                shop, request.user, AuditEntry.CHANGED, f"Article {draft}", "", "saved"
            )
            messages.success(request, f"Article {draft} is saved. Answers quote it in a moment.")
            return HttpResponseRedirect(reverse("admin:support_articles", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    elif is_number(chosen := request.GET.get("article", "")):
        draft = get_object_or_404(shop.articles, pk=int(chosen))
    shown = Paginator(shop.articles.all(), SHOWN).get_page(request.GET.get("page"))
    made = Passage.objects.of(shop).order_by()
    counts = dict(made.values_list("kind").annotate(Count("pk")))
    of_articles = dict(
        made.filter(kind=Passage.ARTICLE, source_id__in=[one.article_id for one in shown])
        .values_list("source_id")
        .annotate(Count("pk"))
    )
    return page(
        request,
        shop,
        "support/articles",
        "Articles",
        sentence=_sentence(shown.paginator.count, counts),
        shown=shown,
        rows=[(one, of_articles.get(one.article_id, 0)) for one in shown],
        counts=[(NAMES[kind], counts.get(kind, 0)) for kind in Passage.KINDS],
        article=draft,
        typed={name: request.POST.get(name, "") for name in ("title", "text", "url", "language")}
        if problem
        else None,
        problem=problem,
        may_change=request.user.has_perm(CHANGE),
    )


NAMES = {
    Passage.ARTICLE: "Articles",
    Passage.DIALOGUE: "Solved dialogues",
    Passage.PRODUCT: "Products",
    Passage.REVIEW: "Reviews",
}


def _sentence(articles: int, counts: dict[str, int]) -> str:
    return f"Articles: {articles:,}. Passages that answers can quote: {sum(counts.values()):,}."


def _draft(request: HttpRequest, shop: Shop) -> Article:
    """The article that the form is about: one of the shop, or a new one."""
    pk = request.POST.get("pk", "")
    if is_number(pk):
        return get_object_or_404(shop.articles, pk=int(pk))
    return Article(shop=shop, article_id=f"article-{uuid.uuid4().hex[:12]}")


@require_POST
def delete_article(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, "recommender.delete_article")
    delete_audited(request, get_object_or_404(shop.articles, pk=pk), "Article")
    task_queue.enqueue("update_passages", shop.pk, Passage.ARTICLE)
    return HttpResponseRedirect(reverse("admin:support_articles", args=[shop.key]))
