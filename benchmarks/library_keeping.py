"""Time and memory of keeping a large library: check, backup, export, import and vacuum, each as a whole process.

    python benchmarks/library_keeping.py --library /tmp/scale1m --scratch /tmp/keeping
    python benchmarks/library_keeping.py --library /tmp/scale1m --scratch /tmp/keeping --only check backup

The library is read, and only the copy of it that backup makes is written (vacuum). --scratch needs room for four times
the library, and is emptied. Build a library with benchmarks/library_scale.py.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rag_app.store import Store

RAG_APP = Path(sys.executable).with_name("rag-app")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--library", type=Path, required=True)
    parser.add_argument("--scratch", type=Path, required=True)
    parser.add_argument("--only", nargs="+", help="of check, backup, vacuum, export jsonl, export parquet, import")
    arguments = parser.parse_args()
    library, scratch = arguments.library, arguments.scratch
    copy = scratch / "copy"
    commands = {
        "check": ["check", "--library", library],
        "backup": ["backup", copy, "--library", library],
        "vacuum": ["vacuum", "--library", copy],
        "export jsonl": ["export", scratch / "jsonl", "--format", "jsonl", "--library", library],
        "export parquet": ["export", scratch / "parquet", "--library", library],
        "import": ["import", scratch / "parquet", "--library", scratch / "imported"],
    }
    with Store.open(library, create=False, read_only=True) as store:
        nodes = store.size()
    report: dict[str, object] = {
        "nodes": nodes,
        "library.sqlite, MB": round((library / "library.sqlite").stat().st_size / 1e6),
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
    }
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, words in commands.items():
        if not arguments.only or name in arguments.only:
            report[name] = _measured([str(RAG_APP), *map(str, words)])
            print(name, report[name], file=sys.stderr)
    for name in ("jsonl", "parquet"):
        files = list((scratch / name).glob(f"*.{name}"))
        if files:
            report[f"{name}, MB"] = round(sum(file.stat().st_size for file in files) / 1e6)
    print(json.dumps(report, indent=2))


def _measured(words: list[str]) -> dict[str, float]:
    """Wall and CPU seconds, the most memory at a time, and the load of the machine when it began."""
    load = os.getloadavg()[0]
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return {
        "exit code": process.returncode,
        "wall s": round(time.perf_counter() - began, 1),
        "cpu s": round(used.ru_utime + used.ru_stime, 1),
        "resident MB": round(used.ru_maxrss / 1024),
        "load": round(load, 1),
    }


if __name__ == "__main__":
    main()
