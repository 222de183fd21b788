"""The reader's choices: which model has which role, and the language of the page."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from adapters.names import LOADERS, Role, parse_model_name
from adapters.ollama import catalogue
from adapters.openai_compatible import catalogue as openai_catalogue
from rag_app.errors import ModelError
from rag_app.serve.forms import read_form, text_of
from rag_app.serve.pages import LANGUAGE_COOKIE, page, session_of
from rag_app.serve.session import SWITCHED
from rag_app.serve.words import PAGE_WORDS
from rag_app.settings import Models

_NEEDS = {"answer": "completion", "vision": "vision"}  # what a model of Ollama must be able to do
_ANEW = ("text_embedding", "image_embedding")  # their vectors must be made anew
_YEAR_S = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Choice:
    """One role: who has it now, and who can have it; nobody else where it cannot be changed here."""

    role: str
    name: str
    names: tuple[str, ...] = ()


async def models(request: Request) -> Response:
    """Which model does what, and what else there is."""
    session = session_of(request)
    settings = session.library.settings
    problem = ""
    try:
        installed = await session.run(catalogue.installed, settings)
    except ModelError as exc:  # said on the page: the builtin models work without a server
        installed, problem = (), str(exc)
    offered = await session.run(openai_catalogue.offered, settings)
    choices = []
    for role in SWITCHED:
        able = [f"ollama:{one.name}" for one in installed if _NEEDS[role] in one.capabilities]
        able += [f"openai:{one.name}" for one in offered if role != "vision" or one.sees is not False]
        now = getattr(settings.models, role)
        names = ["builtin", *able, *_given(session.given, role), now]
        choices.append(Choice(role, now, tuple(dict.fromkeys(names))))
    choices += [Choice(role, getattr(settings.models, role)) for role in _ANEW]
    return page(
        request,
        "models.html.j2",
        choices=choices,
        installed=installed,
        problem=problem,
    )


def _given(models: Models, role: Role) -> list[str]:
    """The names of the settings that can fill a role: its own, and any model of transformers, which both writes and
    sees. Which of these there are on a machine nobody lists, as Ollama does."""
    own, *others = getattr(models, role), *dataclasses.asdict(models).values()
    return [own, *(name for name in others if parse_model_name(name).scheme == "hf" and (role, "hf") in LOADERS)]


async def use(request: Request) -> Response:
    """Let another model fill a role."""
    session = session_of(request)
    form = await read_form(request, secret=session.keys.form)
    name = text_of(form, "other").strip() or text_of(form, "name")
    await session.run(session.use, text_of(form, "role"), name)
    return RedirectResponse("/models", status_code=303)


async def speak(request: Request) -> Response:
    """The page in another language, from here on."""
    session = session_of(request)
    form = await read_form(request, secret=session.keys.form)
    language = text_of(form, "language")
    back = text_of(form, "back")
    response = RedirectResponse(back if re.fullmatch(r"/(?!/)[^\\\s]*", back) else "/", status_code=303)
    if language in PAGE_WORDS:
        response.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR_S, httponly=True, samesite="strict", path="/")
    return response
