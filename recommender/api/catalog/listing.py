"""The collection of products: all by id, or those that pass a filter."""

from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from recommender.api.http.listing import PageQuery, QueryRows, Rows
from recommender.catalog.filter_language import FilterError, Selection, select
from recommender.models import Product, Shop
from recommender.serving.shop_state import state_of


class ItemsQuery(PageQuery):
    filter = serializers.CharField(
        required=False,
        max_length=2000,
        help_text="only products that pass, as in lists: price < 20 and brand = 'Alto'",
    )
    showable = serializers.BooleanField(
        required=False,
        allow_null=True,
        default=None,
        help_text="true: only products that lists may show now; false: only the others, which are "
        "hidden, sold out or outside their dates",
    )

    def validate_filter(self, text: str) -> str:
        try:
            select([text])
        except FilterError as error:
            raise serializers.ValidationError(str(error)) from None
        return text


@dataclass(frozen=True)
class FilteredRows:
    """Products that pass a filter, by id: selected in the product index, read from the database.

    A product that was deleted since the index was read is left out.
    """

    shop: Shop
    selection: Selection
    showable: bool | None

    def after(self, last: list[Any] | None, most: int) -> list[Product]:
        index, found = state_of(self.shop).product_index, []
        behind = last[0] if last else ""
        while len(found) < most:
            ids = index.passing_ids(
                self.selection, timezone.now(), behind, most - len(found), self.showable
            )
            if not ids:
                break
            products = self.shop.products.filter(item_id__in=ids)
            by_id = {product.item_id: product for product in products}
            found += [by_id[item_id] for item_id in ids if item_id in by_id]
            behind = ids[-1]
        return found

    def sort_key(self, row: Product) -> list[Any]:
        return [row.item_id]

    def count(self) -> int:
        index = state_of(self.shop).product_index
        return index.count_passing(self.selection, timezone.now(), self.showable)


def items_rows(shop: Shop, params: dict[str, Any]) -> Rows:
    """The products of a query of the collection. Raises ValidationError."""
    showable = params["showable"]
    if "filter" not in params and showable is None:
        return QueryRows(shop.products.all(), ("item_id",), counted=False)
    try:
        return FilteredRows(shop, select([params.get("filter", "")]), showable)
    except FilterError as error:
        raise ValidationError({"filter": [str(error)]}) from None
