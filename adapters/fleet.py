"""Several servers that do the same work: which of them gets the next request.

A request goes to the server with the fewest requests at work; of equals, to the one that was fastest with that model. A
server that failed rests, and is asked again after REST_S; while all rest, all are asked. Waiting requests stand in one
queue for all servers, so none waits at a slow server while another is free.

Everything here runs on the loop of adapters.ollama.background, so nothing needs a lock.

litellm's Router was tried and is not used; docs/scale.md says why, benchmarks/model_routing.py measures it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from rag_app.errors import (
    ModelBusy,
    ModelFailed,
    ModelNotInstalled,
    ModelTimeout,
    ModelUnreachable,
    ModelUnsuitable,
    RagAppError,
)

REST_S = 15.0  # after a failure of a server, until it is asked again
_LACKS_S = 60.0  # how long it is believed that a server lacks a model
_PAUSE_S = 0.25  # before the second try, doubled before each further one; four times that where the server is busy
_LONGEST_PAUSE_S = 8.0
_LATEST = 0.5  # weight of the latest request in a server's pace

Repeat = Literal["never", "once", "always"]
_REPEATS: tuple[Repeat, ...] = ("never", "once", "always")
T = TypeVar("T")
A = TypeVar("A")  # an address


class Host:
    """One server, as those that share its places know it. `url` is fit to be shown."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.busy = 0  # requests at work
        self.pace: dict[str, float] = {}  # seconds of a request, by model, the latest ones counting most
        self.rests_until = 0.0  # time.monotonic()
        self.lacks: dict[str, float] = {}  # models it has not, and until when that is believed
        self.fleets: list[Fleet[Host]] = []


S = TypeVar("S", bound=Host)


@dataclass(frozen=True, slots=True)
class Failure:
    """An error to raise, and what to do before.

    repeat     whether the same request is worth sending again at once: never, once, or as often as the settings allow
    reseed     the next try needs another seed, or the same comes back
    elsewhere  another server may do what this one does not; None: as the error's class says
    """

    error: RagAppError
    repeat: Repeat = "never"
    reseed: bool = False
    elsewhere: bool | None = None

    @property
    def may_go_elsewhere(self) -> bool:
        if self.elsewhere is None:
            return isinstance(self.error, (*_OF_A_SERVER, ModelNotInstalled, ModelUnsuitable))
        return self.elsewhere

    @property
    def rests(self) -> bool:
        """Whether the server is better left alone for a while."""
        return self.may_go_elsewhere and not isinstance(self.error, (ModelNotInstalled, ModelUnsuitable))


_OF_A_SERVER = (ModelUnreachable, ModelBusy, ModelTimeout, ModelFailed)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter(Generic[S]):
    model: str
    parallel: int
    without: Collection[S]
    turn: asyncio.Future[S]


