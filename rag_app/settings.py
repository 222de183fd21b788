"""What a user may set, read from `<library>/settings.toml`; every field with its unit and effect.

Settings are passed, never global, and build nothing. docs/configuration.md lists the same fields.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar, get_type_hints

from rag_app import trust
from rag_app.errors import SettingsError
from rag_app.outside import toml_table

FILE_NAME = "settings.toml"
_MOST_CHARACTERS = 1_000_000

T = TypeVar("T")

LEAST_CHUNK = 32  # word pieces: what the node parser takes
_ACCEPTED: dict[object, tuple[type | tuple[type, ...], str]] = {
    int: (int, "a whole number"),
    float: ((int, float), "a number"),
}

_LEAST_SERVED = {"parallel": 1, "context_tokens": 512, "first_word_s": 1, "stall_s": 1, "retries": 0}

# Nothing, a server's address without a password in it, or a file of milvus-lite.
_MILVUS = re.compile(r"|https?://[^\s/@]+(/[^\s@]*)?|(?!.*://).*[^/]\.db")

RightToLeft = Literal["auto", "reorder", "terminal"]
_RIGHT_TO_LEFT: tuple[str, ...] = ("auto", "reorder", "terminal")


@dataclass(frozen=True, slots=True)
class Models:
    """Which model has which role, by name: `[models]` in settings.toml. Making these names loads nothing."""

    # Writes the answer from the evidence. "builtin" quotes the evidence and writes nothing of its own.
    answer: str = "builtin"
    # Turns text into vectors for search. Another model is another space: the library must then be embedded again.
    text_embedding: str = "builtin"
    # Describes figures, tables and formulas, and reads figure crops while answering.
    vision: str = "builtin"
    # Turns pictures into vectors for search by image.
    image_embedding: str = "builtin"


@dataclass(frozen=True, slots=True)
class Ingestion:
    """How papers are read: `[ingestion]` in settings.toml."""

    # Processes that parse at the same time; 0 = one for each core. Each holds about 0.6 GB.
    workers: int = 0
    # Word pieces, about, up to which text of one section is joined into a passage, and over which a paragraph is cut.
    # Papers that are in the library keep their passages until they are removed and ingested again.
    chunk_tokens: int = 180
    # Where papers are read, embedded and described: "" in processes of this machine; on a Ray cluster that is "local"
    # (started here for the time of a command), "auto" (that of this machine), "host:port" or "ray://host:port".
    ray: str = ""


@dataclass(frozen=True, slots=True)
class Search:
    """How much the parts of the search weigh: `[search]` in settings.toml; `rag-app eval sweep` tries others."""

    # Times the tuned weight of likeness in meaning, by the text embedding; 0 searches by words alone.
    dense: float = 1.0
    # Times the tuned weight of being the element that the question names, of its kind, or mentioned by a good passage.
    structure: float = 1.0


@dataclass(frozen=True, slots=True)
class Vectors:
    """Where vectors are searched: `[vectors]` in settings.toml. The library itself holds every vector."""

    # "" in FAISS files beside the library; else a Milvus: "http://host:19530" or "https://host", or a path that ends in
    # ".db", from the library's folder, for milvus-lite in this process. A token is taken from $RAG_APP_MILVUS_TOKEN.
    milvus: str = ""


@dataclass(frozen=True, slots=True)
class Terminal:
    """How answers are shown in a terminal: `[terminal]` in settings.toml."""

    # Who puts Persian and Arabic in visual order: "terminal" leaves it to a terminal that can, "reorder" does it
    # before printing, "auto" reorders unless the terminal is known to do it or output is not a terminal.
    right_to_left: RightToLeft = "auto"


@dataclass(frozen=True, slots=True)
class Ollama:
    """How Ollama is reached and used: `[ollama]` in settings.toml."""

    # Where the server listens: "host", "host:port" or a URL; several with commas between them, and each request goes to
    # the least loaded. Empty: $OLLAMA_HOST, else http://127.0.0.1:11434.
    host: str = ""
    # Requests at the same time at one server. More than its OLLAMA_NUM_PARALLEL only wait in its queue.
    parallel: int = 1
    # How long a model stays loaded after a request: "5m", "1h30m", "0" (unload at once), "-1" (for ever).
    keep_alive: str = "5m"
    # Tokens of context to ask for at least; more is asked where a prompt needs it. Each change loads the model anew.
    context_tokens: int = 8192
    # Seconds until the first word: loading a model and waiting in the queue count.
    first_word_s: int = 600
    # Seconds between two words of a reply, after which it counts as stalled.
    stall_s: int = 120
    # Times a request that may succeed later is sent again.
    retries: int = 3


@dataclass(frozen=True, slots=True)
class OpenAI:
    """How servers are used that speak OpenAI's protocol (vLLM, llama.cpp, LM Studio): `[openai]` in settings.toml."""

    # Where they listen: "host:port" or URLs, commas between them; /v1 is added where no path is given. A key is taken
    # from $RAG_APP_OPENAI_API_KEY.
    hosts: str = ""
    # Requests at the same time at one server. These servers work on several together: llama.cpp on its --parallel.
    parallel: int = 4
    # Tokens that a prompt is made for, its reply included. The servers' own context is fixed where they are started.
    context_tokens: int = 8192
    # Seconds until the first word: waiting in the queue counts.
    first_word_s: int = 600
    # Seconds between two words of a reply, after which it counts as stalled.
    stall_s: int = 120
    # Times a request that may succeed later is sent again.
    retries: int = 3


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one library. The defaults need no server and no download."""

    models: Models = field(default_factory=Models)
    ingestion: Ingestion = field(default_factory=Ingestion)
    search: Search = field(default_factory=Search)
    vectors: Vectors = field(default_factory=Vectors)
    ollama: Ollama = field(default_factory=Ollama)
    openai: OpenAI = field(default_factory=OpenAI)
    terminal: Terminal = field(default_factory=Terminal)

    @classmethod
    def load(cls, library: Path) -> Settings:
        """The settings of the library in folder `library`; the defaults where it has no settings.toml.

        Raises:
            SettingsError: not TOML, an unknown key (with the nearest known one), a value of the wrong type or range, or
                one that leads out of this machine or the library's folder and is not trusted, see `trust`.
        """
        path = library / FILE_NAME
        try:
            raw = toml_table(_text(path))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as exc:
            raise SettingsError(f"{path} cannot be read as TOML: {exc}.") from exc
        settings = cls.from_mapping(raw, source=str(path))
        trust.check(path, hosts=_hosts(settings), paths=_paths(settings))
        return settings

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], *, source: str = "settings") -> Settings:
        """Settings from nested mappings; errors name `source`."""
        settings = _build(cls, raw, prefix="", source=source)
        if settings.ingestion.workers < 0:
            raise SettingsError(
                f"{source}: ingestion.workers is {settings.ingestion.workers}; set 0 (all cores) or more."
            )
        if settings.ingestion.chunk_tokens < LEAST_CHUNK:
            raise SettingsError(
                f"{source}: ingestion.chunk_tokens is {settings.ingestion.chunk_tokens}; set {LEAST_CHUNK} or more."
            )
        for key, factor in dataclasses.asdict(settings.search).items():
            if not 0 <= factor < math.inf:
                raise SettingsError(f"{source}: search.{key} is {factor}; set 0 or more.")
        for table, served in (("ollama", settings.ollama), ("openai", settings.openai)):
            for key, least in _LEAST_SERVED.items():
                if getattr(served, key) < least:
                    raise SettingsError(f"{source}: {table}.{key} is {getattr(served, key)}; set {least} or more.")
        if not _MILVUS.fullmatch(settings.vectors.milvus):
            raise SettingsError(
                f'{source}: vectors.milvus is {settings.vectors.milvus!r}; set "" for FAISS files, a server such as '
                '"http://127.0.0.1:19530", or a path that ends in ".db". A token belongs in $RAG_APP_MILVUS_TOKEN.'
            )
        if settings.terminal.right_to_left not in _RIGHT_TO_LEFT:
            raise SettingsError(
                f"{source}: terminal.right_to_left is {settings.terminal.right_to_left!r};"
                f" set one of {', '.join(_RIGHT_TO_LEFT)}."
            )
        for role, name in dataclasses.asdict(settings.models).items():
            if not name.strip():
                raise SettingsError(f"{source}: models.{role} is empty; name a model, for example 'builtin'.")
        return settings


def _hosts(settings: Settings) -> dict[str, str]:
    """By key, where the settings send something."""
    milvus, ray = settings.vectors.milvus, settings.ingestion.ray
    return {
        "ollama.host": settings.ollama.host,
        "openai.hosts": settings.openai.hosts,
        "vectors.milvus": milvus if "://" in milvus else "",
        "ingestion.ray": "" if ray in ("local", "auto") else ray,
    }


def _paths(settings: Settings) -> dict[str, str]:
    """By key, where the settings write something."""
    milvus = settings.vectors.milvus
    return {"vectors.milvus": milvus} if milvus and "://" not in milvus else {}


def _text(path: Path) -> str:
    """The content of a settings file. Raises FileNotFoundError, OSError for a pipe, a device or a huge file."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a regular file")
    with path.open(encoding="utf-8") as file:
        text = file.read(_MOST_CHARACTERS + 1)
    if len(text) > _MOST_CHARACTERS:
        raise OSError(f"it has more than {_MOST_CHARACTERS} characters")
    return text


