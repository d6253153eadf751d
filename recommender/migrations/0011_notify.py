from django.db import migrations

FORWARD = """
    CREATE FUNCTION recommender_tell_of_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_notify('vitrine_changes', '');
        RETURN NULL;
    END $$;
    CREATE TRIGGER tell_of_change AFTER INSERT ON recommender_change FOR EACH STATEMENT EXECUTE FUNCTION recommender_tell_of_change();
"""
BACKWARD = """
    DROP TRIGGER tell_of_change ON recommender_change;
    DROP FUNCTION recommender_tell_of_change();
"""


class Migration(migrations.Migration):
    dependencies = [("recommender", "0010_kinds")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
