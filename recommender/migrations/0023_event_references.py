"""What events refer to is checked once a statement, not once a row: a call of 500 events asks the shoppers and the products once each."""

import django.db.models.deletion
from django.db import migrations, models

FORWARD = """
CREATE FUNCTION recommender_events_refer() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE named bigint[]; found bigint;
BEGIN
    named := ARRAY(SELECT DISTINCT shopper_id FROM fresh WHERE shopper_id IS NOT NULL);
    PERFORM 1 FROM recommender_shopper WHERE id = ANY (named) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < cardinality(named) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an event names a shopper that is not there', COLUMN = 'shopper_id';
    END IF;
    named := ARRAY(SELECT DISTINCT product_id FROM fresh WHERE product_id IS NOT NULL);
    PERFORM 1 FROM recommender_product WHERE id = ANY (named) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < cardinality(named) THEN
        RAISE foreign_key_violation USING MESSAGE = 'an event names a product that is not there', COLUMN = 'product_id';
    END IF;
    RETURN NULL;
END $$;

CREATE FUNCTION recommender_events_still_refer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'recommender_shopper' THEN
        PERFORM 1 FROM recommender_event e JOIN gone ON e.shopper_id = gone.id LIMIT 1;
    ELSE
        PERFORM 1 FROM recommender_event e JOIN gone ON e.product_id = gone.id LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'there are events of it', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE TRIGGER recommender_event_added AFTER INSERT ON recommender_event REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_refer();
CREATE TRIGGER recommender_event_changed AFTER UPDATE ON recommender_event REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_refer();
CREATE TRIGGER recommender_shopper_gone AFTER DELETE ON recommender_shopper REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_still_refer();
CREATE TRIGGER recommender_product_gone AFTER DELETE ON recommender_product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_still_refer();
"""
BACKWARD = """
DROP TRIGGER recommender_event_added ON recommender_event;
DROP TRIGGER recommender_event_changed ON recommender_event;
DROP TRIGGER recommender_shopper_gone ON recommender_shopper;
DROP TRIGGER recommender_product_gone ON recommender_product;
DROP FUNCTION recommender_events_refer();
DROP FUNCTION recommender_events_still_refer();
"""


class Migration(migrations.Migration):
    dependencies = [("recommender", "0022_events_shop")]

    operations = [
        migrations.AlterField(
            "event",
            "shopper",
            models.ForeignKey(
                blank=True,
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="events",
                to="recommender.shopper",
            ),
        ),
        migrations.AlterField(
            "event",
            "product",
            models.ForeignKey(
                blank=True, db_constraint=False, null=True, on_delete=django.db.models.deletion.CASCADE, related_name="events", to="recommender.product"
            ),
        ),
        migrations.RunSQL(FORWARD, BACKWARD),
    ]
