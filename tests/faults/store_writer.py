"""Run as a process by test_store: puts the second versions of some papers into a library, until it is killed.

python -m tests.faults.store_writer LIBRARY PAPERS NODES
"""

from __future__ import annotations

import sys
from pathlib import Path

from rag_app.errors import RagAppError
from rag_app.store import Store
from rag_app.vectors.space import Space
from tests.storing import SPACE, put, sha


def content(number: int, version: int) -> str:
    return f"paper {number} version {version}"


def place(number: int) -> Path:
    return Path(f"/papers/p{number}.pdf")


def write(folder: Path, papers: int, nodes: int, *, version: int, say: bool = False) -> None:
    """Commit what is not there yet, saving the derived files after each paper, so that a kill may hit those too."""
    with Store.open(folder) as store, store.write_lock():
        space = Space(store, SPACE)
        for number in range(papers):
            if not store.has(sha(content(number, version))):
                put(store, content(number, version), f"p{number}.pdf", path=place(number), count=nodes)
                space.save()
                store.fold_words(always=True)
                if say:
                    print(number, flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), version=2, say=True)
    except RagAppError as exc:
        sys.exit(f"{type(exc).__name__}: {exc}")