class Fleet(Generic[S]):
    """Servers that do the same work; first come, first served."""

    def __init__(self, hosts: Sequence[S]) -> None:
        self.hosts = tuple(hosts)
        self._waiting: list[_Waiter[S]] = []
        for host in self.hosts:
            host.fleets.append(self)  # pyright: ignore[reportArgumentType]  # a fleet only takes what it gave

    @contextlib.asynccontextmanager
    async def place(self, model: str, parallel: int, *, without: Collection[S] = ()) -> AsyncIterator[S]:
        """A place at the least-loaded server, held until the context ends, however it ends.

        Args:
            parallel: requests that may be at one server at the same time, as this one finds right.
            without: servers that have failed with this request; asked again where there are no others.
        """
        waiter = _Waiter(model, parallel, without, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._admit()
        try:
            host = await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.done() and not waiter.turn.cancelled():  # admitted and cancelled at the same moment
                self._leave(waiter.turn.result())
            else:
                self._waiting.remove(waiter)
                self._admit()
            raise
        started = time.monotonic()
        try:
            yield host
            self._went_well(host, model, time.monotonic() - started)
        finally:
            self._leave(host)

    def up(self) -> tuple[S, ...]:
        """The servers that do not rest; all of them while all rest."""
        now = time.monotonic()
        return tuple(host for host in self.hosts if host.rests_until <= now) or self.hosts

    def failed(self, host: S, model: str, failure: Failure) -> None:
        """Remember what a failure says of a server: that it lacks the model, or is better left alone for a while."""
        if isinstance(failure.error, ModelNotInstalled):
            host.lacks[model] = time.monotonic() + _LACKS_S
        elif failure.rests and len(self.hosts) > 1:
            host.rests_until = time.monotonic() + REST_S
            asyncio.get_running_loop().call_later(REST_S + 0.01, self._admit)
            self._admit()

    def _went_well(self, host: S, model: str, seconds: float) -> None:
        host.rests_until = 0.0
        host.lacks.pop(model, None)
        before = host.pace.get(model, seconds)
        host.pace[model] = before + _LATEST * (seconds - before)

    def _leave(self, host: S) -> None:
        host.busy -= 1
        for fleet in host.fleets:
            fleet._admit()

    def _admit(self) -> None:
        for waiter in tuple(self._waiting):
            host = self._chosen(waiter)
            if host is not None:
                self._waiting.remove(waiter)
                if not waiter.turn.done():
                    host.busy += 1
                    waiter.turn.set_result(host)

    def _chosen(self, waiter: _Waiter[S]) -> S | None:
        """Where the request goes; None while every server that may get it has enough to do."""
        now, model = time.monotonic(), waiter.model
        left = [host for host in self.hosts if host not in waiter.without] or self.hosts
        having = [host for host in left if host.lacks.get(model, 0.0) <= now] or left
        up = [host for host in having if host.rests_until <= now] or having
        free = [host for host in up if host.busy < waiter.parallel]
        return min(free, key=lambda host: (host.busy, host.pace.get(model, 0.0)), default=None)


class Known(Generic[A, S]):
    """The servers of this process, one object for each event loop and address, and the fleets made of them."""

    def __init__(self, make: Callable[[A], S], *, close: Callable[[S], Awaitable[None]]) -> None:
        self._make, self._close = make, close
        self._servers: dict[tuple[int, A], S] = {}
        self._fleets: dict[tuple[int, tuple[A, ...]], Fleet[S]] = {}

    def at(self, addresses: tuple[A, ...]) -> Fleet[S]:
        """The servers at these addresses, for the event loop that runs."""
        loop = id(asyncio.get_running_loop())
        if (loop, addresses) not in self._fleets:
            for address in addresses:
                if (loop, address) not in self._servers:
                    self._servers[loop, address] = self._make(address)
            self._fleets[loop, addresses] = Fleet([self._servers[loop, address] for address in addresses])
        return self._fleets[loop, addresses]

    async def close(self) -> None:
        """Close the connections to all of them, and forget them."""
        for server in list(self._servers.values()):
            await self._close(server)
        self._servers.clear()
        self._fleets.clear()


class Tries(Generic[S]):
    """How often one request is sent: to each server that may do it, and then as often again as the settings allow."""

    def __init__(
        self, fleet: Fleet[S], *, model: str, retries: int, explain: Callable[[Exception, str], Failure]
    ) -> None:
        """Args:
        retries: rounds over the servers after the first.
        explain: the failure that an exception at a server of that URL stands for; raises what is none.
        """
        self.fleet, self.model, self._explain = fleet, model, explain
        self._left = retries
        self._done = 0
        self._once = False
        self._failed: dict[S, Failure] = {}
        self._last: tuple[S, ...] = ()

    @property
    def without(self) -> Collection[S]:
        """The servers that have failed in this round, and the last one."""
        return (*self._failed, *self._last)

    async def again(self, exc: Exception, host: S, *, spoiled: bool = False) -> bool:
        """Wait until the request may be sent again; True when it needs another seed.

        Raises the error that `exc` stands for when asking again does not help, or is not possible (`spoiled`); after
        every server has failed, an error that names each.
        """
        failure = self._explain(exc, host.url)
        self.fleet.failed(host, self.model, failure)
        if spoiled:
            raise failure.error from exc
        if failure.may_go_elsewhere:
            self._failed[host] = failure
            if len(self._failed) < len(self.fleet.hosts):
                return False
            failure = together({one.url: self._failed[one] for one in self.fleet.hosts})
        tried_twice = failure.repeat == "once" and self._once
        if failure.repeat == "never" or tried_twice or self._done >= self._left:
            raise failure.error from exc
        self._failed.clear()
        self._last = (host,)
        self._once = self._once or failure.repeat == "once"
        if not failure.reseed:
            await asyncio.sleep(_pause_s(self._done, busy=isinstance(failure.error, ModelBusy)))
        self._done += 1
        return failure.reseed


def _pause_s(again: int, *, busy: bool) -> float:
    longest = _PAUSE_S * (4 if busy else 1) * 2**again
    return min(longest, _LONGEST_PAUSE_S) * random.uniform(0.5, 1.0)


def together(failures: Mapping[str, Failure]) -> Failure:
    """One failure for those of several servers, by URL: its sentence names each, and it is as hopeful as the best."""
    best = max(failures.values(), key=lambda one: (_REPEATS.index(one.repeat), getattr(one.error, "again", False)))
    if len(failures) == 1:
        return best
    told = {url: str(failure.error) for url, failure in failures.items()}
    same = {text.replace(url, "\0") for url, text in told.items()}
    if len(same) == 1:
        text = same.pop().replace("\0", " and ".join(told))
    else:
        text = f"None of {len(told)} servers can do it. " + " ".join(f"{url}: {text}" for url, text in told.items())
    return Failure(type(best.error)(text), best.repeat, best.reseed)


async def first_of(
    fleet: Fleet[S], ask: Callable[[S], Awaitable[T]], explain: Callable[[Exception, str], Failure]
) -> T:
    """What the first server that can gives to a short question, all being asked; raises for all where none can."""
    failures: dict[str, Failure] = {}

    async def one(host: S) -> T | None:
        try:
            return await ask(host)
        except Exception as exc:
            failures[host.url] = explain(exc, host.url)
            return None

    tasks = [asyncio.create_task(one(host)) for host in fleet.up()]
    try:
        for done in asyncio.as_completed(tasks):
            found = await done
            if found is not None:
                return found
    finally:
        for task in tasks:
            task.cancel()
    raise together({host.url: failures[host.url] for host in fleet.hosts if host.url in failures}).error


async def all_of(
    fleet: Fleet[S], ask: Callable[[S], Awaitable[T]], explain: Callable[[Exception, str], Failure]
) -> dict[S, T | RagAppError]:
    """What each server gives to a short question, in their order; its error where it gives none."""

    async def one(host: S) -> T | RagAppError:
        try:
            return await ask(host)
        except Exception as exc:
            return explain(exc, host.url).error

    found = await asyncio.gather(*(one(host) for host in fleet.hosts))
    return dict(zip(fleet.hosts, found, strict=True))
