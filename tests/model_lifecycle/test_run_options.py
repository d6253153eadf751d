"""Options of trainings started by REST or in the console: names of code, files and versions."""

import pytest

from tests.api.request_bodies import field_of

NAMES = [
    ("fusion", "text.back_translation", "os:system"),
    ("fusion", "text.back_translation", "shutil:rmtree"),
    ("fusion", "text.encoder", "/etc"),
    ("fusion", "text.encoder", "../../other-shop/run-1/checkpoint/encoder"),
    ("fusion", "encoder", "bert-base-uncased"),
    ("fusion", "served_encoder", "/srv"),
    ("fusion", "text.synonym_file", "/etc/passwd"),
    ("distil", "teacher", "/srv/checkpoint"),
    ("retrieval", "text.encoder", "v999"),
    ("fusion", "text.encoder", "v١"),
    ("sentiment", "text.back_translation", "subprocess:run"),
]


@pytest.mark.parametrize(("recipe", "field", "name"), NAMES)
def test_a_key_may_not_name_code_files_or_folders(live_shop, api, recipe, field, name):
    for given in (
        {field: name},
        {"text": {field.removeprefix("text."): name}}
        if field.startswith("text.")
        else {field: name},
    ):
        assert field_of(api("post", "training-jobs", {"recipe": recipe, "set": given})).startswith(
            "set."
        )
    assert live_shop.runs.count() == 1


def test_a_form_may_not_name_them_either(live_shop, admin_client):
    form = {
        "recipe": "fusion",
        "preset": "quick",
        "promote": "never",
        "advanced": "text.back_translation=os:system",
    }
    reply = admin_client.post("/console/s/tiny/train/", form)
    assert (
        reply.status_code == 200
        and "is not allowed" in reply.content.decode()
        and live_shop.runs.count() == 1
    )


def test_what_the_operator_allows_and_own_versions_may_be_named(
    live_shop, api, settings, monkeypatch
):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    settings.VITRINE_TRAINING_NAMES = frozenset({"mymodule:translate"})
    fields = {
        "text.back_translation": "mymodule:translate",
        "text.encoder": f"v{live_shop.champion().number}",
    }
    assert api("post", "training-jobs", {"recipe": "fusion", "set": fields}).status_code == 202
    assert (
        api(
            "post", "training-jobs", {"recipe": "fusion", "set": {"text.encoder": "multilingual"}}
        ).status_code
        == 202
    )
