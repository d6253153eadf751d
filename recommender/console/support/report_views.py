"""Overview of the service desk: weekly report, and a box to try questions."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from recommender.console.pages import need, open_shop, page
from recommender.models import HandoverReason, Message, Shop
from recommender.reviews.judging import OPINION
from recommender.support import weekly_report
from recommender.support.answering import Answer, Question, answer
from recommender.support.conversations import LONGEST_QUESTION
from recommender.support.defaults import settings_of
from recommender.support.intents import INTENT
from recommender.support.passages import ANSWERS
from recommender.support.weekly_report import Week

VIEW, CHANGE = "recommender.view_conversation", "recommender.change_conversation"
KIND_NAMES = {
    Message.TEMPLATE: "Template",
    Message.PASSAGES: "Quoted passage",
    Message.PRODUCTS: "Products",
    Message.HANDOVER: "Handover",
    Message.WAITING: "Waits for a person",
}


def overview(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, VIEW)
    settings = settings_of(shop)
    weeks = weekly_report.weeks(shop, settings)
    latest = weeks[-1]
    waiting = weekly_report.waiting(shop)
    return page(
        request,
        shop,
        "support/overview",
        "Service desk",
        sentence=_sentence(latest, waiting),
        weeks=list(reversed(weeks)),
        has_questions=any(week.questions for week in weeks),
        waiting=waiting,
        missing=[
            name
            for name, purpose in (("intents", INTENT), ("answers", ANSWERS), ("opinions", OPINION))
            if shop.champion(purpose) is None
        ],
        chart=_chart(weeks) if any(week.questions for week in weeks) else None,
    )


def _sentence(week: Week, waiting: int) -> str:
    if not week.questions:
        return f"No question this week. Conversations that wait for a person: {waiting}."
    return (
        f"Questions this week: {week.questions}, {week.share_answered:.0%} answered without a "
        f"person. Conversations that wait for a person: {waiting}."
    )


def _chart(weeks: list[Week]) -> dict[str, Any]:
    series = [
        ("knn", "answered", [week.answered for week in weeks]),
        ("challenger", "handed over", [week.handed_over for week in weeks]),
    ]
    return {
        "caption": "Questions by week",
        "alt": "Answered questions and handovers by week",
        "labels": [f"{week.begins:%-d %b}" for week in weeks],
        "y": "questions",
        "zero": True,
        "series": [
            {"role": role, "label": label, "data": data, "low": None, "high": None}
            for role, label, data in series
        ],
        "note": "Weeks begin on Monday. Trials of the console are left out.",
    }


@require_http_methods(["GET", "POST"])
def trial(request: HttpRequest, shop: str) -> HttpResponse:
    """A box to try questions; its conversation is marked as a trial."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    key = f"trial-{shop.pk}"
    if "restart" in request.POST or key not in request.session:
        request.session[key] = f"trial-{uuid.uuid4().hex}"
    made, question, problem = None, "", ""
    if request.method == "POST" and "restart" not in request.POST:
        need(request, CHANGE)
        question = request.POST.get("question", "").replace("\x00", "").strip()
        item_id = request.POST.get("item_id", "").replace("\x00", "").strip()
        if not question:
            problem = "Question: write one first."
        elif len(question) > LONGEST_QUESTION:
            problem = f"Question: at most {LONGEST_QUESTION:,} characters fit."
        else:
            asked = Question(question, request.session[key], item_id=item_id[:256], simulated=True)
            made = answer(shop, asked)
    return page(
        request,
        shop,
        "support/trial",
        "Try questions",
        sentence="Each answer shows what it is made of. A trial counts in no report.",
        question=question,
        item_id=request.POST.get("item_id", ""),
        problem=problem,
        made=made,
        facts=_facts(made) if made else [],
        messages_so_far=_messages(shop, request.session[key]),
        may_change=request.user.has_perm(CHANGE),
    )


def _messages(shop: Shop, session_id: str) -> list[Message]:
    found = Message.objects.filter(
        conversation__shop=shop,
        conversation__session_id=session_id,
        conversation__simulated=True,
    )
    return list(found.select_related("template_version__template"))


def _facts(made: Answer) -> list[tuple[str, str]]:
    """(name, value) of what decided the answer."""
    facts = [("Answer", KIND_NAMES[made.kind])]
    if made.reason:
        facts.append(("Reason of the handover", HandoverReason(made.reason).label))
    if made.intent:
        facts.append(("Intent", f"{made.intent}, confidence {made.intent_confidence:.2f}"))
    if made.confidence is not None:
        facts.append(("Confidence of the answer", f"{made.confidence:.2f}"))
    facts.append(("Language", made.language))
    return facts
