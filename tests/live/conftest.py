"""A real broker for all tests of this folder, and an installation of its own (a prefix of topics and groups) for each."""

from __future__ import annotations

import gc
import logging
import os
import uuid
import warnings
from typing import TYPE_CHECKING

import pytest

from deploy.kafka.broker import Broker
from streams import topology
from streams.live_settings import LiveSettings
from streams.topics import administrator, declare
from tests.live.brokers import skipped_where_missing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

for _client in ("kafka", "aiokafka"):
    logging.getLogger(_client).setLevel(logging.ERROR)  # What a failed test shows should be about the test.


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What needs a broker is slow."""
    for item in items:
        if "tests/live" in item.path.as_posix():
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _refused_sockets(request: pytest.FixtureRequest) -> Iterator[None]:
    """kafka-python leaves sockets that were refused to the collector: where brokers are lost they are collected here, silently,
    and not in whichever test runs when the next collection comes."""
    yield
    if request.path.stem in {"test_cluster", "test_faults", "test_signed_in"}:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@pytest.fixture(scope="session")
def bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """host:port of the broker that most tests share: HEADWAY_KAFKA names one that is there, or it is our own."""
    if given := os.environ.get("HEADWAY_KAFKA"):
        yield given
        return
    with skipped_where_missing():
        broker = Broker(tmp_path_factory.mktemp("kafka"))
    with broker:
        yield broker.start().bootstrap


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker for one test, which may kill it and start it again on the same data and ports; started."""
    with skipped_where_missing():
        broker = Broker(tmp_path / "kafka")
    with broker:
        yield broker.start()


@pytest.fixture
def settings(bootstrap: str, tmp_path: Path) -> LiveSettings:
    """A fresh installation; its topics are not made yet."""
    prefix = f"t{uuid.uuid4().hex[:8]}."
    return LiveSettings(kafka=bootstrap, topic_prefix=prefix, replication_factor=1, state_dir=tmp_path / "state", schedule=False)


@pytest.fixture
def topics(settings: LiveSettings) -> Iterator[None]:
    """Its topics as `headway topics` makes them, deleted at the end."""
    declare(settings)
    yield
    with administrator(settings) as admin:
        admin.delete_topics([settings.topic(log) for log in topology.LOGS])
