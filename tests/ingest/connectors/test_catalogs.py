"""Product files of other platforms."""

from recommender.models import Product


def product(item_id):
    return Product.objects.get(item_id=item_id)


WOO = [
    {
        "ID": "44",
        "Type": "variable",
        "SKU": "hat",
        "Name": "Hat",
        "Published": "1",
        "Visibility in catalog": "visible",
        "Short description": "Warm\\nhat",
        "In stock?": "1",
        "Regular price": "",
        "Sale price": "",
        "Categories": "Clothing > Hats, Sale, Wool\\, fine",
        "Images": "https://shop.example/a.jpg, https://shop.example/b.jpg",
        "Attribute 1 name": "Colour",
        "Attribute 1 value(s)": "Blue, Red",
        "Parent": "",
    },
    {
        "ID": "45",
        "Type": "variation",
        "SKU": "hat-blue",
        "Name": "Hat - Blue",
        "Published": "1",
        "In stock?": "1",
        "Stock": "3",
        "Regular price": "18",
        "Sale price": "15",
        "Attribute 1 name": "Colour",
        "Attribute 1 value(s)": "Blue",
        "Parent": "id:44",
    },
    {
        "ID": "46",
        "Type": "variation",
        "SKU": "hat-red",
        "Name": "Hat - Red",
        "Published": "1",
        "In stock?": "0",
        "Regular price": "12",
        "Attribute 1 name": "Colour",
        "Attribute 1 value(s)": "Red",
        "Parent": "hat",
    },
    {
        "ID": "50",
        "Type": "simple",
        "SKU": "mug",
        "Name": "Mug",
        "Published": "-1",
        "Visibility in catalog": "visible",
        "In stock?": "1",
        "Regular price": "7",
    },
    {
        "ID": "51",
        "Type": "simple",
        "SKU": "cup",
        "Name": "Cup",
        "Published": "1",
        "Visibility in catalog": "hidden",
        "In stock?": "backorder",
        "Regular price": "7",
    },
]


def test_woocommerce_variations_join_their_parent(take):
    report = take({"products.csv": WOO})
    assert report.format == "woocommerce_products"
    assert (report.counts["products"], report.counts["variants"]) == (3, 2)
    hat = product("hat")
    assert (hat.price, hat.sale_price, hat.price_in_force) == (18, 15, 15)
    assert hat.categories == ["Clothing > Hats", "Sale", "Wool, fine"]
    assert hat.images == ["https://shop.example/a.jpg", "https://shop.example/b.jpg"]
    assert hat.description == "Warm\nhat"
    assert [product(i).published for i in ("hat", "mug", "cup")] == [True, False, False]


def test_a_variation_without_its_parent_is_rejected(take):
    report = take({"products.csv": [WOO[3], WOO[1]]})
    assert [(r.reason, r.count) for r in report.reasons()] == [
        ("Parent: … is no product of this file", 1)
    ]


def test_magento_joins_configurable_products_and_leaves_out_store_views(take):
    base = {"attribute_set_code": "Top", "store_view_code": "", "product_online": "1"}
    rows = [
        {
            **base,
            "sku": "top-s",
            "product_type": "simple",
            "name": "Top S",
            "price": "20",
            "visibility": "Not Visible Individually",
            "qty": "3.0000",
            "is_in_stock": "1",
        },
        {
            **base,
            "sku": "top-m",
            "product_type": "simple",
            "name": "Top M",
            "price": "18",
            "visibility": "Not Visible Individually",
            "qty": "0",
            "is_in_stock": "0",
        },
        {
            **base,
            "sku": "top",
            "product_type": "configurable",
            "name": "Top",
            "price": "",
            "visibility": "Catalog, Search",
            "special_price": "",
            "categories": "Default Category/Tops,Default Category/Sale/Summer",
            "configurable_variations": "sku=top-s,size=S|sku=top-m,size=M",
            "additional_attributes": "material=Cotton|Wool,care=Wash, then dry",
            "created_at": "4/18/16, 4:46 PM",
        },
        {
            **base,
            "sku": "top",
            "product_type": "configurable",
            "name": "Haut",
            "store_view_code": "fr",
            "visibility": "",
        },
    ]
    report = take({"catalog_product.csv": rows})
    assert report.format == "magento_products"
    assert (report.counts["products"], report.counts["variants"]) == (1, 2)
    top = product("top")
    assert (top.title, top.price, top.published) == ("Top", 20, True)
    assert top.categories == ["Tops", "Sale > Summer"]
    assert top.attributes["material"] == ["Cotton", "Wool"]
    assert top.attributes["care"] == "Wash, then dry"
    assert [v["options"] for v in top.variants] == [{"size": "S"}, {"size": "M"}]
    assert any("store view" in text for text in report.warnings)


