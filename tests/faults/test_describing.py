"""kill -9 of real `rag-app describe` processes at random moments: nothing is lost, and one question is asked twice."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from tests.described_library import make_library
from tests.faults import oracle, times
from tests.faults.describing import MODEL, describe, kill_once
from tests.ollama_server import Model, OllamaServer


def test_killed_at_random_moments(tmp_path: Path) -> None:
    figures, latency_s = times(6, 60), 0.05
    with OllamaServer([Model(MODEL, {"completion", "vision"}, latency_s=latency_s)]) as server:
        library = tmp_path / "library"
        make_library(library, papers=2, figures=figures // 2).close()
        (library / "settings.toml").write_text(f'[ollama]\nhost = "{server.url}"\n', encoding="utf-8")
        undisturbed = Path(shutil.copytree(library, tmp_path / "undisturbed"))
        assert describe(undisturbed).wait() == 0
        goal = oracle.contents(undisturbed, made=True)
        seed = random.randrange(10**6)
        print(f"seed {seed}")
        draw = random.Random(seed)
        places = []
        for number in range(times(1, 25)):
            folder = Path(shutil.copytree(library, tmp_path / f"killed{number}"))
            then_s = draw.uniform(0, 2 * latency_s)
            places.append(kill_once(folder, server, goal, after=draw.randrange(figures), then_s=then_s))
            shutil.rmtree(folder)
        print(f"described when killed, asked twice: {places}")
