"""Weekly report of the service desk: answered, handed over, helped, time saved."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db.models import Count, Q
from django.db.models.functions import TruncWeek
from django.utils import timezone

from recommender.models import Conversation, Message, Shop, SupportSettings

WEEKS = 8


@dataclass(frozen=True)
class Week:
    """Counts of one week, which begins on Monday in the shop's time zone.

    questions: answered by the engine or handed over; helped, not_helped: by the shoppers' word
    minutes: time that a person would have needed for the answers, without those that did not help
    """

    begins: date
    answered: int = 0
    handed_over: int = 0
    helped: int = 0
    not_helped: int = 0
    by_kind: tuple[tuple[str, int], ...] = ()
    minutes: float = 0.0

    @property
    def questions(self) -> int:
        return self.answered + self.handed_over

    @property
    def share_answered(self) -> float | None:
        return self.answered / self.questions if self.questions else None

    @property
    def share_helped(self) -> float | None:
        judged = self.helped + self.not_helped
        return self.helped / judged if judged else None


def weeks(shop: Shop, settings: SupportSettings, number: int = WEEKS) -> list[Week]:
    """The latest weeks, the oldest first; trials of the console are left out."""
    zone = shop.zone
    today = timezone.localdate(timezone=zone)
    monday = today - timedelta(days=today.weekday())
    begins = [monday - timedelta(weeks=n) for n in reversed(range(number))]
    counted = {week: Week(week) for week in begins}
    rows = (
        Message.objects.filter(
            conversation__shop=shop,
            conversation__simulated=False,
            author=Message.ENGINE,
            created_at__gte=datetime.combine(begins[0], time.min, zone),
        )
        .annotate(week=TruncWeek("created_at", tzinfo=zone))
        .values("week")
        .annotate(
            handed_over=Count("pk", Q(kind=Message.HANDOVER)),
            said_yes=Count("pk", Q(helped=True)),
            said_no=Count("pk", Q(helped=False)),
            **{kind: Count("pk", Q(kind=kind)) for kind in Message.ANSWERS},
        )
    )
    for row in rows:
        week = row["week"].date()
        by_kind = tuple((kind, row[kind]) for kind in Message.ANSWERS)
        answered = sum(count for _, count in by_kind)
        minutes = settings.minutes_saved * max(0, answered - row["said_no"])
        if week in counted:
            counted[week] = Week(
                week,
                answered,
                row["handed_over"],
                row["said_yes"],
                row["said_no"],
                by_kind,
                minutes,
            )
    return list(counted.values())


def waiting(shop: Shop) -> int:
    """Conversations that wait for a person."""
    return Conversation.objects.of(shop).waiting().count()
