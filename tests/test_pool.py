"""The worker pool: results come, whatever the work does to its process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from ingestion.limits import Limits
from ingestion.pool import WorkerPool
from rag_app.errors import EncryptedPdf, ParserCrashed, ParsingError, ParsingMemory, ParsingTimeout
from tests import pool_tasks


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def wait_until_gone(pids: list[int], seconds: float = 10) -> list[int]:
    """Those still running after that time; zombies count as gone."""

    def alive(pid: int) -> bool:
        try:
            return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    end = time.monotonic() + seconds
    while (left := [pid for pid in pids if alive(pid)]) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def test_items_come_in_order_and_prints_do_not_disturb_them():
    with WorkerPool(2) as pool:
        futures = [pool.submit(pool_tasks.count, n) for n in (3, 0, 5)]
        assert [future.result().items for future in futures] == [[0, 1, 2], [], [0, 1, 2, 3, 4]]


def test_no_process_before_the_first_call_and_none_after():
    with WorkerPool(2) as pool:
        assert children() == []
        pool.submit(pool_tasks.count, 1).result()
        assert len(children()) == 1, "one call needs one worker"
    assert children() == []


@pytest.mark.parametrize(
    ("task", "args", "items", "error", "said"),
    [
        (pool_tasks.exit_after, (2,), [0, 1], ParserCrashed, "code 3"),
        (pool_tasks.segfault, (), [0], ParserCrashed, "code -11"),
        (pool_tasks.sleep, (), [0], ParsingTimeout, "more than 1.5 seconds"),
        (pool_tasks.eat, (50 << 20,), [], ParsingMemory, "memory"),
        (pool_tasks.divide, (), [1.0], ParsingError, "ZeroDivisionError: division by zero"),
        (pool_tasks.refuse, (), [], EncryptedPdf, "it has a password"),
    ],
)
def test_a_call_that_fails_keeps_its_items_and_the_next_one_works(task, args, items, error, said):
    patience_s = 1.5 if error is ParsingTimeout else 60  # a busy machine must not turn another failure into this one
    with WorkerPool(1, limits=Limits(page_wall_s=patience_s, memory_bytes=1 << 30)) as pool:
        failing, next_one = pool.submit(task, *args), pool.submit(pool_tasks.count, 2)
        outcome = failing.result(timeout=60)
        assert outcome.items == items
        assert type(outcome.error) is error
        assert said in str(outcome.error)
        assert next_one.result(timeout=60).items == [0, 1]


def test_processor_time_has_a_limit_of_its_own():
    with WorkerPool(1, limits=Limits(page_cpu_s=1)) as pool:
        outcome = pool.submit(pool_tasks.spin).result(timeout=60)
    assert isinstance(outcome.error, ParsingTimeout)
    assert "1 seconds of processor time" in str(outcome.error)


def test_one_allocation_too_large_is_refused_by_the_system():
    with WorkerPool(1, limits=Limits(memory_bytes=1 << 30)) as pool:
        outcome = pool.submit(pool_tasks.eat, 4 << 30).result(timeout=60)
    assert isinstance(outcome.error, ParsingMemory)
    assert "more memory than one worker may use" in str(outcome.error)


def test_memory_that_grows_is_seen_by_the_parent():
    with WorkerPool(1, limits=Limits(memory_bytes=1 << 30)) as pool:
        outcome = pool.submit(pool_tasks.eat, 10 << 20).result(timeout=60)
    assert "more than 1 GiB" in str(outcome.error)


def test_large_items_pass():
    with WorkerPool(1) as pool:
        assert len(pool.submit(pool_tasks.large, 40).result(timeout=60).items[0]) == 40 << 20


def test_a_fresh_call_gets_a_process_of_its_own():
    with WorkerPool(1) as pool:
        first, same, other = (pool.submit(pool_tasks.pid, fresh=fresh).result().items for fresh in (False, False, True))
    assert first == same != other


def test_workers_are_replaced_after_so_many_pages():
    with WorkerPool(1, limits=Limits(worker_pages=2)) as pool:
        pids = [pool.submit(pool_tasks.pid).result().items[0] for _ in range(5)]
    assert len(set(pids)) == 3


def test_close_kills_what_runs_and_cancels_what_waits(tmp_path: Path):
    pool = WorkerPool(1)
    pool.submit(pool_tasks.touch_and_sleep, tmp_path)
    waiting = pool.submit(pool_tasks.count, 1)
    while not list(tmp_path.iterdir()):
        time.sleep(0.02)
    pool.close()
    assert children() == []
    with pytest.raises(CancelledError):
        waiting.result(timeout=1)
    with pytest.raises(RuntimeError, match="closed"):
        pool.submit(pool_tasks.count, 1)


def test_arguments_that_cannot_be_sent_fail_where_they_are_given():
    with WorkerPool(1) as pool, pytest.raises((TypeError, AttributeError)):
        pool.submit(pool_tasks.count, (i for i in range(3)))


def test_a_worker_does_not_load_the_frameworks():
    with WorkerPool(1) as pool:
        loaded = pool.submit(pool_tasks.modules).result().items[0]
    assert not {"llama_index", "torch", "transformers", "faiss"} & {name.split(".")[0] for name in loaded}


SCRIPT = """
import sys
from pathlib import Path
from ingestion.pool import WorkerPool
from tests import pool_tasks
print(open(sys.argv[0]).name if sys.argv[0] not in ("-", "") else "stdin", "runs", flush=True)
pool = WorkerPool(2)
print(pool.submit(pool_tasks.count, 2).result().items, flush=True)
if len(sys.argv) > 1:
    futures = [pool.submit(pool_tasks.touch_and_sleep, Path(sys.argv[1])) for _ in range(2)]
    futures[0].result()
pool.close()
"""


@pytest.mark.parametrize("from_stdin", [False, True])
def test_a_script_without_a_main_guard_runs_once(tmp_path: Path, from_stdin: bool):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-" if from_stdin else str(script)]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = subprocess.run(
        command, input=SCRIPT, capture_output=True, text=True, timeout=60, check=True, env=environment
    )
    assert done.stdout.count("runs") == 1
    assert "[0, 1]" in done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_workers_end_with_their_parent(tmp_path: Path, how: signal.Signals):
    script, seen = tmp_path / "script.py", tmp_path / "seen"
    script.write_text(SCRIPT)
    seen.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with subprocess.Popen(
        [sys.executable, script, seen], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    ) as parent:
        end = time.monotonic() + 60
        while len(list(seen.iterdir())) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        workers = [int(file.name) for file in seen.iterdir()]
        assert len(workers) == 2
        parent.send_signal(how)
        parent.wait(timeout=30)
    assert wait_until_gone(workers) == []
