"""Per-shop permissions: who is a member of one shop sees nothing of another, on any page, in
any table, choice or search.
"""

from importlib import import_module

from django.apps import apps
from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from recommender.console.site import FRAGMENTS
from recommender.models import (
    Alert,
    EvaluationQuerySet,
    Event,
    ModelVersion,
    Placement,
    Product,
    Review,
    ServedList,
    Shop,
    Shopper,
    Synonym,
    TrainingRun,
)
from tests.console.conftest import SECRET

PAGES = (
    "home",
    "strip",
    "train",
    "train_window",
    "train_fields",
    "models",
    "placements",
    "placements_more",
    "preview",
    "search",
    "search_compare",
    "search_evaluation",
    "search_grade",
    "search_sets",
    "search_synonyms",
    "opinions",
    "opinions_reading",
    "opinions_export",
    "opinions_product",
    "opinions_compare",
    "opinions_alerts",
    "opinions_topics",
    "labels",
    "support",
    "support_trial",
    "support_inbox",
    "support_transcripts",
    "support_unanswered",
    "support_templates",
    "support_intents",
    "support_articles",
    "support_settings",
)


def test_no_page_of_another_shop_opens(two_shops, client):
    for name in PAGES:
        assert client.get(reverse(f"admin:{name}", args=["tiny"])).status_code == 200, name
        assert client.get(reverse(f"admin:{name}", args=["other"])).status_code == 404, name
    assert "/console/s/tiny/train/" in client.get("/console/s/other/").content.decode(), (
        "the page of the error leads back to the own shop"
    )
    run, version = two_shops[1][TrainingRun], two_shops[1][ModelVersion]
    synonym = two_shops[1][Synonym]
    for name, parts in (
        ("run", [run.pk]),
        ("run_live", [run.pk]),
        ("run_log", [run.pk]),
        ("version", [1]),
    ):
        assert client.get(reverse(f"admin:{name}", args=["other", *parts])).status_code == 404, name
    for name, parts in (
        ("train", []),
        ("run_cancel", [run.pk]),
        ("run_resume", [run.pk]),
        ("run_again", [run.pk]),
        ("promote", [1]),
        ("rollback", []),
        ("search_evaluation", []),
        ("search_grade_save", []),
        ("search_sets", []),
        ("search_clicks", []),
        ("search_synonyms_look", []),
        ("search_synonyms_decide", [synonym.pk]),
        ("opinions_alerts", []),
        ("surge_rule_delete", [1]),
        ("alert_act", [two_shops[1][Alert].pk]),
        ("label_save", []),
        ("opinions_topics", []),
        ("opinion_topics_copy", []),
        ("opinion_topic_delete", [1]),
        ("support_conversation", [1]),
        ("support_template", [1]),
        ("support_template_delete", [1]),
        ("support_intent_delete", [1]),
        ("support_article_delete", [1]),
        ("support_settings", []),
    ):
        assert client.post(reverse(f"admin:{name}", args=["other", *parts])).status_code == 404, (
            name
        )
    version.refresh_from_db()
    synonym.refresh_from_db()
    assert version.status == "candidate" and TrainingRun.objects.count() == 2
    assert synonym.state == "proposed"


def test_every_page_of_the_console_is_tried_here():
    site = import_module("recommender.console.site")
    routes = [
        p
        for p in site.ConsoleSite(name="admin").get_urls()
        if str(p.pattern).startswith("s/<slug:shop>/")
    ]
    tried = {
        *PAGES,
        "run",
        "run_live",
        "run_log",
        "version",
        "run_cancel",
        "run_resume",
        "run_again",
        "promote",
        "rollback",
        "search_grade_save",
        "search_clicks",
        "search_sets_delete",
        "search_synonyms_look",
        "search_synonyms_decide",
        "surge_rule_delete",
        "alert_act",
        "label_save",
        "opinion_topics_copy",
        "opinion_topic_delete",
        "support_conversation",
        "support_template",
        "support_template_delete",
        "support_intent_delete",
        "support_article_delete",
    }
    assert {p.name for p in routes} == tried and tried >= FRAGMENTS


def test_every_table_of_a_shop_is_tried_here(two_shops):
    own = [model for model in admin.site._registry if model._meta.app_label == "recommender"]
    assert set(own) == set(two_shops[0])
    assert all(
        hasattr(admin.site._registry[model], "formfield_for_foreignkey") for model in own
    ) and apps.get_app_config("recommender")


