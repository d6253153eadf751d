-- Change feed: NOTIFY for every statement that inserts changes, sent on commit.

CREATE OR REPLACE FUNCTION recommender_tell_of_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('vitrine_changes', '');
    RETURN NULL;
END $$;

CREATE OR REPLACE TRIGGER tell_of_change AFTER INSERT ON recommender_change
    FOR EACH STATEMENT EXECUTE FUNCTION recommender_tell_of_change();
