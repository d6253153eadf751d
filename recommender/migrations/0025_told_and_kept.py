"""A line of `told` holds what a served list keeps as well; lists as served have one index less, since two others begin with the shop."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("recommender", "0024_events_mark_shoppers")]

    operations = [
        # What stands there is of another form; it is written again when the list is next asked for.
        migrations.RunSQL("UPDATE recommender_recommendationlist SET told = ''", "UPDATE recommender_recommendationlist SET told = ''"),
        migrations.AlterField("recommendationlist", "told", models.TextField(default="", help_text="The first places, a line of JSON each: as kept and as told; blank: not written yet.")),
        migrations.AlterField(
            "servedlist", "shop", models.ForeignKey("recommender.shop", django.db.models.deletion.CASCADE, related_name="served", db_index=False)
        ),
    ]
