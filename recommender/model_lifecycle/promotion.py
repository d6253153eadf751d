"""Promotion and roll back: which version serves, and what is recomputed when it changes."""

from django.db import transaction

from recommender.inference import verification
from recommender.infrastructure import task_queue
from recommender.model_lifecycle.gate import gate, is_better, unfairness
from recommender.models import AuditEntry, ModelVersion, Shop
from recommender.models.audit import person_of
from recommender.models.registry import VersionStatus
from recommender.models.webhooks import PROMOTED
from recommender.webhooks.messages import emit

PROMOTING = ("if-better", "if-not-worse", "always")


def decide(version: ModelVersion, promote: str, by=None) -> None:
    """Store the decision of the gate, and promote the version where `promote` says so."""
    passed, reason = gate(version.report)
    better = passed and is_better(version.report)
    if passed and (unfair := unfairness(version.report, version.shop)):
        passed, better, reason = False, False, f"{reason}, but {unfair}"
    version.gate_passed, version.gate_reason = passed, reason
    if promote in ("if-better", "if-not-worse") and not passed:
        version.status = VersionStatus.REFUSED
    version.save(update_fields=["gate_passed", "gate_reason", "status"])
    if (
        promote == "always"
        or (promote == "if-better" and better)
        or (promote == "if-not-worse" and passed)
    ):
        promote_version(version, by)


def promote_version(version: ModelVersion, by=None) -> ModelVersion:
    """Verify a version, make it the champion, and queue the computation of its lists.

    by: the person or API key whose decision it is; None: the system. Raises BrokenCheckpoint.
    """
    if version.is_champion:  # who promoted it, and when, stays
        return version
    verification.verify(version.folder, version.purpose)
    with transaction.atomic():
        before = version.shop.champion(version.purpose)
        version.promote(person_of(by))
        AuditEntry.objects.note(
            version.shop, by, AuditEntry.PROMOTED, version.purpose, str(before or ""), str(version)
        )
        _tell_webhooks(version, before)
    if version.purpose in ("ranking", "search"):
        task_queue.enqueue("embed_products", version.shop_id)
    _recompute(version)
    return version


def _recompute(version: ModelVersion) -> None:
    """Queue what the champion before has computed: precomputed lists, opinions,
    or vectors of passages.
    """
    if version.purpose == "ranking":
        task_queue.enqueue("score_shop", version.shop_id)
    elif version.purpose == "opinion":
        task_queue.enqueue("judge_again", version.shop_id)
    elif version.purpose == "answers":
        task_queue.enqueue("update_passages", version.shop_id)


def _tell_webhooks(
    version: ModelVersion, before: ModelVersion | None, rolled_back: bool = False
) -> None:
    data = {
        "model_version": version.label,
        "purpose": version.purpose,
        "previous": before.label if before else None,
        "rolled_back": rolled_back,
    }
    emit(version.shop, PROMOTED, data)


def roll_back(shop: Shop, purpose: str = "ranking", by=None) -> ModelVersion | None:
    """Make the version before the champion serve again; None where there is none.

    Raises BrokenCheckpoint.
    """
    champion = shop.champion(purpose)
    if champion and (previous := champion.previous()):
        verification.verify(previous.folder, purpose)
    with transaction.atomic():
        earlier = champion.roll_back() if champion else None
        if earlier:
            AuditEntry.objects.note(
                shop, by, AuditEntry.ROLLED_BACK, purpose, str(champion), str(earlier)
            )
            _tell_webhooks(earlier, champion, rolled_back=True)
    if earlier:
        _recompute(earlier)
    return earlier
