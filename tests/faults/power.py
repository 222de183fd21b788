"""A model of a disk that loses its power: what may be on it afterwards, from what a process really did.

What was flushed is there: the content of a file by fsync of the file, its name by fsync of its folder. Of what was not,
any part may be: a write may be there, be missing, be cut at a sector of 512 bytes, or have only made the file longer; a
name may be there without content, content without name. A rename is there whole or not at all, as on every file system
with a journal. (Pillai et al. 2014, "All File Systems Are Not Created Equal", is where the model is from.)
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from tests.faults.tracing import Call, plain

_SECTOR = 512
_HANDLE = re.compile(r"^(?:AT_FDCWD|-?\d+)<((?:\\x[0-9a-f]{2})*)>")
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes put at a place of a file; `data` None cuts the file there, or makes it so long."""

    at: int
    data: bytes | None


@dataclass(slots=True)
class File:
    """flushed: what is surely there. pending: what was done since, in order."""

    flushed: bytearray = field(default_factory=bytearray)
    pending: list[Write] = field(default_factory=list)

    def flush(self) -> None:
        self.flushed = bytearray(self.content(lambda write: write))
        self.pending = []

    def content(self, kept: Callable[[Write], Write | None]) -> bytes:
        """With what `kept` leaves of each pending write."""
        found = bytearray(self.flushed)
        for write in self.pending:
            left = kept(write)
            if left is not None:
                _apply(found, left)
        return bytes(found)


@dataclass(frozen=True, slots=True)
class Change:
    """A name that came (`file` is what it names, None a folder) or went; one rename does both."""

    new: PurePosixPath | None
    file: File | None
    old: PurePosixPath | None

    @property
    def folders(self) -> set[PurePosixPath]:
        return {path.parent for path in (self.new, self.old) if path is not None}


Names = dict[PurePosixPath, File | None]  # None: a folder


class Disk:
    """The files below `root` as a process sees them, and as they are after a power cut."""

    def __init__(self, root: Path) -> None:
        self.root = PurePosixPath(root.resolve())
        self._now: Names = {}
        self._flushed: Names = {}
        self._pending: list[Change] = []
        self._offsets: dict[PurePosixPath, int] = {}

    def do(self, call: Call) -> None:
        """Take in a system call that succeeded."""
        texts = [bytes.fromhex(found.replace("\\x", "")) for found in _STRING.findall(call.arguments)]
        handle = _HANDLE.match(call.arguments)
        at = PurePosixPath(plain(handle[1])) if handle else None
        match call.name:
            case "openat":
                self._open(self._path(call, texts[0]), call.arguments)
            case "mkdir" | "mkdirat":
                self._change(Change(self._path(call, texts[0]), None, None))
            case "rename" | "renameat" | "renameat2":
                old, new = (PurePosixPath(text.decode()) for text in texts)
                if old in self._now:
                    self._change(Change(new, self._now[old], old))
            case "unlink" | "unlinkat" | "rmdir":
                path = self._path(call, texts[0])
                if path in self._now:
                    self._change(Change(None, None, path))
            case "link" | "linkat" | "sendfile" | "copy_file_range" | "writev" | "pwritev" | "fallocate" | "truncate":
                assert not self._below(at) and not any(
                    self._below(PurePosixPath(plain(call.arguments))) for _ in "1"
                ), f"{call.name} is not in the model"
            case _ if at is None or not (self._below(at) or at == self.root):
                return
            case "write":
                offset = self._offsets.get(at, 0)
                self._write(at, Write(offset, texts[0][: call.result]))
                self._offsets[at] = offset + call.result
            case "pwrite64":
                self._write(at, Write(int(call.arguments.rsplit(", ", 1)[1]), texts[0][: call.result]))
            case "ftruncate":
                self._write(at, Write(int(call.arguments.rsplit(", ", 1)[1]), None))
            case "fsync" | "fdatasync":
                self._flush(at)
            case _:
                raise AssertionError(f"{call.name} is not in the model")

    def after_a_cut(self, draw: random.Random, way: str) -> Iterator[tuple[PurePosixPath, bytes | None]]:
        """The files (None: a folder) that are there when power is lost now, parents first.

        way: "flushed" only what was; "names" all names, no content; "lengths" all names, zeros for content; "contents"
        all content, no names; "all"; "some" any of it.
        """
        names = dict(self._flushed)
        for change in self._pending:
            if way in ("names", "lengths", "all") or (way == "some" and draw.random() < 0.5):
                _rename(names, change)
        for path in sorted(names):
            if self.root not in (path, path.parent) and path.parent not in names:
                continue
            file = names[path]
            if file is None:
                yield path, None
            else:
                yield path, file.content(lambda write: _left(write, draw, way))

    def _open(self, path: PurePosixPath, arguments: str) -> None:
        if not self._below(path):
            return
        self._offsets[path] = 0
        if path not in self._now and "O_CREAT" in arguments:
            self._change(Change(path, File(), None))
        elif "O_TRUNC" in arguments:
            self._write(path, Write(0, None))

    def _change(self, change: Change) -> None:
        if not any(self._below(path) for path in (change.new, change.old) if path is not None):
            return
        _rename(self._now, change)
        self._pending.append(change)

    def _write(self, path: PurePosixPath, write: Write) -> None:
        file = self._now.get(path)
        if file is not None:  # else it has lost its name already
            file.pending.append(write)

    def _flush(self, path: PurePosixPath) -> None:
        file = self._now.get(path)
        if file is not None:
            file.flush()
            return
        for change in self._pending:
            if path in change.folders:
                _rename(self._flushed, change)
        self._pending = [change for change in self._pending if path not in change.folders]

    def _path(self, call: Call, text: bytes) -> PurePosixPath:
        handle = _HANDLE.match(call.arguments)
        base = PurePosixPath(plain(handle[1])) if handle else PurePosixPath()
        return base / text.decode()

    def _below(self, path: PurePosixPath | None) -> bool:
        return path is not None and self.root in path.parents


def put(image: Sequence[tuple[PurePosixPath, bytes | None]], root: Path, folder: Path) -> None:
    """Write what `after_a_cut` gave for a disk with that root into a folder."""
    for path, content in image:
        target = folder / path.relative_to(PurePosixPath(root.resolve()))
        if content is None:
            target.mkdir(parents=True, exist_ok=True)
        elif target.parent.is_dir():
            target.write_bytes(content)


def _rename(names: Names, change: Change) -> None:
    if change.old is not None:
        if change.old not in names and change.new is not None:
            return  # the file under its old name never reached the disk
        names.pop(change.old, None)
    if change.new is not None:
        names[change.new] = change.file


def _left(write: Write, draw: random.Random, way: str) -> Write | None:
    """What is left of a write that was not flushed."""
    if way in ("contents", "all"):
        return write
    if way in ("flushed", "names"):
        return None
    end = write.at + len(write.data or b"")
    luck = draw.random()
    if way == "lengths" or (luck < 0.1 and write.data is not None):
        return Write(end, b"") if write.data is not None else None
    if luck < 0.5:
        return write
    if luck < 0.65 and write.data is not None:
        return Write(write.at, write.data[: draw.randrange(len(write.data) + 1) // _SECTOR * _SECTOR])
    return None


def _apply(content: bytearray, write: Write) -> None:
    if write.data is None:
        del content[write.at :]
        content.extend(bytes(write.at - len(content)))
        return
    end = write.at + len(write.data)
    content.extend(bytes(max(0, end - len(content))))
    content[write.at : end] = write.data
