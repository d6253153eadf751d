"""Strict serializer fields: no numbers as ids, no naive times, no NUL, no unknown fields."""

from typing import Any, TypeVar

from django.db.models import Model, QuerySet
from rest_framework import serializers
from rest_framework.exceptions import NotFound

from recommender.ingest.parsing import (
    EARLIEST_YEAR,
    LARGEST_OBJECT,
    LATEST_YEAR,
    FieldError,
    Parser,
    is_number,
)

T = TypeVar("T", bound=Model)
STRICT = Parser(zone=None, typed=True)
MOST_ITEMS = 1_000
MERGED = "PUT replaces all; PATCH sets those that are given, and removes those that are null"
"""Help text of attributes."""


class IdField(serializers.CharField):
    """Serializer field of an id: any UTF-8 text up to 256 characters, "/" included."""

    def __init__(self, **kwargs) -> None:
        super().__init__(max_length=256, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data):
        try:
            return STRICT.id(self.field_name, data)
        except FieldError as error:
            raise serializers.ValidationError(error.message) from None


class TextField(serializers.CharField):
    """Serializer field of a text; numbers are none."""

    def to_internal_value(self, data):
        if not isinstance(data, str):
            raise serializers.ValidationError("must be text")
        return super().to_internal_value(data)


class ObjectField(serializers.DictField):
    """A JSON object that is bounded in depth and size, of valid text and numbers."""

    def __init__(self, largest: int = LARGEST_OBJECT, **kwargs) -> None:
        super().__init__(**kwargs)
        self.largest = largest

    def to_internal_value(self, data):
        if not isinstance(data, dict):
            raise serializers.ValidationError("must be an object")
        try:
            return STRICT.mapping(self.field_name, data, self.largest)
        except FieldError as error:
            raise serializers.ValidationError(error.message) from None


class MomentField(serializers.DateTimeField):
    """A date and time with its zone."""

    def to_internal_value(self, value):
        try:
            moment = STRICT.moment(self.field_name, value)
        except FieldError as error:
            raise serializers.ValidationError(error.message) from None
        if moment is None:
            raise serializers.ValidationError("must not be empty")
        return moment


class DayField(serializers.DateField):
    """A date between 1970 and 9000, so that every time zone and interval around it exists."""

    def to_internal_value(self, value):
        day = super().to_internal_value(value)
        if not EARLIEST_YEAR < day.year < LATEST_YEAR:
            raise serializers.ValidationError("is out of range")
        return day


class StrictSerializer(serializers.Serializer):
    """Serializer that rejects unknown fields, so that a typing mistake is not ignored."""

    def to_internal_value(self, data):
        if isinstance(data, dict):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError(
                    {name: ["is not a field of this request"] for name in unknown}
                )
        return super().to_internal_value(data)


class Since(StrictSerializer):
    """Base serializer that renames the field `from_` to `from`, which is a keyword of Python."""

    def get_fields(self):
        fields = super().get_fields()
        fields["from"] = fields.pop("from_")
        fields["from"].source = "from_"
        return fields


class RowErrorSerializer(serializers.Serializer):
    field = serializers.CharField()
    message = serializers.CharField()


def read_ids(field: str, value: Any, most: int, noun: str) -> list[str]:
    """Validate a list of at most `most` ids or other short texts. Raises FieldError."""
    if (
        not isinstance(value, list)
        or len(value) > most
        or not all(isinstance(i, str) and i for i in value)
    ):
        raise FieldError(field, f"must be a list of at most {most:,} {noun}")
    return [STRICT.required_id(field, text) for text in value]


def need_list(data: dict[str, Any], field: str, noun: str, most: int) -> list[Any]:
    """The only field of a body, a list of 1 to `most` rows. Raises ValidationError."""
    if unknown := sorted(data.keys() - {field}):
        raise serializers.ValidationError({unknown[0]: ["is not a field of this request"]})
    rows = data.get(field)
    if not isinstance(rows, list) or not rows:
        raise serializers.ValidationError({field: [f"must be a list of at least one {noun}"]})
    if len(rows) > most:
        message = f"holds {len(rows):,} {noun}s; at most {most:,} fit in one call"
        raise serializers.ValidationError({field: [message]})
    return rows


def merged(stored: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    """Stored attributes with given ones set, and those that are null removed (RFC 7396, of one
    level).
    """
    values = {**stored, **given}
    return {name: value for name, value in values.items() if value is not None}


def find_numbered(rows: QuerySet[T], prefix: str, text: str) -> T:
    """The row of an id such as `key-4`, or 4. Raises NotFound."""
    number = text.removeprefix(f"{prefix}-")
    row = rows.filter(pk=int(number)).first() if is_number(number) else None
    if row is None:
        raise NotFound(f"{prefix}_id: {text[:60]!r} does not exist in this shop.")
    return row
