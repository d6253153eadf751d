"""Events mark their shoppers themselves: whoever stores them, the lists made before are out of date, and one look does for both checking and marking.

The update finds its rows by the primary key, in its order (other ways to scan are off in the function), so that two calls meet in one order.
"""

from django.db import migrations

FUNCTION = """
CREATE OR REPLACE FUNCTION recommender_events_refer() RETURNS trigger LANGUAGE plpgsql {settings} AS $$
DECLARE named bigint[]; found bigint;
BEGIN
    named := ARRAY(SELECT DISTINCT shopper_id FROM fresh WHERE shopper_id IS NOT NULL);
    {look_at_shoppers};
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
"""
FORWARD = FUNCTION.format(
    settings="SET enable_bitmapscan = off SET enable_seqscan = off",
    look_at_shoppers="UPDATE recommender_shopper SET revision = revision + 1 WHERE id = ANY (named)",
)
BACKWARD = FUNCTION.format(settings="", look_at_shoppers="PERFORM 1 FROM recommender_shopper WHERE id = ANY (named) ORDER BY id FOR KEY SHARE")


class Migration(migrations.Migration):
    dependencies = [("recommender", "0023_event_references")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
