-- A review whose content changes is pending again, so that its opinions are judged again.

CREATE OR REPLACE FUNCTION recommender_review_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.judged_at = NULL;
    RETURN NEW;
END $$;

CREATE OR REPLACE TRIGGER recommender_review_changed
    BEFORE UPDATE ON recommender_review FOR EACH ROW
    WHEN ((OLD.title, OLD.text, OLD.item_id, OLD.channel, OLD.created_at)
        IS DISTINCT FROM (NEW.title, NEW.text, NEW.item_id, NEW.channel, NEW.created_at))
    EXECUTE FUNCTION recommender_review_changed();
