"""Reading of forms: clean texts, and errors that name the field."""

from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import HttpRequest

from recommender.support.authoring import LONGEST_EXAMPLE

MOST_EXAMPLES = 500


def line(request: HttpRequest, name: str) -> str:
    """A text of one line."""
    return " ".join(request.POST.get(name, "").replace("\x00", "").split())


def text(request: HttpRequest, name: str) -> str:
    """A text of several lines."""
    given = request.POST.get(name, "").replace("\x00", "")
    return given.replace("\r\n", "\n").strip()


def lines(request: HttpRequest, name: str, label: str) -> list[str]:
    """The lines of a text, each once. Raises ValueError."""
    found = [" ".join(one.split()) for one in text(request, name).splitlines()]
    found = list(dict.fromkeys(one for one in found if one))
    if len(found) > MOST_EXAMPLES:
        raise ValueError(f"{label}: at most {MOST_EXAMPLES} lines fit.")
    if long := [one for one in found if len(one) > LONGEST_EXAMPLE]:
        raise ValueError(f"{label}: “{long[0][:40]}…” is longer than {LONGEST_EXAMPLE} characters.")
    return found


def check(row: Model, exclude: list[str]) -> None:
    """Raises ValueError that names the first field whose value is not valid."""
    try:
        row.clean_fields(exclude=exclude)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        label = row._meta.get_field(field).verbose_name
        raise ValueError(f"{label.capitalize()}: {messages[0]}") from None
