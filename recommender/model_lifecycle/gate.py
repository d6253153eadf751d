"""The model gate: whether a version may serve, and why."""

from recommender.model_lifecycle.report_labels import BETTER, MEASURES, UNCLEAR, compare
from recommender.models import Shop

NO_CHAMPION = "there is no champion"


def is_better(report: dict) -> bool:
    """True where the version is better by more than chance, or has nothing to be compared with."""
    comparison = compare(report)
    return comparison is not None and (comparison.rival is None or comparison.outcome == BETTER)


def gate(report: dict) -> tuple[bool, str]:
    """(passed, reason): a version passes unless it is worse than the champion on the same data.

    A first model has to be better than its baseline.
    """
    comparison = compare(report)
    if comparison is None:
        return False, "this version has no report"
    reason = report.get("champion", {}).get("reason", NO_CHAMPION)
    if comparison.rival != "champion" and reason != NO_CHAMPION:
        return (
            False,
            (
                f"{MEASURES.get(comparison.measure, comparison.measure)} {comparison.value:.4f}, "
                f"but it could not be compared: {reason}"
            ),
        )
    passed = (
        comparison.rival is None
        or comparison.outcome == BETTER
        or (comparison.rival == "champion" and comparison.outcome == UNCLEAR)
    )
    days = report.get("protocol", {}).get("days")
    where = f" On the same {days:g} days" if days else " On the same test data"
    values = (
        ""
        if comparison.theirs is None
        else f"{where}: {comparison.value:.4f} against {comparison.theirs:.4f}"
    )
    return passed, comparison.sentence() + values


def unfairness(report: dict, shop: Shop) -> str:
    """The limit of the shop that a ranking exceeds, in words; empty where none."""
    fairness = report.get("fairness")
    if not fairness:
        return ""
    if shop.least_group_quality is not None and fairness["groups"]:
        name, worst = min(fairness["groups"].items(), key=lambda pair: pair[1]["of_all"])
        if worst["of_all"] < shop.least_group_quality:
            return (
                f"the group “{name}” gets {worst['of_all']:.0%} of everybody’s NDCG@10, less "
                f"than {shop.least_group_quality:.0%}"
            )
    shown = sum(band["shown"] for name, band in fairness["bands"].items() if name != "head")
    if shop.least_tail_shown is not None and shown < shop.least_tail_shown:
        return (
            f"products outside the best-selling fifth get {shown:.0%} of the places, less than "
            f"{shop.least_tail_shown:.0%}"
        )
    return ""
