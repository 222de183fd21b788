"""Milvus servers on real sockets for tests: milvus-lite behind its gRPC door, as it is or with a fault in front."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # read when grpc is imported

import grpc


@contextmanager
def milvus_server(folder: Path, *, port: int = 0, version: str = "", token: str = "") -> Iterator[str]:
    """The address of a server over a folder of milvus-lite.

    version: what it says it is, its own when empty. token: the only "user:password" it lets in, everybody when empty.
    """
    from milvus_lite.adapter.grpc.servicer import MilvusServicer
    from milvus_lite.db import MilvusLite
    from pymilvus.grpc_gen import milvus_pb2, milvus_pb2_grpc

    class Servicer(MilvusServicer):
        def GetVersion(self, request: Any, context: Any) -> Any:  # Any: messages of protobuf
            found = super().GetVersion(request, context)
            return milvus_pb2.GetVersionResponse(status=found.status, version=version or found.version)

    database = MilvusLite(str(folder))
    server = grpc.server(ThreadPoolExecutor(4), interceptors=[_Door(token)] if token else [])
    milvus_pb2_grpc.add_MilvusServiceServicer_to_server(Servicer(database), server)
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"http://127.0.0.1:{bound}"
    finally:
        server.stop(grace=None).wait()
        database.close()


class _Door(grpc.ServerInterceptor):
    """Lets in whoever brings the token, as Milvus asks for it: base64 in the request's metadata."""

    def __init__(self, token: str) -> None:
        self._token = base64.b64encode(token.encode()).decode()

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:  # Any: as grpc has it
        given = dict(handler_call_details.invocation_metadata).get("authorization")
        if given == self._token:
            return continuation(handler_call_details)

        def refuse(request: Any, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "auth check failure, please check api key is correct")

        return grpc.unary_unary_rpc_method_handler(refuse)
