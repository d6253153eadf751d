"""Indexes of large tables, built while the tables are written."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False

    dependencies = [("recommender", "0039_webhook_schedule")]

    operations = [
        AddIndexConcurrently(
            model_name='product',
            index=models.Index(condition=models.Q(('item_group_id', ''), _negated=True), fields=['shop', 'item_id'], name='product_grouped'),
        ),
        AddIndexConcurrently(
            model_name='servedlist',
            index=models.Index(condition=models.Q(('session_id__isnull', False)), fields=['shop', 'session_id'], name='served_of_session'),
        ),
    ]
