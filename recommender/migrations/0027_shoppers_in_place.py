"""A shopper is marked at each call of events: pages with room hold the new row beside the old one, so that no index has to be told."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("recommender", "0026_product_restricted")]

    operations = [
        migrations.AlterField(
            "shopper",
            "shop",
            models.ForeignKey("recommender.shop", django.db.models.deletion.CASCADE, related_name="shoppers", db_index=False),
        ),
        migrations.RunSQL("ALTER TABLE recommender_shopper SET (fillfactor = 50)", "ALTER TABLE recommender_shopper RESET (fillfactor)"),
    ]
