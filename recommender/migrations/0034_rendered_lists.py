import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("recommender", "0033_queued_and_watched")]

    operations = [
        migrations.RenameField("recommendationlist", "told", "rendered"),
        migrations.AlterField(
            "recommendationlist",
            "rendered",
            models.TextField(
                default="",
                help_text="The first items, one line each: JSON of the exposure log, tab, JSON of the API. "
                "Blank: not rendered yet.",
            ),
        ),
        migrations.AlterField(
            "recommendationlist",
            "item_ids",
            django.contrib.postgres.fields.ArrayField(
                base_field=models.CharField(max_length=256),
                default=list,
                help_text="Ids of the items, in order.",
                size=None,
            ),
        ),
        migrations.AlterField(
            "recommendationlist",
            "shopper_revision",
            models.BigIntegerField(
                help_text="Revision of the shopper that the list was made for; a newer one makes it stale."
            ),
        ),
    ]
