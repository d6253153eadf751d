"""Who sees a shop in the console. Everybody who saw all shops until now goes on to."""

from django.conf import settings
from django.db import migrations, models


def join_every_shop(apps, schema_editor):
    User = apps.get_model(settings.AUTH_USER_MODEL)
    people = list(User.objects.filter(is_staff=True, is_superuser=False))
    for shop in apps.get_model("recommender", "Shop").objects.all():
        shop.people.add(*people)


class Migration(migrations.Migration):
    dependencies = [migrations.swappable_dependency(settings.AUTH_USER_MODEL), ("recommender", "0029_promote_choices")]

    operations = [
        migrations.AddField(
            "shop",
            "people",
            models.ManyToManyField(
                blank=True,
                help_text="Who sees this shop in the console; what they may do there is a matter of their permissions. Superusers see every shop.",
                related_name="shops",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.RunPython(join_every_shop, migrations.RunPython.noop),
    ]
