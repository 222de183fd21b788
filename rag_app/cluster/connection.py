"""The connection to a Ray cluster, for the time of one run."""

from __future__ import annotations

import logging
import os
import secrets
import socket
from types import ModuleType
from typing import Any, Self

from rag_app.errors import ClusterError, UsageError

LOCAL = "local"
_KNOCK_S = 10.0
_START = "RAY_USAGE_STATS_ENABLED=0 ray start --head --include-dashboard=false"


class Cluster:
    """Ray at `address`: "local" starts one on this machine that ends with the block, "auto" takes the one that runs on
    this machine, "host:port" and "ray://host:port" name one. A connection that the program has already is used, and
    left as it is.

    workers: processors that "local" may use; its number of tasks at a time elsewhere. None means all there are.

    Entering it raises UsageError where Ray is not installed, and ClusterError where no cluster is to be had.
    """

    def __init__(self, address: str, *, workers: int | None = None) -> None:
        self._address = address
        self._workers = workers
        self._ours = False
        self._head = ""  # "host:port" of the connection's other end
        self._lost = False

    def __enter__(self) -> Self:
        before = self._set_environment()
        try:
            ray = load_ray()
            if not ray.is_initialized():
                self._connect(ray)
                self._ours = True
            if "://" not in self._address:
                self._head = ray.get_runtime_context().gcs_address
            if not self.cpus():
                raise ClusterError(f"The cluster {self._address} has no node with a processor: start one on it.")
        except BaseException:
            self.__exit__()
            raise
        finally:
            _restore(before)
        return self

    def __exit__(self, *_: object) -> None:
        if self._ours and not self._lost:  # without its head Ray's shutdown takes a minute, and ends our process
            load_ray().shutdown()
        self._ours = False

    def cpus(self) -> int:
        """Processors of the nodes that are alive, at most `workers`; raises ClusterError when the cluster is gone."""
        total = int(sum(node["Resources"].get("CPU", 0) for node in self.nodes()))
        return min(total, self._workers or total)

    def nodes(self) -> list[dict[str, Any]]:  # Any: what Ray tells of a node
        """The nodes that are alive, as `ray.nodes()` gives them; raises ClusterError when the cluster is gone.

        The head is knocked at first: without it Ray waits for a minute, and then ends our process.
        """
        ray = load_ray()
        try:
            _knock(self._head)
            return [node for node in ray.nodes() if node["Alive"]]
        except (OSError, RuntimeError, ray.exceptions.RayError) as exc:
            self._lost = True
            raise ClusterError(
                f"The cluster {self._address} was lost ({_first_line(exc)}); what was finished is kept in the library: "
                "run the same command again once the cluster is back."
            ) from exc

    def _set_environment(self) -> dict[str, str | None]:
        """Ray notes nothing of its use, and a cluster of our own lets nobody else in; returns what was set before.

        Its ports are open on every network the machine is on, so it needs the token.
        """
        wanted = {"RAY_USAGE_STATS_ENABLED": "0"}
        if self._address == LOCAL:
            wanted |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        before = {name: os.environ.get(name) for name in wanted}
        os.environ.update(wanted)
        return before

    def _connect(self, ray: ModuleType) -> None:
        where: dict[str, Any] = {"address": self._address}  # Any: arguments of ray.init
        if self._address == LOCAL:
            where |= {
                "num_cpus": self._workers,
                "include_dashboard": False,
                "_node_ip_address": "127.0.0.1",
            }
        try:
            _knock(self._address.rpartition("://")[2])
            ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        except OSError as exc:  # ConnectionError is one
            raise ClusterError(
                f"No Ray cluster answers at {self._address} ({_first_line(exc)}): start one with {_START}, or set "
                'ingestion.ray = "" to work on this machine alone.'
            ) from exc
        except (RuntimeError, ValueError, ray.exceptions.RayError) as exc:
            raise ClusterError(f"The cluster {self._address} cannot be used: {_first_line(exc)}.") from exc
        _keep_quiet()


def load_ray() -> ModuleType:
    """The library; raises UsageError where it is not installed."""
    try:
        import ray
    except ImportError as exc:
        raise UsageError(
            "Work on a cluster needs Ray, which is not installed. Run: pip install 'rag-app[scale]', or set "
            'ingestion.ray = "".'
        ) from exc
    return ray


def _knock(address: str) -> None:
    """Raise OSError where nobody listens at "host:port": Ray itself would try for ten minutes. Other texts pass."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_KNOCK_S).close()


def node_failed(exc: BaseException) -> ClusterError:
    """The error for a node whose Python could not do what it was sent; `exc` ends with that node's own error."""
    return ClusterError(
        f"A node of the cluster failed ({last_line(exc)}): install the same version of rag-app on every node."
    )


def last_line(exc: BaseException) -> str:
    """The last line of an error's text: of an error that comes from a node, the error there."""
    return (str(exc).strip().splitlines() or [type(exc).__name__])[-1].strip().rstrip(".")


def _keep_quiet() -> None:
    """Ray prints the last 20 lines of a lost node's log on our stdout; there is no public switch (Ray 2.60)."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _first_line(exc: BaseException) -> str:
    return (str(exc).strip().splitlines() or [type(exc).__name__])[0].rstrip(".")
