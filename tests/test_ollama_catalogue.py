"""Which models the server has, what a name may have meant, and fetching one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.names import parse_model_name
from adapters.ollama import catalogue, names
from adapters.ollama.catalogue import from_show, from_tag
from adapters.ollama.failures import NotOllama
from rag_app.errors import ModelNotInstalled, ModelUnreachable, RequestRefused
from rag_app.settings import Ollama, Settings
from tests.ollama_models import at, ollama
from tests.ollama_server import Fault, Model, OllamaServer

__all__ = ["ollama"]

HAVE = ["gemma3:4b", "gemma3:12b", "qwen2.5vl:7b", "llava", "hf.co/ggml-org/smolvlm-gguf:q8_0", "bge-m3"]


@pytest.mark.parametrize(
    ("wanted", "first"),
    [
        ("gema3:4b", "gemma3:4b"),
        ("gemma3", "gemma3:12b"),
        ("gemma3:12", "gemma3:12b"),
        ("GEMMA3:4B", "gemma3:4b"),
        ("qwen2.5-vl:7b", "qwen2.5vl:7b"),
        ("qwen25vl", "qwen2.5vl:7b"),
        ("llava:latest", "llava"),
        ("llava:13b", "llava"),
        ("smolvlm-gguf", "hf.co/ggml-org/smolvlm-gguf:q8_0"),
        ("bge-m4", "bge-m3"),
    ],
)
def test_the_nearest_name(wanted: str, first: str) -> None:
    assert names.nearest(wanted, HAVE)[0] == first


def test_nothing_is_near_to_nonsense() -> None:
    assert names.nearest("xyzzy", HAVE) == []
    assert names.nearest("", HAVE) == []


@given(st.text(), st.lists(st.text(), max_size=6))
def test_near_names_are_installed_ones(wanted: str, have: list[str]) -> None:
    near = names.nearest(wanted, have)
    assert len(near) <= 3 and set(near) <= {names.full(one) for one in have}


def test_one_spelling_of_a_name() -> None:
    assert names.full(" Qwen2.5VL:latest ") == names.full("qwen2.5vl") == "qwen2.5vl"
    assert names.on_wire("Gemma3:4B") == "gemma3:4b"
    assert names.on_wire("hf.co/User/Repo-GGUF:Q4_K_M") == "hf.co/User/Repo-GGUF:Q4_K_M"
    assert str(parse_model_name("Ollama:gemma3:4b")) == "ollama:gemma3:4b"
    assert str(parse_model_name("hf.co/User/Repo:Q4")) == "ollama:hf.co/User/Repo:Q4"


def test_what_is_installed(ollama: OllamaServer) -> None:
    ollama.models.append(Model("Big:7B", {"completion"}, context_length=131072, parameters="7.6B", size_bytes=5 << 30))
    found = {model.name: model for model in catalogue.installed(at(ollama))}
    assert list(found) == ["big:7b", "thinker", "tinyembed", "tinytext", "tinyvlm"]
    big = found["big:7b"]
    assert (big.size_bytes, big.context_length, big.parameters) == (5 << 30, 131072, "7.6B")
    assert found["tinyvlm"].capabilities == {"completion", "vision"}
    assert [request.path for request in ollama.requests] == ["/api/tags"]
    assert [server.version for server in catalogue.answering(at(ollama))] == ["0.33.0"]


def test_what_is_installed_on_an_old_server(ollama: OllamaServer) -> None:
    ollama.fail(Fault.TAGS_FAMILIES_NULL)
    ollama.fail(Fault.SHOW_WITHOUT_CAPABILITIES, times=9, where=lambda request: request.path == "/api/show")
    found = {model.name: model for model in catalogue.installed(at(ollama))}
    assert "vision" in found["tinyvlm"].capabilities and "vision" not in found["tinytext"].capabilities
    assert found["tinyembed"].capabilities == {"embedding"}
    assert found["tinyembed"].context_length == 2048 and found["tinyembed"].size_bytes > 0


def test_shows_of_old_servers_by_hand() -> None:
    """As /api/show of 0.5 said it: no capabilities, no context where there is no model_info."""
    llava = from_show("llava", {"details": {"family": "llama", "families": ["llama", "clip"]}, "model_info": None})
    assert llava.capabilities == {"completion", "vision"} and llava.context_length is None
    gemma = from_show(
        "gemma3",
        {
            "model_info": {
                "general.architecture": "gemma3",
                "gemma3.context_length": 131072,
                "gemma3.vision.embedding_length": 1152,
                "gemma3.embedding_length": 2560,
            },
            "template": "{{ .Tools }}",
        },
    )
    assert gemma.capabilities == {"completion", "vision", "tools"}
    assert (gemma.context_length, gemma.embedding_length) == (131072, 2560)
    bert = from_show("e", {"model_info": {"general.architecture": "nomic-bert", "nomic-bert.pooling_type": 1}})
    assert bert.capabilities == {"embedding"}
    with pytest.raises(NotOllama):
        from_show("x", {"model_info": ["x"]})
    assert from_tag({"model": "A:latest", "details": None}).name == "a"


def test_one_model_is_shown_or_the_nearest_are_named(ollama: OllamaServer) -> None:
    assert catalogue.show("TINYVLM:latest", at(ollama)).name == "tinyvlm"
    for ask in (catalogue.show, catalogue.resolve):
        with pytest.raises(ModelNotInstalled) as caught:
            ask("tinyvlmm", at(ollama))
        assert str(caught.value) == (
            "Ollama has no model 'tinyvlmm'; did you mean tinyvlm? Installed: thinker, tinyembed, tinytext, tinyvlm. "
            "Get it: rag-app models pull tinyvlmm"
        )
    with pytest.raises(ModelNotInstalled, match="did you mean builtin"):
        catalogue.show("biultin", at(ollama))


def test_what_is_loaded(ollama: OllamaServer) -> None:
    from tests.ollama_models import model_at

    assert catalogue.answering(at(ollama))[0].loaded == ()
    model_at(ollama).ask("Hello.")
    (loaded,) = catalogue.answering(at(ollama))[0].loaded
    assert (loaded.name, loaded.context_tokens) == ("tinyvlm", 8192)


def test_the_address_is_shown_without_a_password() -> None:
    (server,) = catalogue.answering(Settings(ollama=Ollama(host="http://me:secret@127.0.0.1:1")))
    assert server.url == "http://127.0.0.1:1" and "secret" not in f"{server}{server.problem}"


@pytest.mark.parametrize("fault", [None, Fault.PULL_INTERLEAVED])
def test_fetching_shows_its_progress(ollama: OllamaServer, fault: Fault | None) -> None:
    ollama.pullable.append(Model("new:1b"))
    if fault:
        ollama.fail(fault)
    seen: list[tuple[str, int, int]] = []
    catalogue.pull("NEW:1b", at(ollama), lambda *step: seen.append(step))
    assert seen[-1][0] == "success" and seen[-1][1] == seen[-1][2] > 0
    assert [step[1] for step in seen] == sorted(step[1] for step in seen)
    assert catalogue.resolve("new:1b", at(ollama)).name == "new:1b"


def test_what_cannot_be_fetched_is_told(ollama: OllamaServer) -> None:
    ollama.pullable.append(Model("new:1b"))
    with pytest.raises(ModelNotInstalled, match=r"ollama\.com/library"):
        catalogue.pull("nowhere:1b", at(ollama), lambda *step: None)
    ollama.fail(Fault.PULL_ERROR)
    with pytest.raises(ModelUnreachable, match="registry"):
        catalogue.pull("new:1b", at(ollama), lambda *step: None)
    with pytest.raises(ModelUnreachable, match="ollama serve"):
        catalogue.pull("new:1b", Settings(ollama=Ollama(host="127.0.0.1:1")), lambda *step: None)
    assert "new:1b" not in {model.name for model in catalogue.installed(at(ollama))}


def test_another_server_at_the_address_is_told(ollama: OllamaServer) -> None:
    ollama.fail(Fault.HTML_200)
    with pytest.raises(ModelUnreachable, match="does not answer as Ollama does"):
        catalogue.installed(at(ollama))
    ollama.fail(Fault.NOT_FOUND_PLAIN)
    with pytest.raises(RequestRefused, match="404 page not found"):
        catalogue.installed(at(ollama))
