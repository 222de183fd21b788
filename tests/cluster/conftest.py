"""A Ray cluster of two nodes with one processor each, on this machine, for as long as the tests here run."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"


@pytest.fixture(scope="package")
def two_nodes() -> Iterator[TwoNodes]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        yield TwoNodes(cluster)
    finally:
        cluster.shutdown()


class TwoNodes:
    """The cluster; `address` is what ingestion.ray is set to."""

    def __init__(self, cluster: object) -> None:
        self.cluster = cluster
        self.address: str = cluster.address  # pyright: ignore[reportAttributeAccessIssue]  # Ray's test class
