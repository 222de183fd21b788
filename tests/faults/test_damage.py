"""Files of a library are cut off, changed in one bit, gone, or from a later version: what is shown is right or refused.

Three outcomes are allowed: the same as without damage; one of our sentences; or, where only the choice and order of
passages changed and each of them is true, a finding of `rag-app check`. Anything else is silently wrong.
"""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_app.errors import LibraryDamaged, LibraryTooNew, SettingsError
from rag_app.store import Store
from tests.faults import FULL, times
from tests.faults.sentences import told
from tests.faults.stage import Stage
from tests.faults.watching import Seen, models_loaded_once, watch

FILES = {
    "library.sqlite": "library.sqlite",
    "text index": "spaces/text-*.faiss",
    "image index": "spaces/image-*.faiss",
    "postings": "spaces/words.postings",
}


@pytest.fixture(scope="module", autouse=True)
def loaded() -> Iterator[None]:
    with models_loaded_once():
        yield


@pytest.fixture(scope="module")
def whole(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Seen]:
    """A library with every derived file, and what is seen of it."""
    folder = Path(shutil.copytree(stage.library, tmp_path_factory.mktemp("whole") / "library"))
    with Store.open(folder) as store:
        assert store.fold_words(always=True)
    seen = watch(folder)
    assert seen.error is None and seen.damage == ()
    return folder, seen


@pytest.mark.parametrize("name", FILES)
def test_one_bit_changed(name: str, whole: tuple[Path, Seen], tmp_path: Path) -> None:
    library, goal = whole
    draw = random.Random(None if FULL else 1)
    seen = Counter[str]()
    for _ in range(times(60 if name == "library.sqlite" else 15, 3000)):
        folder = Path(shutil.copytree(library, tmp_path / "changed"))
        path = _the(folder, name)
        content = bytearray(path.read_bytes())
        at = draw.randrange(len(content))
        content[at] ^= 1 << draw.randrange(8)
        path.write_bytes(content)
        seen[_judged(watch(folder), goal, f"{name}, byte {at}")] += 1
        shutil.rmtree(folder)
    print(f"{name}: {dict(seen)}")
    if name != "library.sqlite":
        assert set(seen) == {"same"}, "what is derived is made anew"


@pytest.mark.parametrize("name", FILES)
def test_cut_off(name: str, whole: tuple[Path, Seen], tmp_path: Path) -> None:
    library, goal = whole
    size = _the(library, name).stat().st_size
    draw = random.Random(None if FULL else 2)
    seen = Counter[str]()
    for keep in [0, 1, 100, 4096, size // 2, size - 1, *(draw.randrange(size) for _ in range(times(3, 200)))]:
        folder = Path(shutil.copytree(library, tmp_path / "cut"))
        path = _the(folder, name)
        path.write_bytes(path.read_bytes()[:keep])
        found = watch(folder)
        seen[_judged(found, goal, f"{name}, {keep} of {size} bytes")] += 1
        shutil.rmtree(folder)
    print(f"{name}: {dict(seen)}")
    if name == "library.sqlite":  # its last bytes may be free
        assert seen["refused"] > seen["same"]
    else:
        assert set(seen) == {"same"}, "what is derived is made anew"


@pytest.mark.parametrize("name", [name for name in FILES if name != "library.sqlite"])
def test_a_derived_file_is_gone_or_of_another_library(
    name: str, whole: tuple[Path, Seen], copy: Callable[[str], Path], tmp_path: Path
) -> None:
    library, goal = whole
    gone = Path(shutil.copytree(library, tmp_path / "gone"))
    _the(gone, name).unlink()
    assert watch(gone).results == goal.results
    other = copy("other")
    with Store.open(other) as store:  # the same numbers, another history
        store.remove("made.pdf")
        store.database.connection.execute("UPDATE generations SET token = hex(randomblob(8))")
        store.fold_words(always=True)
    watch(other)
    foreign = Path(shutil.copytree(library, tmp_path / "foreign"))
    if (strange := list(other.glob(FILES[name]))) != []:
        shutil.copyfile(strange[0], _the(foreign, name))
    assert watch(foreign).results == goal.results


def test_what_the_user_sees_of_a_damaged_library(copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    path = folder / "library.sqlite"
    content = path.read_bytes()
    path.unlink()
    told("The library file is gone", watch(folder).error)
    path.write_bytes(b"")
    told("The library file is empty", watch(folder).error)
    path.write_bytes(content[:1000])
    told("The library file is cut off", watch(folder).error)
    path.write_bytes(content[:100] + bytes(len(content) - 100))
    told("The library file is overwritten", watch(folder).error)
    path.write_bytes(content)
    with Store.open(folder) as store:
        store.database.connection.execute("UPDATE nodes SET text = replace(text, 'a', 'b')")
    told("A passage in the library file was changed", watch(folder).error)
    path.write_bytes(content)
    with Store.open(folder) as store:
        store.database.connection.execute("UPDATE nodes SET words = CAST(substr(words, 1, 9) AS BLOB)")
    told("The search terms of a passage were changed", watch(folder).error)
    with Store.open(folder) as store:
        store.repair()
    assert watch(folder).error is None
    with Store.open(folder) as store:
        store.database.connection.execute("PRAGMA user_version = 99")
    error = watch(folder).error
    assert isinstance(error, LibraryTooNew)
    told("The library is from a later rag-app", error)


def test_a_newer_derived_file_is_not_believed(whole: tuple[Path, Seen], tmp_path: Path) -> None:
    library, goal = whole
    folder = Path(shutil.copytree(library, tmp_path / "newer"))
    for path in (_the(folder, "text index"), _the(folder, "postings")):
        content = path.read_bytes()
        path.write_bytes(content.replace(b"RAGSPACE", b"RAGSPAC2").replace(b"RAGWORDS", b"RAGWORD2"))
    assert watch(folder).results == goal.results


def test_the_settings_file(copy: Callable[[str], Path]) -> None:
    folder = copy("library")
    settings = folder / "settings.toml"
    settings.write_text('[models]\nanswer = "builtin"\n', encoding="utf-8")
    assert watch(folder).error is None
    settings.write_text('[models]\nanswer = "buil', encoding="utf-8")
    told("settings.toml is cut off", watch(folder).error)
    settings.write_bytes(b'[models]\nanswer = "buil\xff"\n')
    assert isinstance(watch(folder).error, SettingsError)
    settings.write_text('[model]\nanswer = "builtin"\n', encoding="utf-8")
    told("settings.toml has a changed letter", watch(folder).error)
    settings.write_text("[future]\nkey = 1\n", encoding="utf-8")
    told("settings.toml is from a later rag-app", watch(folder).error)


def _the(folder: Path, name: str) -> Path:
    (found,) = folder.glob(FILES[name])
    return found


def _judged(found: Seen, goal: Seen, where: str) -> str:
    if found.error is not None:
        assert isinstance(found.error, LibraryDamaged), f"{where}: {found.error!r}"
        return "refused"
    if found.results == goal.results:
        return "same"
    assert found.damage, f"{where}: silently wrong"
    true = {_told_by(result) for result in goal.all_hits}
    assert {_told_by(result) for result in found.all_hits} <= true, f"{where}: a passage that is not in the papers"
    return "another choice, found by check"


def _told_by(hit: dict[str, object]) -> str:
    """What a hit says of the paper, without its score."""
    return json.dumps({key: hit[key] for key in ("node_id", "document", "page", "bbox", "text", "label")})
