"""Several brokers as one cluster, each a broker and a controller: what a test needs to lose one and go on."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from deploy.kafka.broker import Broker, new_cluster_id

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["cluster"]


@contextmanager
def cluster(folder: Path, brokers: int = 3) -> Iterator[list[Broker]]:
    """Started, and ended at the end; each keeps what belongs to the cluster itself (offsets, too) in as many copies as there are."""
    with ExitStack() as stack:
        made = [stack.enter_context(Broker(folder / str(i))) for i in range(1, brokers + 1)]
        voters = ",".join(f"{i}@127.0.0.1:{broker.controller}" for i, broker in enumerate(made, 1))
        name = new_cluster_id()
        for i, broker in enumerate(made, 1):
            broker.add(
                f"node.id={i}\n"
                f"controller.quorum.voters={voters}\n"
                f"offsets.topic.replication.factor={brokers}\n"
                f"transaction.state.log.replication.factor={brokers}\n"
                f"share.coordinator.state.topic.replication.factor={brokers}\n"
            )
            broker.format(cluster_id=name)
        for broker in made:
            broker.launch()  # Each waits for most of the others.
        for broker in made:
            broker.wait()
        yield made
        for broker in made:
            broker.kill()  # One by one the last would wait for the others.