def test_no_table_shows_a_row_of_another_shop(two_shops, client):
    ours, theirs = two_shops
    for model, row in theirs.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        listed = client.get(reverse(f"{name}_changelist"))
        assert listed.status_code == 200 and SECRET not in listed.content.decode(), name
        rows = list(listed.context["cl"].queryset)
        assert ours[model] in rows and {
            result.pk if model is Shop else result.shop_id for result in rows
        } == {ours[Shop].pk}, name
        for address in ("change", "delete", "history"):
            try:
                present = reverse(f"{name}_{address}", args=[row.pk])
            except NoReverseMatch:
                continue
            for reply in (
                client.get(present, follow=True),
                client.post(present, {"post": "yes"}, follow=True),
            ):
                assert (
                    reply.status_code in (200, 403, 404) and SECRET not in reply.content.decode()
                ), present
                assert reply.redirect_chain or reply.status_code != 200, present
        client.post(
            reverse(f"{name}_changelist"),
            {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"},
        )
        assert type(row)._default_manager.filter(pk=row.pk).exists(), name


def test_no_form_offers_another_shop(two_shops, client):
    for model in (Product, Placement, Shopper, Review):
        page = client.get(
            reverse(f"admin:recommender_{model._meta.model_name}_add")
        ).content.decode()
        assert "Tiny" in page and SECRET not in page, model
    fields = {
        "shop": two_shops[1][Shop].pk,
        "item_id": "new",
        "title": "new",
        "stock_state": "in_stock",
        "attributes": "{}",
    }
    reply = client.post(reverse("admin:recommender_product_add"), fields)
    assert reply.status_code == 200 and "not one of the available choices" in reply.content.decode()
    assert not Product.objects.filter(item_id="new").exists()
    placement = client.get(
        reverse("admin:recommender_placement_change", args=[two_shops[0][Placement].pk])
    )
    offered = placement.context["adminform"].form.fields["version"].queryset
    assert list(offered) == [two_shops[0][ModelVersion]]


def test_search_and_the_switcher_know_only_shops_of_the_person(two_shops, client):
    result = client.get("/console/search/", {"s": "s", "extended": "1"}).content.decode()
    assert SECRET not in result
    assert "/console/s/other/" not in client.get("/console/s/tiny/").content.decode()
    assert client.get("/console/").url == "/console/s/tiny/"


def test_who_is_a_member_of_no_shop_is_told_so(two_shops, client):
    two_shops[0][Shop].people.clear()
    reply = client.get("/console/")
    assert reply.status_code == 403 and "Ask to become a member" in reply.content.decode()


def test_people_are_changed_by_superusers_alone(two_shops, client, django_user_model):
    person = django_user_model.objects.get(username="ann")
    for address in (
        reverse("admin:auth_user_changelist"),
        reverse("admin:auth_user_change", args=[person.pk]),
        reverse("admin:auth_group_add"),
    ):
        assert client.get(address).status_code == 403
    shop = two_shops[0][Shop]
    client.post(
        reverse("admin:recommender_shop_change", args=[shop.pk]),
        {"key": "tiny", "name": "Tiny", "currency": "EUR", "timezone": "UTC", "people": []},
    )
    assert list(shop.people.all()) == [person]


def test_a_superuser_says_who_sees_which_shop(two_shops, client, django_user_model):
    person = django_user_model.objects.get(username="ann")
    client.force_login(django_user_model.objects.create_superuser("boss", password="x"))
    address = reverse("admin:auth_user_change", args=[person.pk])
    form = client.get(address).context["adminform"].form
    assert list(form.initial["shops"]) == [two_shops[0][Shop]]
    fields = {
        "username": "ann",
        "is_active": "on",
        "is_staff": "on",
        "shops": [two_shops[1][Shop].pk],
        "date_joined_0": "2026-01-01",
        "date_joined_1": "00:00:00",
    }
    assert client.post(address, fields).status_code == 302
    assert [shop.key for shop in person.shops.all()] == ["other"]


def test_who_makes_a_shop_becomes_its_member(two_shops, client):
    reply = client.post(
        reverse("admin:recommender_shop_add"),
        {"key": "third", "name": "Third", "currency": "EUR", "timezone": "UTC"},
    )
    assert reply.status_code == 302 and client.get("/console/s/third/").status_code == 200


def test_those_who_saw_all_shops_before_go_on_to(shop, django_user_model):
    ann, ben = (
        django_user_model.objects.create_user(name, is_staff=name == "ann")
        for name in ("ann", "ben")
    )
    import_module("recommender.migrations.0030_shop_people").join_every_shop(apps, None)
    assert list(shop.people.all()) == [ann] and ben


def test_a_placement_takes_no_version_of_another_shop(two_shops, client, django_user_model):
    """Not by somebody who sees both shops either, and what was stored before is not served."""
    from recommender.serving import shop_state

    client.force_login(django_user_model.objects.create_superuser("boss", password="x"))
    ours, theirs = two_shops
    fields = {
        "shop": ours[Shop].pk,
        "key": "new",
        "name": "New",
        "kind": "personal",
        "size": 6,
        "tail_percent": 0,
        "diversity": 0,
        "explore_percent": 0,
        "fallbacks": "popular",
        "filter_values": "{}",
    }
    reply = client.post(
        reverse("admin:recommender_placement_add"), {**fields, "version": theirs[ModelVersion].pk}
    )
    assert reply.status_code == 200 and "is not a ranking version of" in reply.content.decode()
    same = ModelVersion.objects.filter(pk=ours[ModelVersion].pk)
    same.update(purpose="encoder")
    form = client.get(reverse("admin:recommender_placement_add")).content.decode()
    assert f'<option value="{same.get().pk}"' not in form, "only ranking versions are offered"
    same.update(purpose="ranking")
    form = client.get(reverse("admin:recommender_placement_add")).content.decode()
    assert f'<option value="{same.get().pk}"' in form
    assert (
        client.post(
            reverse("admin:recommender_placement_add"), {**fields, "version": ours[ModelVersion].pk}
        ).status_code
        == 302
    )
    Placement.objects.filter(key="new").update(version=theirs[ModelVersion])
    state = shop_state.ShopState(ours[Shop].pk)
    assert state.serving(Placement.objects.get(key="new"))[0] is None


def test_big_tables_are_searched_by_whole_ids_and_offer_no_selection_of_all(two_shops, client):
    ours = two_shops[0]
    shown = ServedList.objects.create(
        shop=ours[Shop],
        recommendation_id="r-4711a",
        shopper=ours[Shopper],
        session_id="s-1",
        items=[],
        created_at=timezone.now(),
    )
    address = reverse("admin:recommender_servedlist_changelist")
    for text, result in (("r-4711a", True), ("ours", True), ("s-1", True), ("4711", False)):
        assert (shown in client.get(address, {"q": text}).context["cl"].queryset) == result, text
    Event.objects.create(
        shop=ours[Shop], event_id="e-2", type="view", session_id="s-1", occurred_at=timezone.now()
    )
    result = (
        client.get(reverse("admin:recommender_event_changelist"), {"q": "s-1"})
        .context["cl"]
        .queryset
    )
    assert [event.event_id for event in result] == ["e-2"]
    assert (
        "Select all 99"
        not in client.get(reverse("admin:recommender_product_changelist")).content.decode()
    )


def test_search_pages_of_the_own_shop_take_nothing_of_another(two_shops, client):
    synonym = two_shops[1][Synonym]
    shown = client.get(f"/console/s/tiny/search/synonyms/?preview={synonym.pk}").content.decode()
    assert SECRET not in shown
    why = client.get(f"/console/s/tiny/search/compare/?q=x&why={SECRET}").content.decode()
    assert f"No product has the id or title “{SECRET}”" in why
    assert SECRET not in client.get("/console/s/tiny/search/grade/").content.decode()
    reply = client.post(reverse("admin:search_synonyms_decide", args=["tiny", synonym.pk]))
    assert reply.status_code == 404
    theirs = EvaluationQuerySet.objects.create(
        shop=two_shops[1][Shop], name=SECRET, origin="x", queries=[SECRET]
    )
    for path in ("sets/", f"figures/?set={theirs.pk}", f"grade/?set={theirs.pk}"):
        assert SECRET not in client.get(f"/console/s/tiny/search/{path}").content.decode(), path
    delete = reverse("admin:search_sets_delete", args=["tiny", theirs.pk])
    assert client.post(delete).status_code == 404
    body = {"query": "x", "item_id": SECRET, "grade": 1}
    save = reverse("admin:search_grade_save", args=["tiny"])
    assert client.post(save, body, content_type="application/json").status_code == 400
