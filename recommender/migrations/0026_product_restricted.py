"""What may not be shown is found without a look at what may: products say whether they are restricted, and those deleted are remembered."""

import django.db.models.deletion
from django.db import migrations, models

GONE = """
CREATE FUNCTION recommender_products_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recommender_goneproduct (shop_id, item_id) SELECT shop_id, item_id FROM gone ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE FUNCTION recommender_products_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recommender_goneproduct g USING fresh WHERE g.shop_id = fresh.shop_id AND g.item_id = fresh.item_id;
    RETURN NULL;
END $$;

CREATE FUNCTION recommender_shop_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recommender_goneproduct WHERE shop_id = OLD.id;
    RETURN NULL;
END $$;

CREATE TRIGGER recommender_products_left AFTER DELETE ON recommender_product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_left();
CREATE TRIGGER recommender_products_came AFTER INSERT ON recommender_product REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_came();
CREATE TRIGGER recommender_shop_left AFTER DELETE ON recommender_shop FOR EACH ROW EXECUTE FUNCTION recommender_shop_left();

INSERT INTO recommender_goneproduct (shop_id, item_id)
SELECT DISTINCT l.shop_id, i.item_id FROM recommender_recommendationlist l CROSS JOIN unnest(l.item_ids) AS i (item_id)
WHERE NOT EXISTS (SELECT FROM recommender_product p WHERE p.shop_id = l.shop_id AND p.item_id = i.item_id);
"""
BACK = """
DROP TRIGGER recommender_products_left ON recommender_product;
DROP TRIGGER recommender_products_came ON recommender_product;
DROP TRIGGER recommender_shop_left ON recommender_shop;
DROP FUNCTION recommender_products_left();
DROP FUNCTION recommender_products_came();
DROP FUNCTION recommender_shop_left();
"""
RESTRICTED = (
    models.Q(hidden=True)
    | models.Q(stock_state="out_of_stock")
    | models.Q(stock_quantity__lte=0)
    | models.Q(available_from__isnull=False)
    | models.Q(available_until__isnull=False)
)


class Migration(migrations.Migration):
    dependencies = [("recommender", "0025_told_and_kept")]

    operations = [
        migrations.AddField(
            "product",
            "restricted",
            models.GeneratedField(
                expression=RESTRICTED,
                output_field=models.BooleanField(null=True),
                db_persist=True,
                help_text="May not be shown, ever or at times; others need no second look.",
            ),
        ),
        migrations.AddIndex("product", models.Index(fields=["shop", "item_id"], condition=models.Q(restricted=True), name="product_restricted")),
        migrations.CreateModel(
            "GoneProduct",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("item_id", models.CharField(max_length=256)),
                (
                    "shop",
                    models.ForeignKey(
                        "recommender.shop", django.db.models.deletion.DO_NOTHING, related_name="+", db_constraint=False, db_index=False
                    ),
                ),
            ],
            options={"constraints": [models.UniqueConstraint(fields=["shop", "item_id"], name="gone_once_a_shop")]},
        ),
        migrations.RunSQL(GONE, BACK),
    ]
