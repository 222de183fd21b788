"""A server that speaks OpenAI's protocol on a real socket, for tests and benchmarks that need no vLLM and no llama.cpp.

Written from the documentation and the sources of vLLM, llama.cpp and LM Studio; none of them was at hand. Its models
have no weights: what they say depends on the prompt and on the bytes of the pictures. Keys that such a server would
ignore are refused.
"""

from tests.openai_server.faults import Fault
from tests.openai_server.server import OpenAIServer, tiny_models

__all__ = ["Fault", "OpenAIServer", "tiny_models"]
