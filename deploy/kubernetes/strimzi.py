"""Strimzi's KafkaTopic and KafkaUser, made of the topology and its access lists: `python -m deploy.kubernetes.strimzi` writes them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]  # PyYAML comes without types

from streams.access_lists import ACCESS, entries
from streams.live_settings import LiveSettings
from streams.topics import Topic, topics

__all__ = ["FILES", "objects", "text"]

FOLDER = Path(__file__).parent / "base"
CLUSTER = {"strimzi.io/cluster": "headway-kafka"}
_OPERATIONS = {"READ": "Read", "WRITE": "Write", "CREATE": "Create", "DESCRIBE": "Describe", "DESCRIBE_CONFIGS": "DescribeConfigs"}
FILES = ("topics.yaml", "users.yaml")


def objects() -> dict[str, list[dict[str, Any]]]:
    """By file; Strimzi 1.0's, of API version v1."""
    settings = LiveSettings.model_construct()
    made, users = [_topic(topic) for topic in topics(settings)], [_user(settings, access.name) for access in ACCESS]
    return {"topics.yaml": made, "users.yaml": users}


def _topic(topic: Topic) -> dict[str, Any]:
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": dict(CLUSTER)},
        "spec": {"partitions": topic.partitions, "replicas": topic.copies, "config": dict(topic.settings)},
    }


def _user(settings: LiveSettings, part: str) -> dict[str, Any]:
    asked: dict[tuple[str, str], list[str]] = {}
    for entry in entries(settings, {access.name: access.name for access in ACCESS}):
        if entry.principal == part:
            asked.setdefault((entry.resource.lower(), entry.name), []).append(_OPERATIONS[entry.operation])
    acls = [
        {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": sorted(set(operations)), "host": "*"}
        for (kind, name), operations in asked.items()
    ]
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaUser",
        "metadata": {"name": f"headway-{part}", "labels": dict(CLUSTER)},
        "spec": {"authentication": {"type": "scram-sha-512"}, "authorization": {"type": "simple", "acls": acls}},
    }


def text(documents: list[dict[str, Any]]) -> str:
    """As a file."""
    head = "# Made by `python -m deploy.kubernetes.strimzi` of streams/topology.py and streams/access_lists.py.\n"
    return head + str(yaml.safe_dump_all(documents, sort_keys=False, width=140))


if __name__ == "__main__":
    for name, made in objects().items():
        (FOLDER / name).write_text(text(made), "utf-8")
