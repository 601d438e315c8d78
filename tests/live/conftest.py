"""A real broker for all tests of this folder, and an installation of its own (a prefix of topics and groups) for each."""

from __future__ import annotations

import os
import uuid
from typing import TYPE_CHECKING

import pytest
from kafka import KafkaAdminClient
from kafka.admin import NewTopic

from deploy.kafka.broker import Broker, Unavailable
from streams import topology
from streams.live_settings import LiveSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a broker is slow."""
    for item in items:
        if "tests/live" in str(item.path):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """HEADWAY_KAFKA, or a broker of our own; skipped with the reason where there can be none, unless HEADWAY_REQUIRE_KAFKA is set."""
    if given := os.environ.get("HEADWAY_KAFKA"):
        yield given
        return
    try:
        broker = Broker(tmp_path_factory.mktemp("kafka")).start()
    except Unavailable as error:
        if os.environ.get("HEADWAY_REQUIRE_KAFKA"):
            raise
        pytest.skip(f"no Kafka: {error}")
    yield broker.bootstrap
    broker.stop()


@pytest.fixture
def settings(bootstrap: str, tmp_path: Path) -> LiveSettings:
    """A fresh installation; its topics are not made yet."""
    prefix = f"t{uuid.uuid4().hex[:8]}."
    return LiveSettings(kafka=bootstrap, topic_prefix=prefix, replication_factor=1, state_dir=tmp_path / "state", schedule=False)


@pytest.fixture
def topics(settings: LiveSettings) -> Iterator[None]:
    """Its topics, deleted at the end."""
    admin = KafkaAdminClient(**settings.client())
    configs = {"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"}
    admin.create_topics(
        [
            NewTopic(settings.topic(log), log.partitions, 1, topic_configs=configs | {"max.message.bytes": str(log.record_bytes_max)})
            for log in topology.LOGS
        ]
    )
    yield
    admin.delete_topics([settings.topic(log) for log in topology.LOGS])
    admin.close()
