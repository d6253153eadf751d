"""Topics of opinions: the default ones, or the shop's own, each with example clauses."""

from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from recommender.console.forms import check, line, lines
from recommender.console.pages import delete_audited, need, open_shop, page
from recommender.inference import opinion_model
from recommender.ingest.parsing import is_number
from recommender.models import AuditEntry, OpinionTopic, Shop

VIEW, CHANGE = "recommender.view_opinion", "recommender.change_opiniontopic"
POLARITIES = ("negative", "neutral", "positive")
MOST_TOPICS = 40


@require_http_methods(["GET", "POST"])
def topics(request: HttpRequest, shop: str) -> HttpResponse:
    """The topics of a shop; a POST saves one."""
    shop = open_shop(request, shop)
    need(request, VIEW)
    problem, draft = "", OpinionTopic(shop=shop, examples={})
    if request.method == "POST":
        need(request, CHANGE)
        draft = _draft(request, shop)
        try:
            _read(request, draft)
            _save(request, draft)
            return HttpResponseRedirect(reverse("admin:opinions_topics", args=[shop.key]))
        except ValueError as error:
            problem = str(error)
    elif (chosen := request.GET.get("topic", "")) and is_number(chosen):
        draft = get_object_or_404(shop.topics, pk=int(chosen))
    own = list(shop.topics.all())
    return page(
        request,
        shop,
        "opinions/topics",
        "Topics",
        sentence=f"Topics of this shop: {len(own)}."
        if own
        else "This shop has the default topics.",
        own=[(topic, _counts(topic.examples)) for topic in own],
        default=[
            (topic["name"], _counts(topic["examples"])) for topic in opinion_model.default_topics()
        ],
        topic=draft,
        fields=[(name, "\n".join(draft.examples.get(name, []))) for name in POLARITIES],
        problem=problem,
        may_change=request.user.has_perm(CHANGE),
    )


def _counts(examples: dict[str, list[str]]) -> list[int]:
    return [len(examples.get(name, [])) for name in POLARITIES]


def _draft(request: HttpRequest, shop: Shop) -> OpinionTopic:
    """The topic that the form is about: one of the shop, or a new one."""
    pk = request.POST.get("pk", "")
    return get_object_or_404(shop.topics, pk=int(pk)) if is_number(pk) else OpinionTopic(shop=shop)


def _read(request: HttpRequest, topic: OpinionTopic) -> None:
    """Fill a topic from the form. Raises ValueError that names the field."""
    topic.key, topic.name = line(request, "key"), line(request, "name")
    topic.examples = {name: lines(request, name, name.capitalize()) for name in POLARITIES}
    check(topic, ["shop", "id", "examples"])
    if not topic.examples["negative"] or not topic.examples["positive"]:
        raise ValueError("A topic needs at least one negative and one positive example.")


def _save(request: HttpRequest, topic: OpinionTopic) -> None:
    """Raises ValueError where another topic has the key, or where there are too many."""
    if topic.pk is None and topic.shop.topics.count() >= MOST_TOPICS:
        raise ValueError(f"At most {MOST_TOPICS} topics fit.")
    try:
        with transaction.atomic():
            topic.save()
            AuditEntry.objects.note(
                topic.shop, request.user, AuditEntry.CHANGED, f"Topic {topic}", "", "saved"
            )
    except IntegrityError:
        raise ValueError(f"Key: there is a topic {topic.key} already.") from None


@require_POST
def copy_default_topics(request: HttpRequest, shop: str) -> HttpResponse:
    """Make the default topics the shop's own, to change them."""
    shop = open_shop(request, shop)
    need(request, CHANGE)
    with transaction.atomic():
        Shop.objects.select_for_update().get(pk=shop.pk)
        if not shop.topics.exists():
            OpinionTopic.objects.bulk_create(
                OpinionTopic(shop=shop, **topic) for topic in opinion_model.default_topics()
            )
            AuditEntry.objects.note(
                shop, request.user, AuditEntry.CHANGED, "Topics", "default", "own"
            )
    return HttpResponseRedirect(reverse("admin:opinions_topics", args=[shop.key]))


@require_POST
def delete_topic(request: HttpRequest, shop: str, pk: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, CHANGE)
    topic = get_object_or_404(shop.topics, pk=pk)
    delete_audited(request, topic, "Topic")
    return HttpResponseRedirect(reverse("admin:opinions_topics", args=[shop.key]))
