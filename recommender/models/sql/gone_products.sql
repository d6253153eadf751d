-- Ids of deleted products, until a product of the same id is created again: precomputed lists made
-- before the deletion leave them out.

CREATE OR REPLACE FUNCTION recommender_products_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recommender_goneproduct (shop_id, item_id)
    SELECT shop_id, item_id FROM gone ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_products_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recommender_goneproduct g USING fresh
    WHERE g.shop_id = fresh.shop_id AND g.item_id = fresh.item_id;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_shop_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recommender_goneproduct WHERE shop_id = OLD.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER recommender_products_left
    AFTER DELETE ON recommender_product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_left();
CREATE OR REPLACE TRIGGER recommender_products_came
    AFTER INSERT ON recommender_product REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_came();
CREATE OR REPLACE TRIGGER recommender_shop_left
    AFTER DELETE ON recommender_shop
    FOR EACH ROW EXECUTE FUNCTION recommender_shop_left();
