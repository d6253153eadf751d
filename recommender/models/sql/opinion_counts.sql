-- Counts of opinions by day and dimension, kept by each statement that inserts, deletes or changes
-- opinions. Rows are written in one order, so that two workers cause no deadlock.

CREATE OR REPLACE FUNCTION recommender_opinions_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO recommender_opinioncount AS c
        (shop_id, dimension, value, day, topic, polarity, count)
    SELECT o.shop_id, d.dimension, d.value, o.day, o.topic, o.polarity, count(*)
    FROM came o CROSS JOIN LATERAL (
        VALUES ('all', ''), ('item', o.item_id), ('brand', o.brand), ('channel', o.channel)
        UNION ALL SELECT 'category', unnest(o.categories)) AS d (dimension, value)
    WHERE d.dimension = 'all' OR d.value <> ''
    GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (shop_id, dimension, value, day, topic, polarity)
        DO UPDATE SET count = c.count + EXCLUDED.count;
    RETURN NULL;
END $$;

CREATE OR REPLACE FUNCTION recommender_opinions_left() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    WITH gone AS (
        SELECT o.shop_id, d.dimension, d.value, o.day, o.topic, o.polarity, count(*) AS count
        FROM went o CROSS JOIN LATERAL (
            VALUES ('all', ''), ('item', o.item_id), ('brand', o.brand), ('channel', o.channel)
            UNION ALL SELECT 'category', unnest(o.categories)) AS d (dimension, value)
        WHERE d.dimension = 'all' OR d.value <> ''
        GROUP BY 1, 2, 3, 4, 5, 6),
    locked AS MATERIALIZED (
        SELECT c.id, gone.count FROM recommender_opinioncount c JOIN gone
            USING (shop_id, dimension, value, day, topic, polarity)
        ORDER BY shop_id, dimension, value, day, topic, polarity FOR UPDATE OF c)
    UPDATE recommender_opinioncount c SET count = c.count - locked.count
    FROM locked WHERE c.id = locked.id;
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER recommender_opinions_came
    AFTER INSERT ON recommender_opinion REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_opinions_came();
CREATE OR REPLACE TRIGGER recommender_opinions_left
    AFTER DELETE ON recommender_opinion REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_opinions_left();
CREATE OR REPLACE TRIGGER recommender_opinions_changed_from
    AFTER UPDATE ON recommender_opinion REFERENCING OLD TABLE AS went
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_opinions_left();
CREATE OR REPLACE TRIGGER recommender_opinions_changed_to
    AFTER UPDATE ON recommender_opinion REFERENCING NEW TABLE AS came
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_opinions_came();
