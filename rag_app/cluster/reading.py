"""Files -> papers and what is committed of them, on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path
from typing import Any

from ingestion.elements import Paper
from ingestion.reading import ReadResult, read_papers
from rag_app.cluster.connection import Cluster
from rag_app.cluster.node import Recipe
from rag_app.cluster.pool import ClusterPool
from rag_app.making import Made


def read_on_cluster(
    paths: Sequence[Path],
    *,
    address: str,
    workers: int | None,
    crops: Path,
    cache: Path,
    password: str | None,
    recipe: Callable[[], Recipe],
    known: Callable[[Paper], Mapping[str, Any]],
    on_pages: Callable[[Path, int, int], None],
    on_repeated: Callable[[int], None],
) -> Generator[ReadResult]:
    """As `ingestion.reading.read_papers`, with `made` of each paper a `rag_app.making.Made`.

    Args:
        address, workers: see `Cluster`.
        recipe: how the nodes of the next paper are made. known: what models have read in a paper already.
        on_repeated: called at the end with the number of batches that were read again as their worker was lost.

    Raises ClusterError, and what an embedding model lacks on a node.
    """
    with Cluster(address, workers=workers) as cluster, ClusterPool(cluster, crops) as pool:

        def then(paper: Paper) -> Future[Made]:
            return pool.make(paper, recipe(), known(paper))

        reading = read_papers(
            paths,
            crops=crops,
            cache=cache,
            workers=pool.workers,
            password=password,
            on_pages=on_pages,
            pool=pool,
            then=then,
        )
        with closing(reading):
            yield from reading
        on_repeated(pool.repeated)
