"""Template filters for numbers, durations and chart data."""

from datetime import date

from django import template
from django.utils.html import json_script

register = template.Library()


@register.filter
def thousands(value) -> str:
    """Number with thousands separators: 12345 as 12,345."""
    return f"{value:,}" if isinstance(value, int) else str(value or 0)


@register.filter
def whole(value: float) -> str:
    """Rounded number with thousands separators: 12345.6 as 12,346."""
    return f"{value:,.0f}"


@register.filter
def share(value: float) -> str:
    """A share of 1 in percent: 0.123 as 12.3 %."""
    return f"{100 * value:.1f} %"


@register.filter
def first_part(value: str) -> str:
    """Largest unit of a duration: “2 days, 3 hours” as “2 days”."""
    return value.split(",")[0]


CHIPS = {
    "running": "info",
    "finished": "good",
    "failed": "bad",
    "cancelled": "caution",
    "candidate": "info",
    "champion": "champion",
    "refused": "bad",
    "open": "bad",
    "acknowledged": "info",
    "muted": "caution",
    "closed": "plain",
}
"""Colors of chips by the status of a run, a model version or an alert."""


@register.filter
def chip(status: str) -> str:
    """The color of a status chip."""
    return CHIPS.get(status, "plain")


@register.filter
def polarity(name: str) -> str:
    """A polarity in words: not_judged as “not judged”."""
    return name.replace("_", " ")


@register.filter
def day(value) -> str:
    """A form field's date as a date input takes it; a text that is not a date stays."""
    return value.isoformat() if isinstance(value, date) else value or ""


@register.filter
def chart_data(chart: dict, element_id: str):
    """A chart's data as a JSON script element."""
    return json_script(chart, f"{element_id}-data")


@register.filter
def steps(chosen: dict | None) -> str:
    """Number of fine-tuning steps that validation selected, in words."""
    chosen = chosen or {}
    stages = [
        (chosen.get("text.projection_steps"), "steps of the projection"),
        (chosen.get("text.steps"), "training steps"),
    ]
    return (
        ", ".join(f"{count} {words}" for count, words in stages if count)
        or "the encoder as it came"
    )
