"""Parts of `rag-app serve` alone: names of files that are sent, the queue of work, models that are swapped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.files import PDF_SUFFIXES, PICTURE_SUFFIXES
from rag_app import Library
from rag_app.errors import CorruptPdf, NotAPaper, UsageError
from rag_app.serve.forms import plain_name
from rag_app.serve.gate import Keys, same
from rag_app.serve.session import Session, check_question
from rag_app.serve.words import PAGE_WORDS
from rag_app.serve.work import Job, Jobs, Progress


@given(st.text(), st.sampled_from(sorted(PDF_SUFFIXES | PICTURE_SUFFIXES)), st.booleans())
def test_a_sent_name_is_always_one_plain_name(sent: str, suffix: str, upper: bool) -> None:
    """Whatever is sent: one file name that can be made, without folders, hidden nowhere, its suffix kept."""
    try:
        name = plain_name(sent + (suffix.upper() if upper else suffix))
    except NotAPaper:
        return
    assert name == Path(name).name and not name.startswith(".") and Path(name).suffix.lower() == suffix
    assert not any(c in name for c in "/\\\0\n\r\x1b\u202e") and len(name.encode()) <= 255


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("a.pdf", "a.pdf"),
        ("../../a.pdf", "a.pdf"),
        ("C:\\x\\a b.PDF", "a b.PDF"),
        ("مقاله‌ها.pdf", "مقاله‌ها.pdf"),
        ("...a.pdf", "a.pdf"),
        ("a\u202egpj.pdf", "agpj.pdf"),
        (f"{'ب' * 300}.pdf", f"{'ب' * 88}.pdf"),
    ],
)
def test_names_as_they_are_kept(sent: str, kept: str) -> None:
    assert plain_name(sent) == kept


@pytest.mark.parametrize("sent", ["", ".", "..", "/", "a", ".pdf", "a.pdf.exe", "a.pdf/", "\x00.pdf", "a.pdf\x00.sh"])
def test_names_that_are_refused(sent: str) -> None:
    with pytest.raises(NotAPaper):
        plain_name(sent)


def over(job: Job, within_s: float = 5) -> Job:
    until = time.monotonic() + within_s
    while not job.over:
        assert time.monotonic() < until
        time.sleep(0.01)
    return job


def test_work_is_done_in_order_and_one_failure_stops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    jobs, done = Jobs(), list[str]()

    def good(job: Job, progress: Progress) -> None:
        progress(1, 2)
        done.append(job.name)

    def bad(job: Job, progress: Progress) -> None:
        raise CorruptPdf("x.pdf is damaged.")

    def broken(job: Job, progress: Progress) -> None:
        raise RuntimeError("a defect")

    first, failed, defect, last = (jobs.add(str(n), "pages", work) for n, work in enumerate((good, bad, broken, good)))
    over(last)
    assert done == ["0", "3"] and first.state == last.state == "done" and (first.done, first.total) == (1, 2)
    assert (failed.state, failed.problems) == ("failed", ["x.pdf is damaged."])
    assert defect.state == "failed" and "RuntimeError: a defect" in defect.problems[0]
    assert "RuntimeError" in capsys.readouterr().err, "a defect is shown where it can be found"
    assert [job.name for job in jobs.all()] == ["3", "2", "1", "0"]
    assert jobs.stop()


def test_work_is_left_at_its_next_step_when_the_page_ends() -> None:
    jobs, going = Jobs(), threading.Event()

    def endless(job: Job, progress: Progress) -> None:
        for n in range(10_000):
            progress(n, 10_000)
            going.set()
            time.sleep(0.01)

    job, waiting = jobs.add("endless", "pages", endless), jobs.add("waiting", "pages", endless)
    going.wait(5)
    assert jobs.stop(wait_s=5)
    assert job.state == "stopped" and waiting.state == "waiting"


def test_work_that_hangs_does_not_keep_the_program() -> None:
    jobs, released = Jobs(), threading.Event()
    jobs.add("hangs", "captions", lambda job, progress: released.wait(30) and None)
    time.sleep(0.05)
    began = time.monotonic()
    assert not jobs.stop(wait_s=0.2) and time.monotonic() - began < 2
    released.set()


def test_old_work_is_forgotten() -> None:
    jobs = Jobs()
    for n in range(60):
        over(jobs.add(str(n), "pages", lambda job, progress: None))
    assert len(jobs.all()) <= 21 and jobs.all()[0].name == "59"
    assert jobs.stop()


@pytest.fixture
def session(sample_library: Path) -> Iterator[Session]:
    with Library.open(sample_library, create=False, read_only=True) as library:
        made = Session(library, Keys(1))
        yield made
        assert made.jobs.stop()


def test_only_models_that_exist_are_used(session: Session) -> None:
    assert session.use("answer", " builtin ") == "builtin"
    assert session.use("vision", "builtin") == "builtin"
    for role, name in (("answer", ""), ("answer", "bultin"), ("image_embedding", "builtin"), ("", "builtin")):
        with pytest.raises(UsageError):
            session.use(role, name)
    assert session.library.settings.models.answer == "builtin"


def test_questions_have_a_length() -> None:
    check_question("Why?")
    for question in ("", "x" * 8001):
        with pytest.raises(UsageError):
            check_question(question)


def test_secrets_are_new_each_time_and_compared_whole() -> None:
    first, second = Keys(1), Keys(1)
    assert len({first.token, first.cookie, first.form, second.token, second.cookie, second.form}) == 6
    assert same(first.token, first.token) and not same(first.token[:-1], first.token) and not same("\udcff", "x")


def test_both_languages_have_every_word() -> None:
    """A word that is missing in Persian would be the English one."""
    import dataclasses

    english, persian = PAGE_WORDS["en"], PAGE_WORDS["fa"]
    for one in dataclasses.fields(english):
        ours, theirs = getattr(english, one.name), getattr(persian, one.name)
        assert ours != theirs, one.name
        if isinstance(ours, str):
            assert sorted(part for part in ("{n}", "{of}", "{name}", "{pages}") if part in ours) == sorted(
                part for part in ("{n}", "{of}", "{name}", "{pages}") if part in theirs
            ), one.name
        elif isinstance(ours, dict):
            assert ours.keys() == theirs.keys(), one.name
