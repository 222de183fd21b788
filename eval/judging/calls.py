"""One question to the judge and its reply: from the disk, or asked, within a time, asked again where that helps."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import time
from dataclasses import dataclass
from typing import Any, Generic

from eval.judging.cache import ReplyCache
from eval.judging.forms import Form, read_reply, tightened
from rag_app.errors import IncompleteReply, ModelError, ModelTimeout, ModelUnreachable, RagAppError, UnusableReply
from rag_app.models import LanguageModel, Reply

ATTEMPTS = 3
MAX_TOKENS = 4096  # verdicts on twenty statements with their reasons, in Persian
GIVE_UP_AFTER = 3  # questions in a row that reached no server, after which none is asked any more
_LIVELIER = 0.3  # temperature of another sample: Ragas' own for several replies to one prompt
_FORMAT = 1  # of the cache's keys


@dataclass(frozen=True, slots=True)
class Question(Generic[Form]):
    """What a metric puts to the judge.

    form        what the reply has to be; verdicts: how many statements it has to judge, where that is known
    repetition  how often this very question was put before for the same score: each time is another sample
    """

    prompt: str
    form: type[Form]
    system: str = ""
    images: tuple[bytes, ...] = ()
    repetition: int = 0
    verdicts: int | None = None


@dataclass(frozen=True, slots=True)
class Cost:
    """What judging took.

    questions  put by the metrics; of them cached: answered from the disk, failed: not answered
    requests   to the model, those asked again included; seconds: of all of them, added up
    tokens     of all replies, where the server says
    """

    questions: int = 0
    cached: int = 0
    failed: int = 0
    requests: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    reply_tokens: int = 0


class Calls:
    """Asks one judge; `cost` counts."""

    def __init__(self, model: LanguageModel, cache: ReplyCache, *, digest: str, timeout_s: float) -> None:
        self._model, self._cache, self._digest, self._timeout_s = model, cache, digest, timeout_s
        self._unreached = 0
        self.cost = Cost()

    async def ask(self, question: Question[Form]) -> Form:
        """The judge's reply as a record of the question's form.

        Raises UnusableReply when none in ATTEMPTS was of that form, ModelTimeout after the time for one question, and
        whatever the model raises.
        """
        self._count(questions=1)
        key = self._key(question)
        kept = self._cache.get(key)
        if kept is not None:
            record, _ = read_reply(kept, question.form, verdicts=question.verdicts)
            if record is not None:
                self._count(cached=1)
                return record
        try:
            record, reply = await self._within_time(question)
        except RagAppError:
            self._count(failed=1)
            raise
        about = {
            "judge": self._model.name,
            "digest": self._digest,
            "form": question.form.__name__,
            "seconds": round(reply.seconds, 3),
            "prompt_tokens": reply.prompt_tokens,
            "reply_tokens": reply.reply_tokens,
        }
        self._cache.put(key, record.model_dump_json(), about=about)
        return record

    def _key(self, question: Question[Form]) -> dict[str, Any]:  # Any: JSON
        """Everything that decides the reply."""
        return {
            "format": _FORMAT,
            "judge": self._model.name,
            "digest": self._digest,
            "system": question.system,
            "prompt": question.prompt,
            "images": [hashlib.sha256(image).hexdigest() for image in question.images],
            "schema": tightened(question.form),
            "max_tokens": MAX_TOKENS,
            "temperature": _LIVELIER if question.repetition else 0.0,
            "repetition": question.repetition,
        }

    async def _within_time(self, question: Question[Form]) -> tuple[Form, Reply]:
        if self._unreached >= GIVE_UP_AFTER:
            raise ModelUnreachable(
                f"{self._model.name} was not asked: it could not be reached {GIVE_UP_AFTER} times in a row before."
            )
        try:
            async with asyncio.timeout(self._timeout_s):
                given = await self._asked(question)
        except TimeoutError as exc:
            raise ModelTimeout(
                f"{self._model.name} did not answer a question of the judge within {self._timeout_s:g} s: "
                "give it more time, or use a smaller model."
            ) from exc
        except ModelUnreachable:
            self._unreached += 1
            raise
        except ModelError:
            self._unreached = 0
            raise
        self._unreached = 0
        return given

    async def _asked(self, question: Question[Form]) -> tuple[Form, Reply]:
        problem = reminder = ""
        for attempt in range(ATTEMPTS):
            seed = question.repetition * ATTEMPTS + attempt
            started = time.perf_counter()
            try:
                reply = await self._model.aask(
                    question.prompt + reminder,
                    images=question.images,
                    system=question.system,
                    schema=tightened(question.form),
                    max_tokens=MAX_TOKENS,
                    temperature=_LIVELIER if seed else 0.0,
                    seed=seed,
                )
            except (UnusableReply, IncompleteReply) as exc:
                problem, reminder = str(exc), _reminder("it was no whole JSON")
            else:
                self._count(prompt_tokens=reply.prompt_tokens or 0, reply_tokens=reply.reply_tokens or 0)
                record, problem = read_reply(reply.text, question.form, verdicts=question.verdicts)
                if record is not None:
                    return record, reply
                reminder = _reminder(problem)
            finally:
                self._count(requests=1, seconds=time.perf_counter() - started)
        raise UnusableReply(
            f"{self._model.name} did not give what was asked for in {ATTEMPTS} tries ({problem}). Try another judge."
        )

    def _count(self, **more: float) -> None:
        """Add to the cost, by field."""
        now = {name: getattr(self.cost, name) + value for name, value in more.items()}
        self.cost = dataclasses.replace(self.cost, **now)


def _reminder(problem: str) -> str:
    return f"\n\nYour last reply could not be used: {problem}. Reply with the JSON alone."
