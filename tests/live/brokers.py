"""Where a broker cannot be had: a laptop skips the tests that need one, CI fails them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from deploy.kafka.jars import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REQUIRED", "skipped_where_missing"]

REQUIRED = "HEADWAY_REQUIRE_KAFKA"
"""Set in CI: a broker that cannot be had fails the tests instead of skipping them."""


@contextmanager
def skipped_where_missing() -> Iterator[None]:
    """Around the making of a broker, not around its start: one that is there and does not start is a failure."""
    try:
        yield
    except Unavailable as error:
        if os.environ.get(REQUIRED):
            raise
        pytest.skip(f"no Kafka: {error}")