PRESTA = {
    "Product ID": "1",
    "Active (0/1)": "1",
    "Name *": "Player",
    "Categories (x;y;z...)": "Music;Sale",
    "Price tax excluded or Price tax included": "100",
    "Discount amount": "",
    "Discount percent": "10",
    "Discount from (yyyy-mm-dd)": "2020-01-01",
    "Discount to (yyyy-mm-dd)": "2099-12-31",
    "Reference #": "PL",
    "EAN13": "0000080446392",
    "Quantity": "5",
    "Tags (x;y;z...)": "red; new",
    "Image URLs (x;y;z...)": "https://shop.example/p.jpg",
    "Description": "<p>Plays</p>",
}
COMBINATION = {
    "Product ID*": "1",
    "Attribute (Name:Type:Position)*": "Colour:color:0; Disk:select:1",
    "Value (Value:Position)*": "Blue:0; 16GB:1",
    "Reference": "PL-B16",
    "Impact on price": "40",
    "Quantity": "2",
    "Image URL": "",
}


def test_prestashop_products_and_combinations(take):
    second = {
        **COMBINATION,
        "Value (Value:Position)*": "Blue:0; 8GB:1",
        "Reference": "PL-B8",
        "Impact on price": "0",
    }
    report = take({"products.csv": [PRESTA], "combinations.csv": [COMBINATION, second]})
    assert (report.counts["products"], report.counts["variants"]) == (1, 2)
    player = product("1")
    assert (player.price, player.sale_price, player.gtin) == (100, 90, "0000080446392")
    assert (player.categories, player.tags) == (["Music", "Sale"], ["red", "new"])
    assert [v["price"] for v in player.variants] == [140, 100]
    assert player.variants[0]["options"] == {"Colour": "Blue", "Disk": "16GB"}


def test_combinations_alone_are_variants_of_known_products(take):
    take({"products.csv": [PRESTA]})
    other = {**COMBINATION, "Product ID*": "9"}
    report = take({"combinations.csv": [COMBINATION, other]})
    assert [r.reason for r in report.reasons()] == [
        "item_id: is not a known product: import the products first"
    ]
    player = product("1")
    assert (player.title, player.price, player.sale_price) == ("Player", 140, 130)
    assert player.images == ["https://shop.example/p.jpg"]
    assert Product.objects.count() == 1


def test_bigcommerce_rows_of_variants_and_pictures(take):
    rows = [
        {
            "Item": "Product",
            "ID": "7",
            "Name": "Tee",
            "SKU": "TEE",
            "Price": "25",
            "Sale Price": "0",
            "Inventory Tracking": "none",
            "Current Stock": "0",
            "Categories": "Men/Tops;Sale",
            "Is Visible": "TRUE",
            "Description": "<p>Cotton</p>",
        },
        {
            "Item": "Variant",
            "ID": "7",
            "SKU": "TEE-S",
            "Current Stock": "0",
            "Options": "Type=Rectangle|Name=Size|Value=S",
        },
        {
            "Item": "Variant",
            "ID": "8",
            "SKU": "TEE-M",
            "Current Stock": "0",
            "Options": "Type=Rectangle|Name=Size|Value=M",
        },
        {"Item": "Image", "ID": "3", "Internal Image URL (Export)": "https://shop.example/t.jpg"},
        {
            "Item": "Product",
            "ID": "8",
            "Name": "Hat",
            "SKU": "HAT",
            "Price": "9",
            "Inventory Tracking": "product",
            "Current Stock": "0",
            "Is Visible": "FALSE",
        },
    ]
    report = take({"products.csv": rows})
    assert report.format == "bigcommerce_products"
    assert (report.counts["products"], report.counts["variants"]) == (2, 2)
    tee, hat = product("7"), product("8")
    assert (tee.price, tee.sale_price, tee.stock_state) == (25, None, "")
    assert (tee.categories, tee.images) == (["Men > Tops", "Sale"], ["https://shop.example/t.jpg"])
    assert tee.attributes == {"Size": ["S", "M"]}
    assert (hat.stock_quantity, hat.published) == (0, False)


