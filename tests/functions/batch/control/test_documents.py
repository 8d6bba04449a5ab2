"""A document comes into force, is refused, or is removed, and everybody hears of it."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.batch.scene import INCOMING, RESULTS, BatchScene, a_batch_scene
from tests.support.json_values import JSON

OUTCOMES = ("Pipeline Accepted", "Pipeline Refused", "Pipeline Removed")
SOON = 30
"""Seconds until a change has been checked."""


def version_in_force(scene: BatchScene, name: str = "ocr") -> int | None:
    pipeline = scene.pipelines.in_force().get(name)
    return pipeline.version if pipeline else None


def outcomes(scene: BatchScene) -> list[tuple[str, int | None]]:
    """What was said since the scene was opened, with the versions of the parameter."""
    return [
        (seen.event["detail-type"], seen.event["detail"].get("parameter_version"))
        for seen in scene.berthmaster.bus_events
        if seen.event["detail-type"] in OUTCOMES
    ][1:]


def test_a_document_needs_three_fields_and_has_a_default_for_every_other() -> None:
    with a_batch_scene(BatchOutputBuckets=f"arn:aws:s3:::{RESULTS},arn:aws:s3:::{INCOMING}") as scene:
        document = {
            "input": {"bucket": INCOMING, "prefix": "in/"},
            "run": {"cluster": "batch", "taskDefinition": "ocr"},
        }
        scene.put_document("small", json.dumps(document))
        scene.wait(SOON)
        pipeline = scene.pipelines.in_force()["small"]
        defaults = scene.cloud.client("ec2").describe_subnets(Filters=[{"Name": "default-for-az", "Values": ["true"]}])
        assert pipeline.run.subnets == tuple(sorted(one["SubnetId"] for one in defaults["Subnets"]))
        assert len(pipeline.run.security_groups) == 1
        assert (pipeline.run.container, pipeline.run.assign_public_ip) == ("ocr", True)
        assert (pipeline.output.bucket, pipeline.output.prefix) == (INCOMING, "results/small/")


def test_a_bad_document_is_answered_by_its_field_and_the_last_good_one_stays_in_force() -> None:
    with a_batch_scene() as scene:
        scene.put_document(limits={"tasks": 0})
        scene.wait(SOON)
        (refused,) = scene.events("Pipeline Refused")
        assert (refused["field"], refused["problem"]) == ("limits.tasks", "must be an integer >= 1")
        assert (refused["parameter_version"], refused["in_force"]) == (2, 1)
        assert version_in_force(scene) == 1
        (mail,) = scene.mails()
        assert "limits.tasks: must be an integer >= 1" in mail
        assert "Version 1 stays in force" in mail
        scene.put_document(limits={"tasks": 7})
        scene.wait(SOON)
        assert scene.pipelines.in_force()["ocr"].limits.tasks == 7
        assert outcomes(scene) == [("Pipeline Refused", 2), ("Pipeline Accepted", 3)]


def test_two_pipelines_never_have_one_object_although_both_documents_come_at_once() -> None:
    with a_batch_scene() as scene:
        for number in range(4):
            names = {f"first-{number}", f"second-{number}"}
            for name in sorted(names):
                scene.put_document(name, input={"prefix": f"{number}/"}, output={"prefix": f"{name}/"})
            scene.wait(SOON)
            (in_force,) = set(scene.pipelines.in_force()) & names
            refused = scene.events("Pipeline Refused")[-1]
            assert ({refused["pipeline"]}, refused["field"]) == (names - {in_force}, "input")


def test_what_was_refused_for_the_state_of_aws_comes_into_force_when_that_has_changed() -> None:
    with a_batch_scene(scheduled=True, unscheduled=()) as scene:
        scene.put_document("other", input={"prefix": "pages/"}, output={"prefix": "pages/"}, run={"cluster": "later"})
        scene.wait(SOON)
        (refused,) = scene.events("Pipeline Refused")
        assert refused["field"] == "run.cluster"
        scene.wait(300)
        assert len(scene.events("Pipeline Refused")) == 1
        scene.cloud.client("ecs").create_cluster(clusterName="later")
        scene.wait(90)
        assert version_in_force(scene, "other") == 1


def test_a_deleted_pipeline_takes_no_files_and_one_made_anew_is_a_version_of_its_own() -> None:
    with a_batch_scene() as scene:
        scene.put_document(limits={"tasks": 2})
        scene.wait(SOON)
        scene.delete_document()
        scene.wait(SOON)
        assert version_in_force(scene) is None
        scene.put_document(output={"prefix": "anew/"})
        scene.wait(SOON)
        # AWS counts from 1 again; launches that were begun before still find what they were begun with.
        assert outcomes(scene)[-1] == ("Pipeline Accepted", 1)
        assert version_in_force(scene) == 3
        versions = [scene.pipelines.version("ocr", number) for number in (1, 2, 3)]
        assert [(one.limits.tasks, one.output.prefix) for one in versions] == [(50, "ocr/"), (2, "ocr/"), (50, "anew/")]


@pytest.mark.parametrize("name", ["Ocr", "a/b", "x" * 60])
def test_a_name_that_a_pipeline_cannot_have_is_answered(name: str) -> None:
    with a_batch_scene() as scene:
        scene.put_document(name)
        scene.wait(SOON)
        (refused,) = scene.events("Pipeline Refused")
        assert (refused["pipeline"], refused["field"]) == (name, "name")


def test_a_secret_is_no_document() -> None:
    with a_batch_scene() as scene:
        value = json.dumps(scene.document())
        scene.cloud.client("ssm").put_parameter(Name="/berthmaster/batch/other", Type="SecureString", Value=value)
        scene.wait(SOON)
        (refused,) = scene.events("Pipeline Refused")
        assert "must be of the type String" in refused["problem"]


PATHS = st.sampled_from(
    [
        ("input",),
        ("input", "bucket"),
        ("input", "prefix"),
        ("input", "suffix"),
        ("output", "prefix"),
        ("output", "publish"),
        ("run", "cluster"),
        ("run", "taskDefinition"),
        ("run", "container"),
        ("run", "subnets"),
        ("run", "securityGroups"),
        ("run", "more"),
        ("limits",),
        ("limits", "tasks"),
        ("spot", "tries"),
        ("paused",),
        ("more",),
    ]
)


def test_whatever_a_document_says_it_is_answered_once_and_nothing_fails() -> None:
    with a_batch_scene() as scene:

        @settings(max_examples=20, deadline=None)
        @given(PATHS, JSON)
        def put(path: tuple[str, ...], value: object) -> None:
            document = scene.document()
            *parents, last = path
            part = document
            for parent in parents:
                part = part.setdefault(parent, {})
            part[last] = value
            version = scene.put_document(document=json.dumps(document))
            before = len(scene.events(*OUTCOMES))
            scene.wait(SOON)
            (outcome,) = scene.events(*OUTCOMES)[before:]
            assert outcome["parameter_version"] == version
            if "problems" in outcome:
                assert all(one["field"] and one["problem"] for one in outcome["problems"])
            assert scene.dead_letters() == []

        put()
        assert version_in_force(scene)
