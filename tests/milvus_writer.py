"""Brings a library's vectors to Milvus and kills itself -9 at the n-th request that changes something there.

Arguments: library folder, address, n, "fill" or "rebuild".
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

from rag_app.store import Store
from rag_app.vectors import milvus_space
from rag_app.vectors.milvus_collection import Collection
from rag_app.vectors.milvus_server import Milvus
from rag_app.vectors.milvus_space import MilvusSpace
from tests.storing import SPACE


def main() -> None:
    folder, address, last, what = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    milvus_space._BATCH = 4
    milvus_space._STAYS_S = -5.0
    done = 0
    for name in ("put", "put_state", "delete", "drop"):
        real = getattr(Collection, name)

        def counted(self: Collection, *arguments: Any, real: Any = real) -> Any:  # Any: whatever the method takes
            nonlocal done
            if done == last:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return real(self, *arguments)

        setattr(Collection, name, counted)
    with Store.open(folder) as store:
        space = MilvusSpace(store, SPACE, Milvus(address, settings_file=folder / "settings.toml"))
        space.rebuild() if what == "rebuild" else space.save()
    print("done")


if __name__ == "__main__":
    main()
