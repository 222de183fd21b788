"""Every fault of the protocol server: the right error and sentence, asked again only where it helps, nothing wrong."""

from __future__ import annotations

import math
import re
import runpy

import pytest

from adapters.names import load_model, parse_model_name
from rag_app.errors import ModelError
from tests.conftest import ROOT
from tests.contract.fault_cases import CASES, NOT_MET, Case
from tests.contract.fault_runs import fresh_server, met, settings_for
from tests.contract.fault_storing import prepare, stored
from tests.contract.pictures import picture
from tests.ollama_server import Fault


@pytest.fixture(scope="module", autouse=True)
def all_at_once(request: pytest.FixtureRequest) -> None:
    """When most of this file runs, the faults are met side by side."""
    if sum(item.module is request.module for item in request.session.items if isinstance(item, pytest.Function)) > 50:
        prepare()


ids = [case.id for case in CASES]


def test_every_fault_has_a_case() -> None:
    assert {case.fault for case in CASES} | set(NOT_MET) == set(Fault)
    assert len(CASES) == len({case.fault for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_fault_that_stays(case: Case) -> None:
    outcome = met(case)
    assert (outcome.error, outcome.sent) == (case.error, case.sent)
    if case.error is None:
        return
    assert outcome.sentence
    assert re.search(case.says, outcome.sentence), outcome.sentence
    assert "\n" not in outcome.sentence
    assert "Traceback" not in outcome.sentence
    assert len(outcome.sentence) < 500


@pytest.mark.parametrize("case", [case for case in CASES if case.once], ids=lambda case: case.id)
def test_a_fault_that_happens_once_is_overcome(case: Case) -> None:
    outcome = met(case, times=1)
    assert (outcome.error, outcome.sent) == (None, 2)


@pytest.mark.parametrize("case", [case for case in CASES if case.once and case.error], ids=lambda case: case.id)
def test_what_asking_again_overcomes_says_so(case: Case) -> None:
    assert case.error is not None
    assert issubclass(case.error, ModelError)
    assert case.error.again


@pytest.mark.parametrize("case", [case for case in CASES if case.way == "write"], ids=lambda case: case.id)
def test_what_a_library_holds_after_a_fault(case: Case) -> None:
    """Nothing wrong is stored, the other figure goes on, and asking again brings what was missing."""
    kept = stored(case)
    if case.error is None:
        assert (kept.states, kept.nodes, kept.error) == (("done", "done"), (True, True), "")
    elif issubclass(case.error, ModelError):
        assert (kept.states, kept.nodes) == (("failed", "done"), (False, True))
        assert kept.error == case.error.__name__
        assert re.search(case.says, kept.sentence), kept.sentence
    else:  # nothing that this model will ever do
        assert kept.states == (("pending", "pending") if case.sent else ())
        assert not any(kept.nodes)
        assert re.search(case.says, kept.sentence), kept.sentence
    assert kept.after == ("done", "done")


@pytest.mark.parametrize("case", [case for case in CASES if case.way == "embed"], ids=lambda case: case.id)
def test_no_paper_is_taken_in_with_wrong_vectors(case: Case) -> None:
    kept = stored(case)
    assert kept.papers == ((0, 1) if case.error else (1, 1))
    if case.error:
        assert kept.error == case.error.__name__
        assert re.search(case.says, kept.sentence), kept.sentence


def test_the_table_in_the_docs_is_current() -> None:
    built = runpy.run_path(str(ROOT / "docs" / "build_faults.py"))
    text = (ROOT / "docs" / "ollama.md").read_text(encoding="utf-8")
    assert built["page"](text) == text, "run: make docs"


@pytest.mark.parametrize(
    "fault", [Fault.NOT_FOUND_PLAIN, Fault.HTML_502, Fault.HTML_200, Fault.FORBIDDEN_EMPTY, Fault.CLOSED]
)
def test_a_fault_at_the_first_contact_is_told_before_any_work(fault: Fault) -> None:
    case = next(case for case in CASES if case.fault is fault)
    assert case.error is not None
    with fresh_server() as server:
        server.fail(fault, times=math.inf)
        model = load_model("vision", parse_model_name("ollama:tinyvlm"), settings_for(server))
        for do in (model.check, lambda: model.ask("What is this?", images=[picture()])):
            with pytest.raises(case.error, match=case.says):
                do()
        assert not server.writing()
