"""Models: champions, challengers, promotion and rollback."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from recommender.console.models import leaderboard
from recommender.console.pages import MAY_PROMOTE, need, open_shop, page
from recommender.inference import checkpoint_files, training_options
from recommender.model_lifecycle import promotion
from recommender.model_lifecycle.report_labels import MEASURES, primary
from recommender.models import AuditEntry, ModelVersion, Shop
from recommender.recommendations import batch_scoring

SHOWN, CHANGES = 30, 10
PURPOSES = {
    "ranking": "Ranking",
    "search": "Search",
    "encoder": "Text encoders",
    "behaviour": "Purchase probability",
    "rating": "Rating",
    "sentiment": "Sentiment",
    "topic": "Topics",
    "opinion": "Opinions",
    "intent": "Intents",
    "answers": "Answers",
}
"""Labels of purposes. Others are labeled by their key."""


def purpose_name(purpose: str) -> str:
    return PURPOSES.get(purpose, purpose.capitalize())


def _purpose(given: str | None) -> str:
    """The purpose in the request, where it is valid; else ranking."""
    return given if given in training_options.purposes() else "ranking"


def versions(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    purpose = _purpose(request.GET.get("of"))
    listed = list(
        shop.versions.filter(purpose=purpose).select_related("run", "run__created_by")[:SHOWN]
    )
    champion = next((v for v in listed if v.is_champion), None) or shop.champion(purpose)
    entries = [_entry(v, champion) for v in listed]
    purposes = {
        "ranking",
        purpose,
        *shop.versions.order_by().values_list("purpose", flat=True).distinct(),
    }
    ordered = dict.fromkeys([*PURPOSES, *sorted(purposes)])
    context = {
        "entries": entries,
        "champion": champion,
        "earlier": champion.previous() if champion else None,
        "chart": _chart(listed),
        "purpose": purpose,
        "purposes": [(key, purpose_name(key)) for key in ordered if key in purposes],
        "may_promote": request.user.has_perm(MAY_PROMOTE),
        "changes": AuditEntry.objects.of(shop).filter(subject=purpose)[:CHANGES],
        "sentence": _sentence(listed, champion, purpose),
        "measure": leaderboard.board(listed[0].report).measure if listed else "NDCG@10",
    }
    return page(request, shop, "models/models", "Models", **context)


def _entry(version: ModelVersion, champion: ModelVersion | None) -> dict:
    row = next(
        (
            r
            for r in leaderboard.board(version.report, serves=version.is_champion).rows
            if r.name == "This version"
        ),
        None,
    )
    same = champion is not None and _days(version) == _days(champion)
    return {
        "version": version,
        "row": row,
        "same_days": same,
        "verdict": leaderboard.verdict(version.report, serves=version.is_champion),
    }


def _days(version: ModelVersion) -> tuple:
    protocol = version.report.get("protocol", {})
    return protocol.get("cut"), protocol.get("days"), protocol.get("test")


def _sentence(listed: list[ModelVersion], champion: ModelVersion | None, purpose: str) -> str:
    ranks = purpose == "ranking"
    if not listed:
        return (
            "No model yet; shoppers see what is popular."
            if ranks
            else f"No model for this yet: {purpose_name(purpose).lower()}."
        )
    if champion is None:
        return (
            "No version serves; shoppers see what is popular."
            if ranks
            else "No version has been promoted yet."
        )
    waiting = [v for v in listed if v.status == "candidate" and v.number > champion.number]
    since = f" since {champion.promoted_at:%-d %B}" if champion.promoted_at else ""
    serves = (
        ("has been live for every shopper" if since else "is live for every shopper")
        if ranks
        else "has been in use"
        if since
        else "is in use"
    )
    return f"{champion} {serves}{since}." + (
        f" {waiting[0]} waits for a decision." if waiting else ""
    )


def _chart(listed: list[ModelVersion]) -> dict | None:
    """Chart data: main metric by version number with its 95 % interval, and the baselines of each
    report.
    """
    judged = [v for v in reversed(listed) if leaderboard.systems_of(v.report)]
    if not judged:
        return None
    deciding = primary(judged[-1].report)
    shown = {
        "": ("Versions", "champion"),
        "item_knn": ("Item-kNN", "knn"),
        deciding["baseline"]: leaderboard.NAMES.get(deciding["baseline"]),
    }
    series = []
    for key, words in shown.items():
        systems = [
            leaderboard.systems_of(v.report).get(key or primary(v.report)["system"]) or {}
            for v in judged
        ]
        measures = [s.get(deciding["measure"], {}) for s in systems]
        if words is None or not any(measures):
            continue
        bounds = {
            name: [m.get(bound) for m in measures]
            for name, bound in (("data", "value"), ("low", "low"), ("high", "high"))
        }
        series.append({"label": words[0], "role": words[1], **bounds})
    name = MEASURES.get(deciding["measure"], deciding["measure"])
    return {
        "caption": f"Quality of each version and its baselines, {name} with 95 % intervals",
        "alt": f"{name} of each version and its baselines",
        "note": "" if judged[1:] else "One version so far; the line starts with the second.",
        "labels": [str(v) for v in judged],
        "series": series,
        "y": name,
        "zero": deciding["measure"] == "ndcg@10",
    }


def find_version(shop: Shop, number: int) -> ModelVersion:
    return get_object_or_404(
        shop.versions.select_related("run", "run__created_by", "promoted_by"), number=number
    )


def version(request: HttpRequest, shop: str, number: int) -> HttpResponse:
    shop = open_shop(request, shop)
    row = find_version(shop, number)
    champion = shop.champion(row.purpose)
    tabs = leaderboard.parts(row.report)
    tab = (
        request.GET.get("of")
        if request.GET.get("of") in dict(tabs)
        else primary(row.report).get("part", "")
    )
    fresh, could = batch_scoring.counts(row) if row.purpose == "ranking" else (0, 0)
    context = {
        "version": row,
        "champion": champion,
        "earlier": row.previous() if row.is_champion else None,
        "tab": tab,
        "tabs": tabs,
        "board": leaderboard.board(row.report, tab, row.is_champion),
        "segments": leaderboard.segment_rows(row.report, tab),
        "beyond": leaderboard.beyond_rows(row.report, tab),
        "fairness": leaderboard.fairness_tables(row.report),
        "report": row.report,
        "ranks": row.purpose == "ranking",
        "robustness": leaderboard.robustness_rows(row.report),
        "trials": sorted(
            row.report.get("trials") or [], key=lambda t: t["value"] is None or -t["value"]
        ),
        "purpose": purpose_name(row.purpose),
        "sentence": (
            f"{row} {_state_words(row)}. {leaderboard.verdict(row.report, tab, row.is_champion)}"
        ),
        "rival": leaderboard.strongest(row.report, tab),
        "lists": (fresh, could),
        "changes": _changes(row),
        "may_promote": request.user.has_perm(MAY_PROMOTE),
        "size_mb": _size_mb(row),
    }
    return page(request, shop, "models/version", f"Version {row.number}", **context)


def _changes(row: ModelVersion) -> list[AuditEntry]:
    """When this version was promoted, and when it was replaced."""
    entries = AuditEntry.objects.of(row.shop).filter(subject=row.purpose)
    return list(entries.filter(Q(before=str(row)) | Q(after=str(row)))[:CHANGES])


def _state_words(row: ModelVersion) -> str:
    words = {
        "champion": "is live for every shopper" if row.purpose == "ranking" else "is in use",
        "candidate": "waits for a decision",
        "refused": "was refused by the gate",
        "retired": "served before",
    }
    return words[row.status]


def _size_mb(row: ModelVersion) -> int | None:
    folder = checkpoint_files.checkpoint_path(row.folder)
    return (
        round(sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6)
        if folder.exists()
        else None
    )


@require_POST
def promote(request: HttpRequest, shop: str, number: int) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_PROMOTE)
    row = find_version(shop, number)
    try:
        promotion.promote_version(row, request.user)
    except checkpoint_files.BrokenCheckpoint as error:
        messages.error(request, f"{row} cannot serve: {error}. Nothing has changed.")
    else:
        messages.success(
            request,
            f"{row} is live."
            + (" Precomputed lists are being updated." if row.purpose == "ranking" else ""),
        )
    return redirect(f"{reverse('admin:models', args=[shop.key])}?of={row.purpose}")


@require_POST
def rollback(request: HttpRequest, shop: str) -> HttpResponse:
    shop = open_shop(request, shop)
    need(request, MAY_PROMOTE)
    purpose = _purpose(request.POST.get("purpose"))
    try:
        earlier = promotion.roll_back(shop, purpose, request.user)
    except checkpoint_files.BrokenCheckpoint as error:
        messages.error(request, f"The earlier version cannot serve: {error}. Nothing has changed.")
        return redirect(f"{reverse('admin:models', args=[shop.key])}?of={purpose}")
    if earlier:
        messages.success(request, f"Rolled back: {earlier} is live again.")
    else:
        messages.error(request, "There is no earlier version to roll back to.")
    return redirect(f"{reverse('admin:models', args=[shop.key])}?of={purpose}")
