"""A server that speaks Ollama's protocol on a real socket, for tests and benchmarks that need no Ollama.

Written from what a real server was seen to send, not from its OpenAPI file. Its models have no weights: what they say
depends on the prompt and on the bytes of the pictures, so that a client that loses a picture is found out. It is
stricter than Ollama in one thing: keys that Ollama would ignore are refused.
"""

from tests.ollama_server.faults import Fault
from tests.ollama_server.models import Model, Recorded
from tests.ollama_server.server import OllamaServer, tiny_models

__all__ = ["Fault", "Model", "OllamaServer", "Recorded", "tiny_models"]
