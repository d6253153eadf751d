"""Serializer fields that refuse what JSON does not mean: no numbers as ids, no naive times, no NUL."""

from rest_framework import serializers

from recommender.ingest.fields import FieldError, Parser

STRICT = Parser(zone=None, typed=True)


class IdField(serializers.CharField):
    """Any UTF-8 up to 256 characters, "/" included."""

    def __init__(self, **kwargs) -> None:
        super().__init__(max_length=256, trim_whitespace=False, **kwargs)

    def to_internal_value(self, data):
        try:
            return STRICT.id(self.field_name, data)
        except FieldError as error:
            raise serializers.ValidationError(error.message) from None


class StrictSerializer(serializers.Serializer):
    """Refuses fields it does not know, so that a typing error is not silently ignored."""

    def to_internal_value(self, data):
        if isinstance(data, dict):
            unknown = [name for name in data if name not in self.fields]
            if unknown:
                raise serializers.ValidationError({name: ["is not a field of this request"] for name in unknown})
        return super().to_internal_value(data)
