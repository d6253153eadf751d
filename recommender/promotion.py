"""The gate, promotion and roll back: which version serves, and what follows when it changes."""

from django.db import transaction

from recommender import engine
from recommender.models import AuditEntry, ModelVersion, Shop
from recommender.models.audit import person_of
from recommender.models.registry import VersionStatus
from recommender.reports import BETTER, MEASURES, UNCLEAR, compare

NO_CHAMPION = "there is no champion"
PROMOTE = ("ask", "if-better", "if-not-worse", "never", "always")
"""if-better: only what is better by more than chance; if-not-worse: what is not worse and has learned newer days, as a night's training."""
PROMOTING = ("if-better", "if-not-worse", "always")


def decide(version: ModelVersion, promote: str, by=None) -> None:
    """The gate, and what follows from it."""
    passed, reason = gate(version.report)
    better = passed and is_better(version.report)
    if passed and (unfair := unfairness(version.report, version.shop)):
        passed, better, reason = False, False, f"{reason}, but {unfair}"
    version.gate_passed, version.gate_reason = passed, reason
    if promote in ("if-better", "if-not-worse") and not passed:
        version.status = VersionStatus.REFUSED
    version.save(update_fields=["gate_passed", "gate_reason", "status"])
    if promote == "always" or (promote == "if-better" and better) or (promote == "if-not-worse" and passed):
        promote_version(version, by)


def is_better(report: dict) -> bool:
    """Is it better by more than chance, or is there nothing to compare it with?"""
    found = compare(report)
    return found is not None and (found.rival is None or found.outcome == BETTER)


def gate(report: dict) -> tuple[bool, str]:
    """May it serve? Not if it is worse than the champion on the same data; a first model has to be better than its baseline."""
    found = compare(report)
    if found is None:
        return False, "this version has no report"
    reason = report.get("champion", {}).get("reason", NO_CHAMPION)
    if found.rival != "champion" and reason != NO_CHAMPION:
        return False, f"{MEASURES.get(found.measure, found.measure)} {found.mine:.4f}, but it could not be compared: {reason}"
    passed = found.rival is None or found.outcome == BETTER or (found.rival == "champion" and found.outcome == UNCLEAR)
    days = report.get("protocol", {}).get("days")
    where = f" On the same {days:g} days" if days else " On the same test data"
    values = "" if found.theirs is None else f"{where}: {found.mine:.4f} against {found.theirs:.4f}"
    return passed, found.sentence() + values


def unfairness(report: dict, shop: Shop) -> str:
    """Which of the shop's limits a ranking breaks, in words; empty where none."""
    fairness = report.get("fairness")
    if not fairness:
        return ""
    if shop.least_group_quality is not None and fairness["groups"]:
        name, worst = min(fairness["groups"].items(), key=lambda pair: pair[1]["of_all"])
        if worst["of_all"] < shop.least_group_quality:
            return f"the group “{name}” gets {worst['of_all']:.0%} of everybody’s NDCG@10, less than {shop.least_group_quality:.0%}"
    shown = sum(band["shown"] for name, band in fairness["bands"].items() if name != "head")
    if shop.least_tail_shown is not None and shown < shop.least_tail_shown:
        return f"products outside the best-selling fifth get {shown:.0%} of the places, less than {shop.least_tail_shown:.0%}"
    return ""


def promote_version(version: ModelVersion, by=None) -> ModelVersion:
    """Make a version the champion once its folder has proved whole, and compute the precomputed lists again.

    by: the person or API key whose decision it is; None: the engine's own.
    """
    from recommender.tasks import embed_products, later, score_shop

    if version.is_champion:  # who promoted it, and when, stays
        return version
    engine.verify(version.folder, version.purpose)
    with transaction.atomic():
        before = version.shop.champion(version.purpose)
        version.promote(person_of(by))
        AuditEntry.objects.note(version.shop, by, AuditEntry.PROMOTED, version.purpose, str(before or ""), str(version))
    if version.purpose == "ranking":
        later(embed_products, version.shop_id)
        later(score_shop, version.shop_id)
    return version


def roll_back(shop: Shop, purpose: str = "ranking", by=None) -> ModelVersion | None:
    """The version before the champion serves again; None when there is none."""
    from recommender.tasks import later, score_shop

    champion = shop.champion(purpose)
    if champion and (previous := champion.previous()):
        engine.verify(previous.folder, purpose)
    with transaction.atomic():
        earlier = champion.roll_back() if champion else None
        if earlier:
            AuditEntry.objects.note(shop, by, AuditEntry.ROLLED_BACK, purpose, str(champion), str(earlier))
    if earlier and purpose == "ranking":
        later(score_shop, shop.pk)
    return earlier
