"""Every fault of the protocol server: the right error and sentence, asked again only where it helps, nothing wrong."""

from __future__ import annotations

import pytest

from rag_app.errors import ModelError
from tests.contract.fault_cases import CASES, NOT_MET, Case
from tests.contract.fault_runs import met
from tests.ollama_server import Fault

ids = [case.id for case in CASES]


def test_every_fault_has_a_case() -> None:
    assert {case.fault for case in CASES} | set(NOT_MET) == set(Fault)
    assert len(CASES) == len({case.fault for case in CASES})


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_a_fault_that_stays(case: Case) -> None:
    outcome = met(case)
    assert (outcome.error, outcome.sent if case.way == "write" else case.sent) == (case.error, case.sent)
    if case.error is None:
        return
    assert outcome.sentence
    import re

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
