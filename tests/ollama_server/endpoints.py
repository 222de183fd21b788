"""Which function answers which path."""

from tests.ollama_server.asking import write
from tests.ollama_server.catalogue import copy, create, delete, ps, pull, show, tags, version
from tests.ollama_server.embedding import embed

GET = {"/api/tags": tags, "/api/ps": ps, "/api/version": version}
POST = {
    "/api/chat": write,
    "/api/generate": write,
    "/api/embed": embed,
    "/api/embeddings": embed,
    "/api/show": show,
    "/api/pull": pull,
    "/api/create": create,
    "/api/copy": copy,
}
DELETE = {"/api/delete": delete}
