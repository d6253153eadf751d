-- Foreign keys of events, checked once per statement instead of once per row, and the revision of
-- the shoppers: an event makes the precomputed lists of its shopper stale.
--
-- The update finds its rows by the primary key, in its order (other scans are off in the function),
-- so that two concurrent calls lock shoppers in one order.

CREATE OR REPLACE FUNCTION recommender_events_refer() RETURNS trigger LANGUAGE plpgsql
    SET enable_bitmapscan = off SET enable_seqscan = off AS $$
DECLARE named bigint[]; found bigint;
BEGIN
    named := ARRAY(SELECT DISTINCT shopper_id FROM fresh WHERE shopper_id IS NOT NULL);
    UPDATE recommender_shopper SET revision = revision + 1 WHERE id = ANY (named);
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < cardinality(named) THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'an event names a shopper that does not exist', COLUMN = 'shopper_id';
    END IF;
    named := ARRAY(SELECT DISTINCT product_id FROM fresh WHERE product_id IS NOT NULL);
    PERFORM 1 FROM recommender_product WHERE id = ANY (named) ORDER BY id FOR KEY SHARE;
    GET DIAGNOSTICS found = ROW_COUNT;
    IF found < cardinality(named) THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'an event names a product that does not exist', COLUMN = 'product_id';
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_events_still_refer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'recommender_shopper' THEN
        PERFORM 1 FROM recommender_event e JOIN gone ON e.shopper_id = gone.id LIMIT 1;
    ELSE
        PERFORM 1 FROM recommender_event e JOIN gone ON e.product_id = gone.id LIMIT 1;
    END IF;
    IF FOUND THEN
        RAISE foreign_key_violation
            USING MESSAGE = 'events refer to a deleted row', TABLE = TG_TABLE_NAME;
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER recommender_event_added
    AFTER INSERT ON recommender_event REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_refer();
CREATE OR REPLACE TRIGGER recommender_event_changed
    AFTER UPDATE ON recommender_event REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_refer();
CREATE OR REPLACE TRIGGER recommender_shopper_gone
    AFTER DELETE ON recommender_shopper REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_still_refer();
CREATE OR REPLACE TRIGGER recommender_product_gone
    AFTER DELETE ON recommender_product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_events_still_refer();
