"""Training jobs and model versions over REST."""

import pytest

from recommender.models import ApiKey, TrainingRun


def test_a_training_job_is_queued_seen_and_cancelled(
    stocked, api, django_capture_on_commit_callbacks, monkeypatch
):
    sent = []
    monkeypatch.setattr(
        "recommender.infrastructure.task_queue.enqueue",
        lambda name, pk, *_: name == "train" and sent.append(pk),
    )
    reply = api(
        "post",
        "training-jobs",
        {
            "recipe": "fusion",
            "data": {"from": "2026-01-01", "to": None},
            "set": {"text.steps": 10},
            "promote": "ask",
        },
    )
    assert reply.status_code == 202
    job = reply.json()
    run = TrainingRun.objects.get()
    assert (job["job_id"], job["status"], sent) == (f"job-{run.pk}", "queued", [run.pk]) and str(
        run.data_from
    ) == "2026-01-01"
    assert api("get", f"training-jobs/{job['job_id']}").json()["promote"] == "ask"
    assert api("post", f"training-jobs/{job['job_id']}/cancel").json()["status"] == "cancelled"
    assert api("post", f"training-jobs/{job['job_id']}/cancel").status_code == 409


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"recipe": "magic"}, "recipe"),
        ({"preset": "magic"}, "preset"),
        ({"set": {"text.stepz": 1}}, "set.text.stepz"),
        ({"set": []}, "set"),
        ({"promote": "maybe"}, "promote"),
        ({"data": {"from": "soon"}}, "data.from"),
        ({"data": {"from": "2026-02-01", "to": "2026-01-01"}}, "data.from"),
        ({"speed": 3}, "speed"),
    ],
)
def test_a_wrong_training_job_names_the_field(shop, api, body, field):
    reply = api("post", "training-jobs", body)
    assert (
        reply.status_code == 400
        and reply.json()["errors"][0]["field"] == field
        and not TrainingRun.objects.exists()
    )


def test_models_are_listed_promoted_and_rolled_back(live_shop, api, register):
    register(live_shop)
    models = api("get", "models?purpose=ranking").json()["models"]
    assert [(m["id"], m["status"]) for m in models] == [(2, "candidate"), (1, "champion")]
    assert api("post", "models/2/promote").json()["status"] == "champion"
    assert api("post", "models/rollback", {"purpose": "ranking"}).json()["id"] == 1
    assert api("post", "models/rollback", {}).status_code == 409
    assert api("post", "models/99/promote").status_code == 404


def test_a_broken_version_cannot_be_promoted(live_shop, api, register, checkpoints):
    version = register(live_shop)
    (checkpoints / version.folder / "popularity.npy").write_bytes(b"")
    reply = api("post", "models/2/promote")
    assert (
        reply.status_code == 409
        and "popularity.npy" in reply.json()["detail"]
        and live_shop.champion().number == 1
    )


def test_promotion_needs_its_own_scope(stocked, api, monkeypatch):
    monkeypatch.setattr("recommender.infrastructure.task_queue.enqueue", lambda *_: None)
    _, key = ApiKey.objects.issue(stocked, "t", ["training:write"])
    assert api("post", "training-jobs", {"promote": "always"}, key=key).status_code == 403
    assert api("post", "training-jobs", {}, key=key).json()["promote"] == "ask"
    assert api("post", "training-jobs", {}).json()["promote"] == "if-better"
