"""Unanswered queue: alike questions become a template or an article, or are dismissed."""

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from recommender.console.forms import line, text
from recommender.console.pages import need, open_shop, page
from recommender.console.support.report_views import CHANGE, VIEW
from recommender.console.support.template_views import LEARNED
from recommender.ingest.parsing import is_number
from recommender.models import AuditEntry, Shop
from recommender.support import authoring, unanswered

SHOWN = 40


@require_http_methods(["GET", "POST"])
def queue(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    problem = ""
    if request.method == "POST":
        need(request, CHANGE)
        try:
            messages.success(request, _act(request, shop))
            return HttpResponseRedirect(reverse("admin:support_unanswered", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    waiting = unanswered.waiting(shop).count()
    return page(
        request,
        shop,
        "support/unanswered",
        "Unanswered questions",
        sentence=f"Questions without an answer that helped: {waiting:,}.",
        clusters=unanswered.clusters(shop)[:SHOWN],
        read=unanswered.READ,
        waiting=waiting,
        intents=shop.intents.order_by("name"),
        problem=problem,
        typed={name: request.POST.get(name, "") for name in ("act", "intent", "title", "text")},
        failed=[int(pk) for pk in request.POST.getlist("message") if is_number(pk)],
        may_change=request.user.has_perm(CHANGE),
    )


def _act(request: HttpRequest, shop: Shop) -> str:
    """Make a template or an article of a cluster, or dismiss it, and say so. Raises ValueError."""
    pks = [int(pk) for pk in request.POST.getlist("message") if is_number(pk)]
    act = request.POST.get("act", "")
    try:
        with transaction.atomic():
            if act == "template":
                need(request, "recommender.add_answertemplate")
                made = authoring.template_of_questions(
                    shop, pks, line(request, "intent"), text(request, "text"), request.user
                )
            elif act == "article":
                need(request, "recommender.add_article")
                made = authoring.article_of_questions(
                    shop, pks, line(request, "title"), text(request, "text")
                )
            else:
                made = "dismissed"
            done = {
                "template": f"Template {made} is saved. {LEARNED}",
                "article": f"Article {made} is saved. Answers quote it in a moment.",
            }
            settled = unanswered.settle(shop, pks)
            AuditEntry.objects.note(
                shop,
                request.user,
                AuditEntry.CHANGED,
                "Unanswered questions",
                str(settled),
                str(made),
            )
    except IntegrityError:
        raise ValueError(
            "Another person has made the same one at this moment; try again."
        ) from None
    return done.get(act, f"Dismissed: {settled}.")
