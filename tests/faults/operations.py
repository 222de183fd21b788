"""The commands that write, what each starts from, and what it ends with when nothing happens to it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import oracle, tracing
from tests.faults.stage import Stage, command, end, run, start


@dataclass(frozen=True, slots=True)
class Operation:
    """A command. again: exit codes of the same command when a stopped one had got that far already."""

    words: Sequence[str]
    settings: str = ""
    again: tuple[int, ...] = (0,)


OPERATIONS = {
    "ingest": Operation(["ingest", "PAPERS"]),
    "remove": Operation(["remove", "clip_fa.pdf"], again=(0, 2)),
    "reembed": Operation(
        ["ingest", "--reembed"], settings='[models]\ntext_embedding = "tiny:embed"\n[ollama]\nhost = "SERVER"\n'
    ),
    "repair": Operation(["repair"]),
    "ask": Operation(["ask", "Which data was used?"]),
    "vacuum": Operation(["vacuum"]),
    "backup": Operation(["backup", "LIBRARY-copy"]),
    "export": Operation(["export", "LIBRARY-copy", "--format", "jsonl"]),
}


@dataclass
class Rehearsal:
    """Runs each operation undisturbed, once. server: the URL of an Ollama server with tiny:embed."""

    stage: Stage
    server: str
    work: Path
    _after: dict[str, oracle.Contents] = field(default_factory=dict)
    _places: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def words(self, name: str, library: Path) -> list[str]:
        named = {"PAPERS": str(self.stage.papers), "LIBRARY-copy": f"{library}-copy"}
        return [named.get(word, word) for word in OPERATIONS[name].words]

    def line(self, name: str, library: Path) -> list[str]:
        return command(self.words(name, library), library)

    def copy(self, name: str, folder: Path) -> Path:
        """The library an operation starts from, in that folder."""
        shutil.copytree(self.stage.library, folder)
        shutil.rmtree(f"{folder}-copy", ignore_errors=True)
        settings = OPERATIONS[name].settings
        if settings:
            (folder / "settings.toml").write_text(settings.replace("SERVER", self.server), encoding="utf-8")
        return folder

    def before(self) -> oracle.Contents:
        return oracle.contents(self.stage.library)

    def after(self, name: str) -> oracle.Contents:
        """What an undisturbed one ends with."""
        if name not in self._after:
            self._run(name)
        return self._after[name]

    def places(self, name: str) -> list[tuple[str, int]]:
        """Where it changes a file: system call, and the how manyth."""
        if name not in self._places:
            self._run(name)
        return self._places[name]

    def assert_ended(self, name: str, library: Path) -> None:
        """The library, and what the operation makes beside it, is as an undisturbed one leaves it."""
        found, goal = oracle.contents(library), self.after(name)
        if name == "ask":  # a stopped one may have kept its answer before it could show it
            assert set(found.answers) == set(goal.answers)
            assert found.documents == goal.documents
        else:
            oracle.assert_same(found, goal)
        if name == "backup":
            oracle.assert_same(oracle.contents(Path(f"{library}-copy")), goal)
        if name == "export":
            imported = Path(f"{library}-imported")
            assert run("import", f"{library}-copy", library=imported).returncode == 0
            oracle.assert_same(oracle.contents(imported), goal)
            shutil.rmtree(imported)

    def _run(self, name: str) -> None:
        folder = self.copy(name, self.work / name)
        log = self.work / f"{name}-log" / "calls"
        log.parent.mkdir()
        line = self.line(name, folder)
        code, _, said = end(start(tracing.traced(line, log) if tracing.missing() is None else line))
        assert code == 0, said
        self._after[name] = oracle.contents(folder)
        touched = tracing.touching(self.work, tracing.calls(log))
        self._places[name] = sorted({(call.name, call.number) for call in touched})
        for made in (folder, log.parent, Path(f"{folder}-copy")):
            shutil.rmtree(made, ignore_errors=True)