def _build(kind: type[T], raw: Mapping[str, Any], *, prefix: str, source: str) -> T:
    """One dataclass from one mapping, table by table."""
    hints = get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in raw.items():
        name = f"{prefix}{key}"
        if key not in hints:
            raise SettingsError(f"{source} has the unknown key '{name}'; {_nearest(name)}")
        wanted = hints[key]
        if isinstance(wanted, type) and dataclasses.is_dataclass(wanted):
            if not isinstance(value, Mapping):
                raise SettingsError(f"{source}: '{name}' is a table; write [{name}] and its keys below it.")
            values[key] = _build(wanted, value, prefix=f"{name}.", source=source)
            continue
        accepted, noun = _ACCEPTED.get(wanted, (str, "a text in quotes"))
        if not isinstance(value, accepted) or isinstance(value, bool):
            raise SettingsError(f"{source}: {name} is {value!r}; it must be {noun}.")
        values[key] = value
    return kind(**values)


def _nearest(name: str) -> str:
    """The known key most like `name`, by its whole path or its last part, or all of them."""
    known = [f"{table.name}.{key.name}" for table, keys in _tables() for key in keys]
    tables = [table.name for table, _ in _tables()]
    last = name.rsplit(".", 1)[-1]
    same_last = [k for k in known if k.rsplit(".", 1)[-1] == last]
    near = same_last or difflib.get_close_matches(name, known if "." in name else [*tables, *known], n=1, cutoff=0.5)
    return f"did you mean '{near[0]}'?" if near else f"known keys: {', '.join(known)}."


def _tables() -> list[tuple[dataclasses.Field[Any], tuple[dataclasses.Field[Any], ...]]]:
    hints = get_type_hints(Settings)
    return [(table, dataclasses.fields(hints[table.name])) for table in dataclasses.fields(Settings)]
