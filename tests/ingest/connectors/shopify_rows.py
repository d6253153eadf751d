"""A product export of Shopify, and the stored lines of orders."""

from recommender.models import Event

CLASSIC = [
    {
        "Handle": "lamp",
        "Title": "Lamp &amp; shade",
        "Body (HTML)": "<meta charset='utf-8'><p>Warm&nbsp;light</p>",
        "Vendor": "Lumo",
        "Product Category": "Home > Lighting",
        "Type": "Lamps",
        "Tags": "warm, desk",
        "Published": "true",
        "Option1 Name": "Colour",
        "Option1 Value": "Red",
        "Variant SKU": "LA-R",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "0",
        "Variant Inventory Policy": "deny",
        "Variant Price": "20.00",
        "Variant Compare At Price": "25.00",
        "Image Src": "https://shop.example/lamp-1.jpg",
        "Gift Card": "false",
        "Status": "active",
    },
    {
        "Handle": "lamp",
        "Option1 Value": "Blue",
        "Variant SKU": "LA-B",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "4",
        "Variant Inventory Policy": "deny",
        "Variant Price": "22.00",
        "Image Src": "https://shop.example/lamp-2.jpg",
    },
    {"Handle": "lamp", "Image Src": "https://shop.example/lamp-3.jpg"},
    {
        "Handle": "vase",
        "Title": "Vase",
        "Type": "Vases",
        "Published": "true",
        "Option1 Name": "Title",
        "Option1 Value": "Default Title",
        "Variant Price": "9.00",
        "Variant Inventory Policy": "continue",
        "Variant Inventory Tracker": "shopify",
        "Variant Inventory Qty": "-3",
        "Status": "draft",
    },
]


def lines(kind="purchase"):
    rows = Event.objects.filter(type=kind).order_by("line")
    return [(e.variant_id, e.quantity, e.value) for e in rows]
