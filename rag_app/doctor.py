"""What is installed, what is missing or broken, and the command that mends it: `rag-app doctor`."""

from __future__ import annotations

import dataclasses
import importlib
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rag_app.errors import LibraryNotFound, RagAppError, SettingsError

if TYPE_CHECKING:
    from adapters.names import ModelName, Role
    from adapters.ollama.catalogue import Installed
    from rag_app.settings import Settings

State = Literal["ok", "note", "missing", "broken"]

OUR_DISTRIBUTION = "rag-app"
OUR_PACKAGES = ("rag_app", "ingestion", "adapters", "eval")
PINNED_TOGETHER = ("pymupdf", "pymupdf4llm", "pymupdf-layout")  # 2.0 of each is an empty placeholder
_SHOWN_VERSIONS = ("llama-index-core", *PINNED_TOGETHER, "onnxruntime", "tokenizers", "faiss-cpu", "numpy")
_ENOUGH_DISK_GB = 2.0  # about the environment again, or the crops of a few thousand papers
# What a role asks of an Ollama model, by its capabilities, and how one without it is told.
_NEEDED_OF_OLLAMA: dict[str, tuple[str, str]] = {
    "vision": ("vision", "reads no pictures"),
    "text_embedding": ("embedding", "gives no embeddings"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """One finding. missing: something optional is not there; broken: part of the program cannot work."""

    name: str
    state: State
    message: str
    mend: str | None = None

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


def diagnose(library: Path) -> list[Check]:
    """Every check, in the order in which a newcomer meets what it is about. Writes nothing; takes about a second."""
    checks: list[Callable[[], Check | list[Check]]] = [
        check_python,
        check_versions,
        check_pins,
        check_foreign_packages,
        check_weights,
        check_ocr,
        lambda: check_disk(library),
        lambda: check_library(library),
        lambda: check_milvus(library),
        lambda: check_ollama(library),
        lambda: check_openai(library),
    ]
    found: list[Check] = []
    for check in checks:
        result = check()
        found += result if isinstance(result, list) else [result]
    return found


def check_python() -> Check:
    """Python and whether it is one we support."""
    message = f"{platform.python_version()} in {sys.prefix}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return Check("python", "broken", f"{message}; rag-app is made for 3.11 to 3.13", "make PYTHON=python3.12 demo")
    if sys.prefix == sys.base_prefix:
        return Check("python", "note", f"{message}; not a virtual environment")
    return Check("python", "ok", message)


def check_versions() -> Check:
    """The versions of what the main job stands on."""
    found = {name: _version(name) for name in _SHOWN_VERSIONS}
    absent = [name for name, version in found.items() if version is None]
    if absent:
        return Check("packages", "broken", f"not installed: {', '.join(absent)}", "pip install -e .")
    return Check("packages", "ok", ", ".join(f"{name} {version}" for name, version in found.items()))


def check_pins() -> Check:
    """PyMuPDF's three packages: equal versions, and no 2.0 placeholder."""
    found = {name: _version(name) for name in PINNED_TOGETHER}
    versions = set(found.values())
    if len(versions) == 1 and not any(version and version.startswith("2.0") for version in versions):
        return Check("pins", "ok", f"{', '.join(PINNED_TOGETHER)} are all {versions.pop()}")
    listed = ", ".join(f"{name} {version}" for name, version in found.items())
    return Check(
        "pins", "broken", f"{listed}: they must be equal, and 2.0 is empty", "pip install -e . --force-reinstall"
    )


def check_foreign_packages() -> list[Check]:
    """Whether another distribution brings a top-level package of our name, or one of ours comes from elsewhere.

    PyPI has an `adapters` of its own; installed beside ours, files of both end up in one folder.
    """
    owners = metadata.packages_distributions()
    strangers = {
        package: sorted({name for name in owners.get(package, []) if _normal(name) != OUR_DISTRIBUTION})
        for package in OUR_PACKAGES
    }
    checks = [
        Check(
            "foreign package",
            "broken",
            f"the top-level package '{package}' also comes from {', '.join(names)}",
            f"pip uninstall {' '.join(names)} && pip install -e . --force-reinstall --no-deps",
        )
        for package, names in strangers.items()
        if names
    ]
    home = Path(__file__).resolve().parent.parent
    for package in OUR_PACKAGES:
        origin = importlib.import_module(package).__file__
        if origin is None or Path(origin).resolve().parent.parent != home:
            where = origin or "a folder without __init__.py"
            mend = "cd out of the folder that holds it, or uninstall what brings it"
            checks.append(Check("foreign package", "broken", f"'{package}' is loaded from {where}, not {home}", mend))
    return checks or [Check("foreign package", "ok", f"{', '.join(OUR_PACKAGES)} are ours alone")]


def check_weights() -> Check:
    """The weights of the builtin text embedding."""
    from adapters.builtin.weights import find_weights

    try:
        return Check("builtin weights", "ok", str(find_weights()))
    except RagAppError as exc:
        return Check("builtin weights", "broken", str(exc), "rag-app models pull builtin")


def check_ocr() -> Check:
    """The engine that reads scanned pages, and its languages."""
    from ingestion.ocr import available

    status = available()
    return Check("ocr", "ok" if {"eng", "fas"} <= set(status.languages) else "missing", status.message)


def check_disk(library: Path) -> Check:
    """Free space where the library is or would be."""
    folder = library.resolve()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    message = f"{free:.1f} GB free at {folder}"
    if free < _ENOUGH_DISK_GB:
        return Check("disk", "missing", message, "free some space there, or put the library elsewhere: --library DIR")
    return Check("disk", "ok", message)


def check_library(library: Path) -> Check:
    """Whether the library opens and its parts agree."""
    from rag_app.settings import Settings
    from rag_app.store import Store
    from rag_app.vectors.choosing import Vectors

    try:
        with Store.open(library, create=False, read_only=True) as store:
            found = store.integrity()
            papers = len(store.documents())
            files = Vectors(store, Settings())  # what is in a Milvus is looked at by itself
            indexes = [problem for info in store.spaces() if (problem := files.space(info.name).check())]
    except LibraryNotFound:
        return Check("library", "note", f"none at {library} yet", "rag-app ingest PAPERS")
    except RagAppError as exc:
        return Check("library", "broken", str(exc), f"rag-app repair --library {library}")
    if found.sound and not indexes:
        return Check("library", "ok", f"{papers} papers in {library}, whole")
    counts = {
        "damaged": found.damage,
        "crops missing": found.missing_crops,
        "originals missing": found.missing_files,
        "files that nothing needs": found.orphans,
        "indexes to be built again": indexes,
    }
    message = "; ".join(f"{what}: {len(names)} ({names[0]})" for what, names in counts.items() if names)
    state: State = "broken" if found.damage or found.missing_crops or found.missing_files else "note"
    return Check("library", state, message, f"rag-app repair --library {library}")


def check_milvus(library: Path) -> list[Check]:
    """Where the settings name a Milvus: whether it answers and has every vector that it says it has."""
    from rag_app.settings import Settings
    from rag_app.store import Store
    from rag_app.vectors.choosing import Vectors

    try:
        settings = Settings.load(library)
        if not settings.vectors.milvus:
            return []
        with Store.open(library, create=False, read_only=True) as store:
            vectors = Vectors(store, settings)
            standing = vectors.standing() or ""
            problems = [problem for info in store.spaces() if (problem := vectors.space(info.name).check())]
    except (SettingsError, LibraryNotFound):
        return []  # told by the other checks
    except RagAppError as exc:
        return [Check("milvus", "missing", str(exc))]
    if problems:
        return [Check("milvus", "broken", " ".join(problems), f"rag-app repair --library {library}")]
    return [Check("milvus", "ok", standing)]


def check_ollama(library: Path) -> list[Check]:
    """Whether Ollama answers, at each server, and has the models that the settings name; else nothing needs it."""
    from adapters.ollama.catalogue import answering, merged
    from rag_app.settings import Settings

    try:
        settings = Settings.load(library)
        servers = answering(settings)
    except SettingsError as exc:
        return [Check("settings", "broken", str(exc))]
    named = any(role.scheme == "ollama" for role in _role_names(settings).values())
    found: list[Check] = []
    for server in servers:
        if server.problem is None:
            message = f"{server.version[:40]} answers at {server.url}; {len(server.models)} models installed"
            found.append(Check("ollama", "ok", message))
        elif named:
            message = f"{server.problem} The settings name models of it"
            found.append(Check("ollama", "missing", message, "ollama serve"))
        else:
            found.append(Check("ollama", "note", f"no Ollama answers at {server.url}; only ollama: models need it"))
    if all(server.problem for server in servers):
        return found
    models = merged(server.models for server in servers)
    if several := [model.name for model in models if "+" in model.digest]:
        message = f"{', '.join(several)}: the servers have different files under this name"
        found.append(Check("ollama", "note", message, f"rag-app models pull {several[0]}"))
    for role, problem in ollama_role_problems(settings, models).items():
        name = _role_names(settings)[role].rest
        mend = f"rag-app models pull {name}" if "no model" in problem else f"set models.{role} in {library}"
        found.append(Check("ollama", "missing", f"models.{role}: {problem}", mend))
    if unusable := [model.name for model in models if model.family == "mllama"]:
        message = f"{', '.join(unusable)} (llama3.2-vision) does not run on Ollama 0.30 and later"
        found.append(Check("ollama", "note", message, "use another vision model, such as gemma3:4b"))
    return found


def check_openai(library: Path) -> list[Check]:
    """Whether the servers of openai.hosts answer, and offer the models that the settings name; nothing without them."""
    from rag_app.settings import Settings

    try:
        settings = Settings.load(library)
        named = {role: name for role, name in _role_names(settings).items() if name.scheme == "openai"}
        if not settings.openai.hosts.strip() and not named:
            return []
        from adapters.openai_compatible.catalogue import answering

        servers = answering(settings)
    except SettingsError as exc:
        return [Check("openai", "broken", str(exc), f"set openai.hosts in {library}")]
    found = [
        Check("openai", "ok", f"{server.url} answers; it offers {len(server.models)} models")
        if server.problem is None
        else Check("openai", "missing", str(server.problem), "start the server, or take it out of openai.hosts")
        for server in servers
    ]
    offered = {model.name for server in servers for model in server.models}
    if any(server.problem is None for server in servers):
        found += [
            Check(
                "openai", "missing", f"models.{role}: no server offers {name.rest}", f"set models.{role} in {library}"
            )
            for role, name in named.items()
            if name.rest not in offered
        ]
    return found


def ollama_role_problems(settings: Settings, models: Sequence[Installed]) -> dict[Role, str]:
    """For each role that the settings give to an Ollama model: why that model, of those installed, cannot fill it."""
    from adapters.ollama.names import full, nearest

    have = {model.name: model for model in models}
    problems: dict[Role, str] = {}
    for role, name in _role_names(settings).items():
        if name.scheme != "ollama":
            continue
        model = have.get(full(name.rest))
        needed, cannot = _NEEDED_OF_OLLAMA.get(role, ("completion", "writes no text"))
        if model is None:
            near = nearest(name.rest, have)
            problems[role] = f"Ollama has no model '{name.rest}'" + (f"; did you mean {near[0]}?" if near else "")
        elif needed not in model.capabilities:
            problems[role] = f"{model.name} {cannot}"
    return problems


def _role_names(settings: Settings) -> dict[Role, ModelName]:
    from adapters.names import ROLES, parse_model_name

    names = dataclasses.asdict(settings.models)
    return {role: parse_model_name(names[role]) for role in ROLES if role in names}


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _normal(distribution: str) -> str:
    return distribution.lower().replace("_", "-").replace(".", "-")
