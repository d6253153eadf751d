-- Ids by which the outside names a product: its own other ids and GTIN, and those of its variants.
-- They follow the product, whoever writes it. A name that several products have names none of them.

CREATE OR REPLACE FUNCTION recommender_names_of(variants jsonb, other_ids text[], gtin text)
    RETURNS TABLE (name text, variant_id text) LANGUAGE sql IMMUTABLE AS $$
    SELECT DISTINCT ON (n.name) n.name, n.variant_id
    FROM (
        SELECT unnest(other_ids || gtin), NULL, 0
        UNION ALL
        SELECT i.name, v.one ->> 'id', v.place
        FROM jsonb_array_elements(variants) WITH ORDINALITY AS v (one, place),
            LATERAL (
                SELECT unnest(ARRAY[v.one ->> 'id', v.one ->> 'sku', v.one ->> 'gtin'])
                UNION ALL
                SELECT jsonb_array_elements_text(v.one -> 'other_ids')
            ) AS i (name)
    ) AS n (name, variant_id, place)
    WHERE n.name <> '' ORDER BY n.name, n.place DESC
$$;

CREATE OR REPLACE FUNCTION recommender_products_named() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recommender_productname (shop_id, product_id, name, variant_id)
    SELECT p.shop_id, p.id, n.name, n.variant_id
    FROM fresh p, LATERAL recommender_names_of(p.variants, p.other_ids, p.gtin) n
    WHERE p.variants <> '[]' OR p.other_ids <> '{}' OR p.gtin <> '';
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_products_renamed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE renamed bigint[];
BEGIN
    renamed := ARRAY(SELECT p.id FROM fresh p JOIN old_rows o ON o.id = p.id
        WHERE (p.variants, p.other_ids, p.gtin) IS DISTINCT FROM (o.variants, o.other_ids, o.gtin));
    IF cardinality(renamed) > 0 THEN
        DELETE FROM recommender_productname WHERE product_id = ANY (renamed);
        INSERT INTO recommender_productname (shop_id, product_id, name, variant_id)
        SELECT p.shop_id, p.id, n.name, n.variant_id
        FROM recommender_product p, LATERAL recommender_names_of(p.variants, p.other_ids, p.gtin) n
        WHERE p.id = ANY (renamed);
    END IF;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_products_unnamed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recommender_productname n USING gone WHERE n.product_id = gone.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER recommender_products_named
    AFTER INSERT ON recommender_product REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_named();
CREATE OR REPLACE TRIGGER recommender_products_renamed
    AFTER UPDATE ON recommender_product REFERENCING NEW TABLE AS fresh OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_renamed();
CREATE OR REPLACE TRIGGER recommender_products_unnamed
    AFTER DELETE ON recommender_product REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_products_unnamed();
