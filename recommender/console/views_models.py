"""Models: what serves, what could, and the step between."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from recommender import engine, pipeline, scoring
from recommender.console import leaderboard
from recommender.console.pages import MAY_PROMOTE, need, open_shop, page
from recommender.models import ModelVersion, Shop

SHOWN = 30
CHART_SYSTEMS = [("vitrine", "Versions", "champion"), ("item_knn", "Item-kNN", "knn"), ("popularity_30d", "Popularity, 30 days", "popularity")]


def versions(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    listed = list(shop.versions.filter(purpose="ranking").select_related("run", "run__created_by")[:SHOWN])
    champion = next((v for v in listed if v.is_champion), None) or shop.champion()
    entries = [_entry(v, champion) for v in listed]
    context = {
        "entries": entries, "champion": champion, "earlier": champion.previous() if champion else None, "chart": _chart(listed),
        "may_promote": request.user.has_perm(MAY_PROMOTE), "sentence": _sentence(listed, champion),
    }  # fmt: skip
    return page(request, shop, "models", "Models", **context)


def _entry(version: ModelVersion, champion: ModelVersion | None) -> dict:
    row = next((r for r in leaderboard.rows(version.report) if r.name == "This version"), None)
    same = champion is not None and _days(version) == _days(champion)
    return {"version": version, "row": row, "same_days": same, "verdict": leaderboard.verdict(version.report)}


def _days(version: ModelVersion) -> tuple:
    protocol = version.report.get("protocol", {})
    return protocol.get("cut"), protocol.get("days")


def _sentence(listed: list[ModelVersion], champion: ModelVersion | None) -> str:
    if not listed:
        return "No model yet; shoppers see what is popular."
    if champion is None:
        return "No version serves; shoppers see what is popular."
    waiting = [v for v in listed if v.status == "candidate" and v.number > champion.number]
    since = f" since {champion.promoted_at:%-d %B}" if champion.promoted_at else ""
    return f"{champion} serves every shopper{since}." + (f" {waiting[0]} waits for a decision." if waiting else "")


def _chart(listed: list[ModelVersion]) -> dict | None:
    """NDCG@10 of the versions over their numbers, with the baselines that were measured beside each, and 95 % intervals."""
    judged = [v for v in reversed(listed) if v.report.get("all")]
    if not judged:
        return None
    series = []
    for key, label, role in CHART_SYSTEMS:
        measures = [v.report["all"]["systems"].get(key, {}).get("ndcg@10", {}) for v in judged]
        bounds = {name: [m.get(bound) for m in measures] for name, bound in (("data", "value"), ("low", "low"), ("high", "high"))}
        series.append({"label": label, "role": role, **bounds})
    return {"labels": [str(v) for v in judged], "series": series, "y": "NDCG@10", "zero": True}


def find_version(shop: Shop, number: int) -> ModelVersion:
    return get_object_or_404(shop.versions.select_related("run", "run__created_by", "promoted_by"), number=number)


def version(request: HttpRequest, shop: str, number: int) -> HttpResponse:
    shop = open_shop(request, shop)
    found = find_version(shop, number)
    champion = shop.champion()
    tab = "discovery" if request.GET.get("of") == "discovery" else "all"
    fresh, could = scoring.counts(found)
    context = {
        "version": found, "champion": champion, "earlier": found.previous() if found.is_champion else None, "tab": tab,
        "rows": leaderboard.rows(found.report, tab, found.is_champion), "segments": leaderboard.segment_rows(found.report, tab),
        "report": found.report,
        "sentence": f"{found} {_state_words(found)}. {leaderboard.verdict(found.report)}", "lists": (fresh, could),
        "may_promote": request.user.has_perm(MAY_PROMOTE), "size_mb": _size_mb(found),
    }  # fmt: skip
    return page(request, shop, "version", f"Version {found.number}", **context)


def _state_words(found: ModelVersion) -> str:
    words = {
        "champion": "serves every shopper",
        "candidate": "waits for a decision",
        "refused": "was refused by the gate",
        "retired": "served before",
    }
    return words[found.status]


def _size_mb(found: ModelVersion) -> int | None:
    folder = engine.checkpoint_path(found.folder)
    return round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6) if folder.exists() else None


@require_POST
def promote(request: HttpRequest, shop: str, number: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_PROMOTE)
    found = find_version(shop, number)
    try:
        pipeline.promote_version(found, request.user)
    except engine.BrokenCheckpoint as error:
        messages.error(request, f"{found} cannot serve: {error}. Nothing has changed.")
    else:
        messages.success(request, f"{found} is live. Stored lists are being made anew.")
    return redirect("admin:models", shop=shop.key)


@require_POST
def rollback(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_PROMOTE)
    earlier = pipeline.roll_back(shop)
    if earlier:
        messages.success(request, f"Rolled back: {earlier} is live again.")
    else:
        messages.error(request, "There is no earlier version to roll back to.")
    return redirect("admin:models", shop=shop.key)
