"""A run on disk: one folder that says what was measured, with what, item by item.

    manifest.json  what decides the figures
    items.jsonl    a Row a line, appended as it comes; the last line of an id counts
    summary.json   means with intervals, written when the run is done
    judge.json     what judging took, summed over all times the run was gone on with; ablation.json: retrieval in parts

A run that was cut off, by Ctrl-C, kill -9 or a full disk, has every line but the last whole, and can be gone on with.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

from filelock import FileLock, Timeout

from eval.runs.manifest import Manifest
from eval.runs.rows import Row
from eval.runs.summary import Summary, summarise
from rag_app.errors import DiskFull, InputError, UsageError
from rag_app.outside import json_value

MANIFEST, ITEMS, SUMMARY, LOCK = "manifest.json", "items.jsonl", "summary.json", "run.lock"


class Run:
    """One run. `Run.open` reads it; `Run.create` and `Run.resume` write it: close it, or use it as a context."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        self.manifest = manifest
        self._rows: dict[str, Row] = {}
        self._items: BinaryIO | None = None
        self._lock = FileLock(folder / LOCK)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The run in `folder`, to be read. Raises InputError when there is none or it is damaged."""
        path = folder / MANIFEST
        try:
            manifest = Manifest.from_dict(json_value(path.read_text(encoding="utf-8")))
        except FileNotFoundError as exc:
            raise InputError(
                f"{folder} is no evaluation run: it has no {MANIFEST}. List the runs with: rag-app eval runs"
            ) from exc
        except (OSError, ValueError, TypeError) as exc:
            raise InputError(f"{path} cannot be read as the manifest of a run: {exc}.") from exc
        run = cls(folder, manifest)
        run._rows = _read_items(folder / ITEMS)
        return run

    @classmethod
    def create(cls, folder: Path, manifest: Manifest) -> Self:
        """A new run, ready for `append`. Raises UsageError when `folder` holds a run or cannot be written."""
        if (folder / MANIFEST).exists():
            raise UsageError(f"{folder} holds a run already: add --resume to go on with it, or name another --run.")
        run = cls(folder, manifest)
        with _disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            run._begin()
            try:
                if run._rows:
                    raise UsageError(f"{folder} holds items of a run without its {MANIFEST}: name another --run.")
                _write_json(folder / MANIFEST, manifest.to_dict())
            except BaseException:
                run.close()
                raise
        return run

    @classmethod
    def resume(cls, folder: Path, manifest: Manifest) -> Self:
        """The run in `folder`, ready to go on; a new one where there is none yet.

        Raises UsageError when what decides its figures has changed since it was started, and says what.
        """
        if not (folder / MANIFEST).exists():
            return cls.create(folder, manifest)
        run = cls.open(folder)
        changes = run.manifest.changes(manifest)
        if changes:
            more = f"; and {len(changes) - 3} more" if len(changes) > 3 else ""
            raise UsageError(
                f"{folder} cannot be gone on with, since it was started otherwise: {'; '.join(changes[:3])}{more}. "
                "Give it what it was started with, or start another run with --run."
            )
        with _disk(folder):
            run._begin()
            if manifest.judge and not run.manifest.judge:
                run.manifest = manifest
                _write_json(folder / MANIFEST, manifest.to_dict())
        return run

    def append(self, row: Row) -> None:
        """Keep one item; it is on the disk when this returns. Another row of the same id replaces it."""
        if self._items is None:
            raise ValueError(f"{self.folder} was opened to be read")
        line = json.dumps(row.to_dict(), ensure_ascii=False) + "\n"
        with _disk(self.folder):
            self._items.write(line.encode("utf-8", errors="surrogatepass"))
            self._items.flush()
            os.fsync(self._items.fileno())
        self._rows[row.id] = row

    def rows(self) -> tuple[Row, ...]:
        """The items in the order in which they first came."""
        return tuple(self._rows.values())

    def done(self) -> frozenset[str]:
        """Ids that need not be asked again: those with a result. What failed is asked again."""
        return frozenset(row.id for row in self._rows.values() if row.error is None)

    def summary(self) -> Summary:
        """The run in figures, worked out from its items."""
        return summarise(self.rows(), total=self.manifest.total)

    def keep(self, name: str, value: Mapping[str, Any]) -> None:  # Any: JSON
        """Write NAME.json beside the items, for what is no item: "judge", "ablation"."""
        with _disk(self.folder):
            _write_json(self.folder / f"{name}.json", value)

    def kept(self, name: str) -> dict[str, Any]:  # Any: JSON
        """What `keep` wrote under that name; empty when nothing was."""
        path = self.folder / f"{name}.json"
        try:
            return json_value(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as exc:
            raise InputError(f"{path} cannot be read: {exc}.") from exc

    def finish(self) -> Summary:
        """Write summary.json; the summary."""
        summary = self.summary()
        with _disk(self.folder):
            _write_json(self.folder / SUMMARY, summary.to_dict())
        return summary

    def close(self) -> None:
        """End writing; the run can still be read."""
        if self._items is not None:
            self._items.close()
            self._items = None
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _begin(self) -> None:
        """Take the lock, then open the items behind their last whole line."""
        try:
            self._lock.acquire(timeout=0)
        except Timeout as exc:
            raise UsageError(
                f"{self.folder} is being written by another process. Wait until it is done, or name another --run."
            ) from exc
        try:
            self._rows = _read_items(self.folder / ITEMS)
            self._items = (self.folder / ITEMS).open("a+b")
            _cut_torn_line(self._items)
        except BaseException:
            self._lock.release()
            raise


def _read_items(path: Path) -> dict[str, Row]:
    """Rows by id; a torn last line, which a kill leaves, is not one of them."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as exc:
        raise InputError(f"{path} cannot be read: {exc.strerror}.") from exc
    rows: dict[str, Row] = {}
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            row = Row.from_dict(json.loads(line.decode("utf-8", errors="surrogatepass")))
        except (ValueError, TypeError, AttributeError, RecursionError) as exc:
            raise InputError(f"{path}, line {number}: not an item of a run ({exc}).") from exc
        rows[row.id] = row
    return rows


def _cut_torn_line(items: BinaryIO) -> None:
    items.seek(0)
    content = items.read()
    items.truncate(content.rfind(b"\n") + 1)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:  # Any: JSON
    """Write beside it, flush, rename; only the holder of the run's lock writes."""
    scratch = path.with_suffix(".new")
    with scratch.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=2)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turn the operating system's errors about the run's folder into a sentence."""
    try:
        yield
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"The disk under {folder} is full; the items so far are kept. Free some space, then add --resume."
            ) from exc
        raise UsageError(f"{folder} cannot be written ({exc.strerror}). Choose another folder with --run.") from exc
