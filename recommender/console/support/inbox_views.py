"""Inbox and transcripts: conversations that wait for a person, and all the others."""

from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from recommender.console.forms import text
from recommender.console.pages import need, open_shop, page
from recommender.console.support.report_views import CHANGE, KIND_NAMES, VIEW
from recommender.ingest.parsing import is_number
from recommender.models import Conversation, HandoverReason, Message
from recommender.models.conversations import STATE_NAMES
from recommender.models.service_desk import LONGEST_ANSWER
from recommender.support import handover

SHOWN = 50
LONGEST_NOTE = 4_000


def inbox(request: HttpRequest, shop: str) -> HttpResponse:
    """Conversations that wait for a person, the longest waiting first."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    rows = Conversation.objects.of(shop).waiting().select_related("assigned_to")
    return page(
        request,
        shop,
        "support/inbox",
        "Inbox",
        sentence=f"Conversations that wait for a person: {rows.count()}.",
        conversations=rows[:SHOWN],
        answered=Conversation.objects.of(shop).answered().select_related("assigned_to")[:SHOWN],
    )


def transcripts(request: HttpRequest, shop: str) -> HttpResponse:
    """All conversations, newest first."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    rows = Conversation.objects.of(shop)
    state, reason = request.GET.get("state", ""), request.GET.get("reason", "")
    words = request.GET.get("q", "").replace("\x00", "").strip()[:200]
    if state in dict(STATE_NAMES):
        rows = rows.filter(state=state)
    if reason in HandoverReason.values:
        rows = rows.filter(handover_reason=reason)
    if words:
        rows = rows.filter(
            pk__in=Message.objects.filter(conversation__shop=shop, text__icontains=words).values(
                "conversation"
            )
        )
    shown = Paginator(rows.order_by("-last_at", "-pk"), SHOWN).get_page(request.GET.get("page"))
    first = Message.objects.filter(
        conversation__in=[one.pk for one in shown], author=Message.SHOPPER
    ).order_by("-pk")
    questions = {message.conversation_id: message.text for message in first}
    return page(
        request,
        shop,
        "support/transcripts",
        "Transcripts",
        sentence=f"Conversations: {shown.paginator.count:,}.",
        shown=shown,
        rows=[(one, questions.get(one.pk, "")) for one in shown],
        states=STATE_NAMES,
        reasons=HandoverReason.choices,
        chosen={"state": state, "reason": reason, "q": words},
        query=urlencode({"state": state, "reason": reason, "q": words}),
    )


@require_http_methods(["GET", "POST"])
def conversation(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    """One conversation; a POST answers, notes, closes it, or adopts an answer."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    one = get_object_or_404(Conversation.objects.of(shop), pk=pk)
    problem = ""
    if request.method == "POST":
        need(request, CHANGE)
        try:
            messages.success(request, _act(request, one))
            return HttpResponseRedirect(
                reverse("admin:support_conversation", args=[shop.key, one.pk])
            )
        except ValueError as error:
            problem = str(error)
    return page(
        request,
        shop,
        "support/conversation",
        "Conversation",
        sentence=f"{one.get_state_display()}. Begun on {one.started_at:%-d %B %Y, %H:%M} UTC.",
        conversation=one,
        thread=one.messages.select_related("person", "template_version__template"),
        kind_names=KIND_NAMES,
        problem=problem,
        typed=request.POST.get("text", "") if problem else "",
        may_change=request.user.has_perm(CHANGE),
    )


def _act(request: HttpRequest, one: Conversation) -> str:
    """Do what the form says, and say so. Raises ValueError that names the field."""
    act = request.POST.get("act", "")
    if act in ("answer", "answer_close"):
        given = text(request, "text")
        if not given:
            raise ValueError("Answer: write one first.")
        if len(given) > LONGEST_ANSWER:
            raise ValueError(f"Answer: at most {LONGEST_ANSWER:,} characters fit.")
        if one.state == Conversation.CLOSED:
            raise ValueError("The conversation is closed.")
        handover.answer_as_person(one, request.user, given)
    if act in ("close", "answer_close"):
        one.refresh_from_db()
        handover.close(one)
    elif act == "note":
        note = text(request, "note")
        if len(note) > LONGEST_NOTE:
            raise ValueError(f"Note: at most {LONGEST_NOTE:,} characters fit.")
        one.note = note
        one.save(update_fields=["note"])
    elif act == "adopt":
        number = request.POST.get("message", "")
        found = one.messages.filter(author=Message.PERSON)
        message = get_object_or_404(found, pk=int(number) if is_number(number) else 0)
        if handover.adopt(message) is None:
            raise ValueError("No question is before this answer.")
    return DONE.get(act, "Nothing was done.")


DONE = {
    "answer": "The answer is sent.",
    "answer_close": "The answer is sent, and the conversation is closed.",
    "close": "The conversation is closed.",
    "note": "The note is saved.",
    "adopt": "The answer is adopted: a worker makes it known in a moment.",
}
