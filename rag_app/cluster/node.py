"""What runs on a node: calls of the driver, each in a child process with the limits that hold everywhere.

A Ray worker process keeps its child process with the layout model, and its embeddings.
"""

from __future__ import annotations

import errno
import os
import pickle
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import psutil

from adapters.names import load_model
from ingestion.child import Child, Outcome
from ingestion.elements import Paper
from ingestion.limits import Limits
from rag_app import embeddings
from rag_app.cluster.sending import SentFile, unpacked
from rag_app.cluster.versions import difference, versions
from rag_app.errors import ClusterError, DiskFull
from rag_app.imaging import filling
from rag_app.making import Made, make
from rag_app.settings import Settings

T = TypeVar("T")
_SCRATCH = "rag-app-node-"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a call gave, and the PNG pictures it wrote into its folder of crops."""

    outcome: Outcome
    crops: list[bytes]


@dataclass(frozen=True, slots=True)
class Refused:
    """The node cannot take part; a result, as Ray would wrap an error."""

    error: ClusterError


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a paper's nodes are made: names of the text spaces and of the picture spaces to fill, and the settings."""

    texts: tuple[str, ...]
    pictures: tuple[str, ...]
    settings: Settings


def on_node(wanted: Mapping[str, str], function: Callable[..., T], *args: Any) -> T | Refused:  # Any: its arguments
    """function(*args) here, for a driver with the `versions` wanted.

    One task for all that is sent: Ray asks the head of the cluster before the first call of each.
    """
    return refused(wanted) or function(*args)


def run_call(request: bytes, files: Sequence[SentFile], limits: Limits, fresh: bool) -> Ran:
    """One call of `ingestion.pool` in a child process here."""
    return _place(limits).run(request, files, fresh=fresh)


def make_call(paper: str, recipe: Recipe, crops: Mapping[str, bytes], descriptions: Mapping[str, Any]) -> Made:
    """What is committed of a paper (its JSON), made here; the vectors stand beside the nodes, not in them."""
    made = make(
        Paper.from_json(paper),
        {name: _text_embedding(name, recipe.settings) for name in recipe.texts},
        {name: _image_embedding(name, recipe.settings) for name in recipe.pictures},
        crop=lambda name: crops[name],
        chunk_tokens=recipe.settings.ingestion.chunk_tokens,
        descriptions=descriptions,
    )
    for node in made.nodes:
        node.embedding = None
    return made


def refused(wanted: Mapping[str, str]) -> Refused | None:
    """Why this node cannot work for a driver with those `versions`; None when it can."""
    other = difference(wanted, versions())
    if other is None:
        return None
    return Refused(
        ClusterError(
            f"The node {node_address()} of the cluster has {other}, as this machine has: install the same on every "
            "node, and start its Ray anew."
        )
    )


def node_address() -> str:
    """The address of this node in its cluster."""
    import ray

    return ray.util.get_node_ip_address()


class _Place:
    """This process's child process, and a scratch folder that is there while a call runs: no paper stays on a node."""

    def __init__(self, limits: Limits) -> None:
        _drop_left_behind()
        self._limits = limits
        self._folder = Path(tempfile.gettempdir(), f"{_SCRATCH}{os.getpid()}-{secrets.token_hex(8)}")
        self._child: Child | None = None
        self._last: tuple[str, int] = ("", 0)

    def run(self, request: bytes, files: Sequence[SentFile], *, fresh: bool) -> Ran:
        crops = self._folder / "crops"
        try:
            crops.mkdir(parents=True)
            call = unpacked(request, [self._file(sent) for sent in files], crops)
            outcome = self._ready_child(fresh=fresh).run(pickle.dumps(call, protocol=pickle.HIGHEST_PROTOCOL))
            if isinstance(outcome.error, DiskFull):
                outcome = Outcome(outcome.items, self._disk_full())
            return Ran(outcome, [file.read_bytes() for file in sorted(crops.glob("*.png"))])
        except OSError as exc:
            if exc.errno == errno.ENOSPC:
                return Ran(Outcome([], self._disk_full()), [])
            raise
        finally:
            shutil.rmtree(self._folder)

    def _file(self, sent: SentFile) -> Path:
        """The file on this machine's disk, with its own name and time.

        In the same folder as at the last call with it, so that the child process still has it open.
        """
        import ray

        if self._last[0] != sent.data.hex():
            self._last = (sent.data.hex(), self._last[1] + 1)
        path = self._folder / str(self._last[1]) / sent.name
        path.parent.mkdir()
        path.write_bytes(ray.get(sent.data))
        os.utime(path, ns=(sent.mtime_ns, sent.mtime_ns))
        return path

    def _ready_child(self, *, fresh: bool) -> Child:
        if self._child is not None and (fresh or self._child.spent):
            self._child.kill()
            self._child = None
        if self._child is None:
            self._child = Child(self._limits)
        return self._child

    def _disk_full(self) -> DiskFull:
        return DiskFull(
            f"No space left in {self._folder.parent} of the node {node_address()}: free some and run the command again."
        )


@lru_cache(maxsize=1)
def _place(limits: Limits) -> _Place:
    return _Place(limits)


def _drop_left_behind() -> None:
    """Remove scratch folders of processes that were killed."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_SCRATCH}*"):
        pid = folder.name.removeprefix(_SCRATCH).partition("-")[0]
        if not psutil.pid_exists(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


@lru_cache(maxsize=4)
def _text_embedding(space: str, settings: Settings) -> Any:  # Any: as load_model
    return load_model("text_embedding", embeddings.model_name(space), settings)


@lru_cache(maxsize=4)
def _image_embedding(space: str, settings: Settings) -> Any:  # Any: as load_model
    return load_model("image_embedding", filling.model_name(space), settings)
