"""A vision model asked through the nodes of a cluster, each with its own server.

Nodes that reach the same server count once. A question goes to the server with the fewest questions in hand; where a
process or node is lost it is asked again, of another if it has to be, and counted. Ledger, checks of replies and
settling are those of `rag_app.describing`, on this machine.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Self

from adapters.names import parse_model_name
from rag_app.cluster.connection import Cluster, load_ray, node_failed
from rag_app.cluster.server import Server
from rag_app.cluster.versions import versions
from rag_app.errors import ClusterError, ModelFailed, ModelUnreachable, RagAppError, UsageError
from rag_app.models import LanguageModel, Reply
from rag_app.settings import Settings

MOST_LOSSES = 3  # processes that one question may lose before it counts as failed
_IN_PROCESS = ("hf",)  # schemes of models that no server runs
_REST_S = 30.0  # a server that did not answer is left alone for so long, as long as there is another
_WAKE_S = 0.5


@dataclass(slots=True, eq=False)
class _Place:
    """A server as it is reached from a node. actor: our process there. asked: questions in hand."""

    node: str
    address: str
    actor: Any  # Any: a Ray actor
    asked: int = 0
    rests_until: float = 0.0


class AskingNodes:
    """The servers behind the nodes of a cluster, for the time of one run; a context.

    load: the model as this machine would ask it, by name and number of retries; each: questions at the same time at one
    server. Entering it raises UsageError without Ray, and ClusterError.
    """

    def __init__(self, settings: Settings, load: Callable[[str, int], LanguageModel], *, each: int) -> None:
        self._cluster = Cluster(settings.ingestion.ray)
        self._load = load
        self._settings = settings
        self._each = each
        self._open = ExitStack()
        self._changed = threading.Condition()
        self._places: list[_Place] = []
        self._left_out: list[str] = []
        self._repeated = 0

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self._cluster)
            found = [self._at(node["NodeID"], node["NodeManagerAddress"]) for node in self._cluster.nodes()]
            asked = [place.actor.key.remote(self._settings, versions()) for place in found]
            by_key: dict[str, _Place] = {}
            for place, key in zip(found, self._got(asked), strict=True):
                if not isinstance(key, str):
                    raise key.error
                if by_key.setdefault(key, place) is not place:
                    load_ray().kill(place.actor)
            self._places = list(by_key.values())
            self._open = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            places, self._places = self._places, []  # who asks now finds none: Ray would start a cluster by itself
            self._changed.notify_all()
        for place in places:
            load_ray().kill(place.actor)
        self._open.close()

    @property
    def parallel(self) -> int:
        """Questions at the same time at all servers together."""
        return self._each * len(self._places)

    @property
    def note(self) -> str | None:
        """What the user should know of how it went: servers that were left out, questions asked again."""
        told = [*self._left_out]
        if self._repeated:
            questions = "1 question was" if self._repeated == 1 else f"{self._repeated} questions were"
            told.append(f"Workers of the cluster were lost; {questions} asked again.")
        return " ".join(told) or None

    def model(self, name: str, retries: int) -> ClusterModel:
        """The vision model of that name on the servers of the nodes, which asks again so often by itself.

        Raises UsageError for one that runs in a process, and what `load` raises.
        """
        if parse_model_name(name).scheme in _IN_PROCESS:
            raise UsageError(
                f"On a cluster a vision model is asked of a server on each node, and {name} has none: set "
                'ingestion.ray = "" to let it work on this machine.'
            )
        local = self._load(name, retries)
        given = {"parallel": self._each, "retries": retries}
        ollama, openai = replace(self._settings.ollama, **given), replace(self._settings.openai, **given)
        return ClusterModel(self, local, replace(self._settings, ollama=ollama, openai=openai))

    def check(self, name: str, settings: Settings, *, pictures: bool) -> None:
        """Leave out the servers that cannot be used; raises why, when there is none that can."""
        answers = self._got([place.actor.check.remote(name, settings, pictures) for place in self._places])
        wrong = [(place, error) for place, error in zip(self._places, answers, strict=True) if error is not None]
        if len(wrong) == len(answers):
            place, error = min(wrong, key=lambda one: isinstance(one[1], ModelUnreachable))
            raise type(error)(f"On the node {place.address}: {error}")
        for place, error in wrong:
            load_ray().kill(place.actor)
            self._places.remove(place)
            self._left_out.append(f"The node {place.address} was left out: {error}")

    def ask(self, name: str, settings: Settings, prompt: str, options: Mapping[str, Any]) -> Reply:
        """The reply of the server with the fewest questions in hand; see `LanguageModel.ask`."""
        errors = load_ray().exceptions
        losses = 0
        while True:
            place = self._take()
            actor = place.actor
            try:
                answer = load_ray().get(actor.ask.remote(name, settings, prompt, options))
            except (errors.RayActorError, errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError):
                losses += 1
                self._replace(place, actor)
                if losses == MOST_LOSSES:
                    raise ModelFailed(f"{losses} processes of the cluster were lost while they asked {name}.") from None
                continue
            finally:
                self._give_back(place)
            if isinstance(answer, ModelUnreachable) and self._rest(place):
                continue
            if isinstance(answer, RagAppError):
                raise answer
            return answer

    @staticmethod
    def _got(asked: Sequence[Any]) -> list[Any]:  # Any: Ray's ObjectRefs, and what they hold
        try:
            return load_ray().get(list(asked))
        except load_ray().exceptions.RayError as exc:
            raise node_failed(exc) from exc

    def _at(self, node: str, address: str) -> _Place:
        """Our process on a node. Ray does not start it anew by itself: without the node it would wait for ever."""
        ray = load_ray()
        there = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        options = {"num_cpus": 0, "max_concurrency": self._each + 1, "scheduling_strategy": there}
        return _Place(node, address, ray.remote(**options)(Server).remote())

    def _take(self) -> _Place:
        """A place with room; those that rest only when all do. Raises ClusterError when no node is left."""
        with self._changed:
            while True:
                if not self._places:
                    raise ClusterError(
                        "The cluster has lost all its nodes; what is left stays pending, the same command goes on."
                    )
                now = time.monotonic()
                awake = [place for place in self._places if place.rests_until <= now] or self._places
                free = [place for place in awake if place.asked < self._each]
                if free:
                    place = min(free, key=lambda place: place.asked)
                    place.asked += 1
                    return place
                self._changed.wait(_WAKE_S)

    def _give_back(self, place: _Place) -> None:
        with self._changed:
            place.asked -= 1
            self._changed.notify()

    def _rest(self, place: _Place) -> bool:
        """Leave this server alone for a while; whether there is another to be asked now."""
        with self._changed:
            now = time.monotonic()
            place.rests_until = now + _REST_S
            return any(other.rests_until <= now for other in self._places)

    def _replace(self, place: _Place, actor: object) -> None:
        """A new process on the node of one that was lost; without the node the place goes."""
        with self._changed:
            self._repeated += 1
            if place.actor is not actor or place not in self._places:
                return  # another question has seen to it
            if any(node["NodeID"] == place.node for node in self._cluster.nodes()):
                place.actor = self._at(place.node, place.address).actor
            else:
                self._places.remove(place)
            self._changed.notify_all()


class ClusterModel:
    """A `rag_app.models.LanguageModel` that is asked on the nodes. settings: those of the requests."""

    def __init__(self, nodes: AskingNodes, local: LanguageModel, settings: Settings) -> None:
        self._nodes = nodes
        self._local = local
        self._settings = settings

    @property
    def name(self) -> str:
        return self._local.name

    @property
    def sees(self) -> bool:
        """Whether it reads pictures, as the server says that this machine would ask."""
        return self._local.sees

    def check(self, *, pictures: bool = False) -> None:
        """See `AskingNodes.check`."""
        self._nodes.check(self.name, self._settings, pictures=pictures)

    def ask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """See `LanguageModel.ask`; on_text is called once, with the whole text."""
        options = {
            "images": tuple(images),
            "system": system,
            "schema": schema,
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "repeat_penalty": repeat_penalty,
        }
        reply = self._nodes.ask(self.name, self._settings, prompt, options)
        if on_text is not None:
            on_text(reply.text)
        return reply

    async def aask(
        self,
        prompt: str,
        *,
        images: Sequence[bytes] = (),
        system: str = "",
        schema: Mapping[str, Any] | None = None,  # Any: JSON
        max_tokens: int = 1024,
        temperature: float = 0.0,
        seed: int = 0,
        repeat_penalty: float | None = None,
        on_text: Callable[[str], None] | None = None,
    ) -> Reply:
        """As `ask`, without blocking the event loop."""
        return await asyncio.to_thread(
            self.ask,
            prompt,
            images=images,
            system=system,
            schema=schema,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            repeat_penalty=repeat_penalty,
            on_text=on_text,
        )
