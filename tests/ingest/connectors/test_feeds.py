"""XML and product feeds: WordPress exports, Google, Atom, Skroutz."""

import pytest

from recommender.models import Product


def product(item_id):
    return Product.objects.get(item_id=item_id)


WXR = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Shop</title>
<item><title>Hat</title><link>https://shop.example/hat</link>
<content:encoded><![CDATA[<p>Warm</p>]]></content:encoded>
<wp:post_id>44</wp:post_id><wp:post_parent>0</wp:post_parent><wp:status>publish</wp:status>
<wp:post_type>product</wp:post_type>
<category domain="product_cat" nicename="hats"><![CDATA[Hats]]></category>
<category domain="product_type" nicename="variable"><![CDATA[variable]]></category>
<wp:postmeta><wp:meta_key>_sku</wp:meta_key><wp:meta_value>hat</wp:meta_value></wp:postmeta></item>
<item><title>Hat - Blue</title><wp:post_id>45</wp:post_id><wp:post_parent>44</wp:post_parent>
<wp:status>publish</wp:status><wp:post_type>product_variation</wp:post_type>
<wp:postmeta><wp:meta_key>_sku</wp:meta_key><wp:meta_value>hat-b</wp:meta_value></wp:postmeta>
<wp:postmeta><wp:meta_key>_regular_price</wp:meta_key><wp:meta_value>9</wp:meta_value></wp:postmeta>
<wp:postmeta><wp:meta_key>attribute_pa_colour</wp:meta_key><wp:meta_value>blue</wp:meta_value>
</wp:postmeta></item>
<item><title>Post</title><wp:post_id>1</wp:post_id><wp:post_type>post</wp:post_type>
<wp:postmeta><wp:meta_key>x</wp:meta_key><wp:meta_value>y</wp:meta_value></wp:postmeta></item>
</channel></rss>"""


def test_wordpress_exports(take):
    report = take({"shop.xml": WXR})
    assert (report.format, report.counts["products"]) == ("woocommerce_wxr", 1)
    hat = product("hat")
    assert (hat.title, hat.price, hat.categories) == ("Hat", 9, ["Hats"])
    assert (hat.description, hat.url) == ("Warm", "https://shop.example/hat")
    assert hat.variants[0]["options"] == {"colour": "blue"}


FEED = """<?xml version="1.0"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Shop</title>
<item><g:id>boot-42</g:id><title>Boot brown 42</title><g:title>Boot brown 42</g:title>
<link>https://shop.example/boot</link><g:image_link>https://shop.example/b.jpg</g:image_link>
<g:additional_image_link>https://shop.example/c.jpg</g:additional_image_link>
<g:price>49.00 GBP</g:price><g:sale_price>39.00 GBP</g:sale_price>
<g:sale_price_effective_date>2020-01-01T00:00-0800/2020-02-01T00:00-0800</g:sale_price_effective_date>
<g:availability>in stock</g:availability><g:item_group_id>boot</g:item_group_id>
<g:size>42</g:size><g:product_type>Shoes &gt; Boots</g:product_type>
<g:shipping><g:country>GB</g:country><g:price>4.95 GBP</g:price></g:shipping></item>
<item><g:id>boot-43</g:id><g:title>Boot brown 43</g:title>
<g:image_link>https://shop.example/b.jpg</g:image_link><g:price>47.00 GBP</g:price>
<g:availability>out of stock</g:availability><g:item_group_id>boot</g:item_group_id>
<g:size>43</g:size></item>
<item><g:id>lamp</g:id><g:title>Lamp</g:title><g:price>1,299.00 GBP</g:price>
<g:image_link>https://shop.example/l.jpg</g:image_link><g:gtin>0001234560012</g:gtin>
<g:availability>limited availability</g:availability>
<g:google_product_category>594</g:google_product_category></item>
</channel></rss>"""


@pytest.fixture
def in_pounds(shop):
    shop.currency = "GBP"
    shop.save()


def test_google_feeds(take, in_pounds):
    report = take({"feed.xml": FEED})
    assert report.format == "google_feed"
    assert (report.counts["products"], report.counts["variants"], report.errors) == (2, 2, [])
    boot = product("boot")
    assert (boot.title, boot.price, boot.sale_price) == ("Boot brown", 49, 39)
    assert boot.price_in_force == 49  # the sale is over
    assert (boot.categories, boot.stock_state) == (["Shoes > Boots"], "in_stock")
    assert boot.images == ["https://shop.example/b.jpg", "https://shop.example/c.jpg"]
    lamp = product("lamp")
    assert (lamp.price, lamp.gtin, lamp.stock_state) == (1299, "0001234560012", "in_stock")
    assert (lamp.categories, lamp.variants) == ([], [])


def test_atom_feeds_and_tab_separated_ones(take, in_pounds):
    atom = """<feed xmlns="http://www.w3.org/2005/Atom" xmlns:g="http://base.google.com/ns/1.0">
    <title>Shop</title><entry><g:id>a</g:id><title>Cup</title>
    <link href="https://shop.example/cup"/><g:image_link>https://shop.example/a.jpg</g:image_link>
    <g:price>3.50 GBP</g:price></entry></feed>"""
    assert take({"feed.xml": atom}).counts["products"] == 1
    assert product("a").url == "https://shop.example/cup"
    columns = "ID\ttitle\timage_link\tPrice\tavailability\n"
    take({"feed.txt": columns + "b\tPlate\thttps://shop.example/b.jpg\t4.00 GBP\tout_of_stock\n"})
    assert (product("b").price, product("b").stock_state) == (4, "out_of_stock")


def test_an_item_group_that_is_a_category_joins_nothing(take, in_pounds):
    items = "".join(
        f"<item><g:id>{n}</g:id><g:title>{title}</g:title><g:price>1 GBP</g:price>"
        "<g:image_link>https://shop.example/x.jpg</g:image_link>"
        "<g:item_group_id>Kitchen</g:item_group_id></item>"
        for n, title in enumerate(("Bread knife", "Cotton towel", "Glass bowl"))
    )
    space = 'xmlns:g="http://base.google.com/ns/1.0"'
    report = take({"feed.xml": f"<rss {space}><channel>{items}</channel></rss>"})
    assert report.counts["products"] == 3
    assert any("item_group_id joins products" in text for text in report.warnings)


def test_a_skroutz_feed(take, shop):
    feed = """<mywebstore><products><product><uniqueid>7</uniqueid><name><![CDATA[Bag]]></name>
    <link>https://shop.example/bag</link><image>https://shop.example/bag.jpg</image>
    <category>Bags > Travel</category><price_with_vat>20.50</price_with_vat>
    <manufacturer>Acme</manufacturer><instock>N</instock></product></products></mywebstore>"""
    assert take({"feed.xml": feed}).format in ("google_feed", "skroutz_feed")
    bag = product("7")
    assert (bag.title, bag.price, bag.brand) == ("Bag", 20.5, "Acme")
    assert (bag.categories, bag.stock_state) == (["Bags > Travel"], "out_of_stock")
