"""Looking at the processes of a Ray cluster while they work, and killing them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import psutil

BUSY = "ray::on_node"  # how Ray names a worker process while it runs one of our calls


def busy() -> list[psutil.Process]:
    """The processes below this one that run a call now."""
    found: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.name() == BUSY:
                found.append(process)
    return found


def kill_a_busy_one(choose: Callable[[psutil.Process], bool] = lambda _: True) -> bool:
    """Kill a worker in the middle of its call; False when none is at one."""
    for process in busy():
        with contextlib.suppress(psutil.NoSuchProcess):
            process.suspend()  # so that it is at work still when it is killed
            if process.name() == BUSY and choose(process):
                os.kill(process.pid, signal.SIGKILL)
                return True
            process.resume()
    return False


@contextlib.contextmanager
def meanwhile(act: Callable[[], bool], *, after_s: float = 0.0) -> Iterator[list[bool]]:
    """Try `act` again and again beside the block, from `after_s` on, until it gives True; the list then holds that."""
    did: list[bool] = []
    over = threading.Event()

    def run() -> None:
        over.wait(after_s)
        while not over.wait(0.02):
            if act():
                did.append(True)
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield did
    finally:
        over.set()
        thread.join()


def left_of(processes: list[psutil.Process], *, after_s: float = 40.0) -> list[str]:
    """The names of those that are still there after that time; [] as soon as none is."""
    end = time.monotonic() + after_s
    left = processes
    while left and time.monotonic() < end:
        left = [process for process in left if _alive(process)]
        time.sleep(0.1)
    return [" ".join(process.cmdline())[:200] for process in left]


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
