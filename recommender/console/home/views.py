"""Home: state of the shop and next step."""

from datetime import timedelta

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.timesince import timesince
from django_celery_beat.models import PeriodicTask

from recommender.console.models.leaderboard import verdict
from recommender.console.navigation import shop_of
from recommender.console.pages import open_shop, page, part
from recommender.console.strip import strip_of
from recommender.console.training.recipe_choices import latest_runs
from recommender.models import Event, Message, ModelVersion, Shop
from recommender.monitoring.operations import unwatched_since
from recommender.recommendations import batch_scoring
from recommender.reviews import opinions
from recommender.reviews.opinions import Selection


def landing(request: HttpRequest) -> HttpResponse:
    """/console/: redirects to the last opened shop. Raises PermissionDenied."""
    shop = shop_of(request)
    if shop is None and Shop.objects.exists():
        raise PermissionDenied(
            "You may sign in, but not see a shop yet. Ask to become a member of one."
        )
    if shop is None:
        return redirect("admin:recommender_shop_add")
    return redirect("admin:home", shop=shop.key)


def home(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    champion = shop.champion()
    last_event = (
        Event.objects.of(shop)
        .order_by("-occurred_at")
        .values_list("occurred_at", flat=True)
        .first()
    )
    waiting = (
        shop.versions.filter(status="candidate", gate_passed=True).select_related("run").first()
    )
    fresh, could = batch_scoring.counts(champion)
    counts = {
        "products": shop.products.count(),
        "shoppers": shop.shoppers.count(),
        "events": shop.events.usable().count(),
    }
    alerts = list(shop.alerts.shown()[:20])
    context = {
        "champion": champion,
        "champion_ndcg": _ndcg(champion),
        "popularity_ndcg": _ndcg(champion, "popularity_30d"),
        "counts": counts,
        "last_event": last_event,
        "lists": (fresh, could),
        "waiting": waiting,
        "runs": latest_runs(shop, 6),
        "alerts": alerts,
        "voices": _voices(request, shop),
        "coming": _coming(),
        "sentence": sentence(shop, champion, waiting, counts, fresh, could, len(alerts)),
    }
    return page(request, shop, "home/page", "Home", **context)


def sentence(
    shop: Shop,
    champion: ModelVersion | None,
    waiting: ModelVersion | None,
    counts: dict,
    fresh: int,
    could: int,
    alerts: int = 0,
) -> str:
    if not counts["products"] or not counts["events"]:
        return (
            "Nothing is measured yet. Bring in products and orders; the first lists follow in "
            "minutes."
        )
    run = shop.runs.active().first()
    if champion is None:
        return (
            "The first model is being trained; until then shoppers see what is popular."
            if run
            else "No model yet: shoppers see what is popular."
        )
    if waiting and waiting.number > champion.number:
        return f"{champion} serves. {waiting} waits for you. {verdict(waiting.report)}"
    live = (
        f"{champion} has been live for {timesince(champion.promoted_at).split(',')[0]}"
        if champion.promoted_at
        else f"{champion} is live"
    )
    if silent := unwatched_since(shop, timezone.now()):
        return (
            f"{live}, but nothing has been watched since {silent:%-d %B at %H:%M} UTC: are beat "
            "and a worker running?"
        )
    if alerts:
        return f"{live}; {'one thing needs' if alerts == 1 else f'{alerts} things need'} a look."
    lists = (
        "every list is ready"
        if fresh >= could
        else f"{fresh:,} of {could:,} lists are ready, the rest are made on request"
    )
    return f"All is well. {live}; {lists}."


def _ndcg(version: ModelVersion | None, system: str = "vitrine") -> float | None:
    metrics = version.report.get("all", {}).get("systems", {}).get(system) if version else None
    return metrics["ndcg@10"]["value"] if metrics else None


def _voices(request: HttpRequest, shop: Shop) -> list[dict[str, str]]:
    """Tiles of opinions and the service desk, where the shop has them and the user may see them."""
    tiles = []
    if request.user.has_perm("recommender.view_opinion"):
        today = timezone.localdate(timezone=shop.zone)
        week = Selection(today - timedelta(days=6), today)
        total = opinions.total_of(shop, week)
        if total.judged:
            tiles.append(
                {
                    "title": "Complaints",
                    "value": f"{total.negative:,}",
                    "note": f"in 7 days, {total.share('negative'):.0%} of the opinions",
                    "link": reverse("admin:opinions", args=[shop.key]),
                }
            )
    if request.user.has_perm("recommender.view_conversation"):
        waiting = shop.conversations.waiting().count()
        unanswered = Message.objects.unanswered().filter(conversation__shop=shop).count()
        if waiting or unanswered:
            tiles.append(
                {
                    "title": "Service desk",
                    "value": f"{waiting:,}",
                    "note": f"wait for a person; {unanswered:,} unanswered questions",
                    "link": reverse("admin:support_inbox", args=[shop.key]),
                }
            )
    return tiles


COMING = tuple(
    f"recommender.tasks.{name}"
    for name in ("learn_on_every_shop", "train_every_shop", "score_every_shop")
)
"""Scheduled tasks that matter to merchandisers."""


def _coming() -> list[dict]:
    now = timezone.now()
    tasks = PeriodicTask.objects.filter(enabled=True, task__in=COMING).select_related(
        "crontab", "interval"
    )
    due = []
    for task in tasks:
        seconds = task.schedule.remaining_estimate(task.last_run_at or now).total_seconds()
        due.append(
            {"name": task.name, "at": now + timezone.timedelta(seconds=max(0, seconds) + 30)}
        )  # shown to the minute
    return sorted(due, key=lambda d: d["at"])[:4]


def strip(request: HttpRequest, shop: str) -> HttpResponse:
    """The status line under the header, which HTMX polls."""
    shop = open_shop(request, shop)
    if dismissed := request.GET.get("dismiss"):
        request.session["strip_dismissed"] = dismissed
    return part(request, "_strip", **strip_of(request, shop))