def test_legacy_bigcommerce_without_any_id(take):
    row = {
        "Item Type": "Product",
        "Product ID": "",
        "Product Name": "Jug",
        "Product Code/SKU": "",
        "Product Description": "<b>Clay</b>",
        "Price": "24.5",
        "Product Visible?": "Y",
        "Category": "Kitchen/Jugs",
        "Track Inventory": "none",
        "Current Stock Level": "0",
        "Product Image File - 1": "jug.jpg",
    }
    take({"products.csv": [row]})
    jug = product("Jug")
    assert (jug.price, jug.categories, jug.stock_quantity) == (24.5, ["Kitchen > Jugs"], None)


def test_squarespace_variants_follow_their_product(take):
    rows = [
        {
            "Product ID [Non Editable]": "p1",
            "Variant ID [Non Editable]": "v1",
            "Product Page": "shop",
            "Product URL": "mat",
            "Title": "Mat",
            "SKU": "M1",
            "Option Name 1": "Size",
            "Option Value 1": "S",
            "Price": "12.00",
            "Sale Price": "0.00",
            "On Sale": "No",
            "Stock": "Unlimited",
            "Categories": "/home/mats",
            "Visible": "Yes",
            "Hosted Image URLs": "https://shop.example/1.jpg https://shop.example/2.jpg",
        },
        {
            "Product ID [Non Editable]": "",
            "Variant ID [Non Editable]": "v2",
            "Title": "",
            "SKU": "M2",
            "Option Value 1": "L",
            "Price": "15.00",
            "Sale Price": "10.00",
            "On Sale": "Yes",
            "Stock": "0",
        },
    ]
    report = take({"products.csv": rows})
    assert (report.format, report.counts["variants"]) == ("squarespace_products", 2)
    mat = product("p1")
    assert (mat.price, mat.published, mat.url) == (12, True, "/shop/mat")
    assert (mat.categories, len(mat.images)) == (["home > mats"], 2)
    assert mat.attributes == {"Size": ["S", "L"]}
    assert mat.variants[1]["sale_price"] == 10


def test_wix_fields_of_one_handle(take):
    rows = [
        {
            "handleId": "h1",
            "fieldType": "PRODUCT",
            "name": "Tea",
            "description": "<p>Green</p>",
            "productImageUrl": "a.jpg;b.jpg",
            "collection": "Drinks;Tea",
            "sku": "",
            "price": "8",
            "visible": "true",
            "discountMode": "PERCENT",
            "discountValue": "25",
            "inventory": "InStock",
            "productOptionName1": "Weight",
            "productOptionDescription1": "50 g;100 g",
        },
        {
            "handleId": "h1",
            "fieldType": "VARIANT",
            "name": "",
            "sku": "T-50",
            "price": "",
            "surcharge": "0",
            "inventory": "3",
            "productOptionDescription1": "50 g",
        },
        {
            "handleId": "h1",
            "fieldType": "VARIANT",
            "name": "",
            "sku": "T-100",
            "price": "",
            "surcharge": "5",
            "inventory": "OUT_OF_STOCK",
            "productOptionDescription1": "100 g",
        },
    ]
    report = take({"catalog_products.csv": rows})
    assert (report.format, report.counts["variants"]) == ("wix_products", 2)
    tea = product("h1")
    assert (tea.title, tea.price, tea.stock_state) == ("Tea", 8, "in_stock")
    assert [v["price"] for v in tea.variants] == [8, 13]
    assert tea.attributes == {"Weight": ["50 g", "100 g"]}
    assert tea.images[0] == "https://static.wixstatic.com/media/a.jpg"


def test_shopware_variants_inherit(take):
    rows = (
        "id;parent_id;product_number;name;stock;price_net;price_gross;tax_rate;manufacturer_name\n"
    )
    rows += "a;;SW1;Chair;3;84.03361344538;100;19;Acme\nb;a;SW1.1;;0;;;19;\n"
    report = take({"products.csv": rows})
    assert report.format == "shopware_products"
    assert (report.counts["products"], report.counts["variants"]) == (1, 1)
    chair = product("SW1")
    assert (chair.title, chair.brand, chair.price) == ("Chair", "Acme", 100)
    assert chair.variants[0]["id"] == "SW1.1"


def test_customers_of_prestashop_leave_no_personal_data(take, shop):
    row = {
        "Customer ID": "7",
        "Active (0/1)": "1",
        "Email *": "ann@example.com",
        "Password *": "secret",
        "Last Name *": "Doe",
    }
    assert take({"customers.csv": [row]}).format == "prestashop_customers"
    shopper = shop.shoppers.get()
    assert (shopper.user_id, shopper.attributes) == ("7", {})
