"""The figures of side_by_side.py as Markdown: each peer's figure with the ratio, and why where a peer is ahead."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OURS = "rag_app"
HEADS = {
    OURS: "rag-app",
    "bm25s": "pymupdf4llm loop, bm25s",
    "llamaindex": "LlamaIndex, pypdf, MiniLM, FAISS",
    "paperqa": "paper-qa, pypdf, MiniLM",
}
Json = Mapping[str, Any]  # Any: JSON
_EVEN = 0.98  # a ratio from here on counts as no worse: below what runs differ by

_TEXT_LAYER = (
    "pypdf takes the text layer alone: no layout, reading order, tables, formulas, figures or captions. Reading "
    "without the layout model, which takes about half of our time, would come near, and lose those."
)
_MARKDOWN_ALONE = "the loop embeds nothing and crops no figures; a smaller embedding model would come near."
_PARTS = (
    "it looks words or vectors up in memory; ours looks both up, follows elements that are named or mentioned, scores "
    "40 candidates in full and reads their nodes from SQLite. Keeping a small library's nodes in memory would close a "
    "part."
)
_COMMITS = (
    "it holds everything in memory and writes once at the end, so that a crash loses all; ours flushes a transaction "
    "for each document. Several documents in a transaction would close a part."
)
_KEPT = (
    "ours keeps a copy of each original, crops of figures and a full-text index. Without the copies it would be "
    "smaller, and a cited page could not be shown once its file is gone."
)
_TWICE = (
    "ours has a full-text index, and each vector in SQLite and in the index file, so that a broken index is made anew. "
    "Vectors of half precision would close a part."
)
_WORKERS = "ours reads in several processes, each with the layout model; `ingest --workers 1` holds one of them."
_STAYS = "it loads no embedding model and no LlamaIndex. A process that stays avoids that: `rag-app serve` is one."
_CLASSES = (
    "it opens files alone; ours loads LlamaIndex's classes, SQLite and FAISS. Importing them later would close a part."
)
# By measure, then by peer, "" for any. What is not listed is said to be unexplained.
REASONS: dict[str, dict[str, str]] = {
    "pages_per_s": {"llamaindex": _TEXT_LAYER, "paperqa": _TEXT_LAYER},
    "cpu_s_per_page": {"llamaindex": _TEXT_LAYER, "paperqa": _TEXT_LAYER, "bm25s": _MARKDOWN_ALONE},
    "ingest_peak_mib": {"": _WORKERS},
    "disk_mib": {"": _KEPT},
    "grown_mib": {"": _TWICE},
    "search_ms": {"": _PARTS},
    "find_ms": {"": _PARTS},
    "build_s": {"": _COMMITS},
    "build_cpu_s": {"": _COMMITS},
    "cold_s": {"bm25s": _STAYS},
    "cold_peak_mib": {"bm25s": _STAYS},
    "search_peak_mib": {"bm25s": _STAYS},
    "open_ms": {"bm25s": _CLASSES},
    "build_peak_mib": {"bm25s": _CLASSES},
    "find_peak_mib": {"bm25s": _CLASSES},
}


_UNKNOWN = "why is not known yet."
_LLAMAINDEX = (
    "ours loads LlamaIndex, too, whose class an embedding is of; loading that only for metrics with one would close it."
)
_JUDGING = {"loading_s": _LLAMAINDEX, "peak_mib": _LLAMAINDEX}


class Table:
    """Lines of one Markdown table over the peers, and the measures in which one of them is ahead."""

    def __init__(self, peers: list[str]) -> None:
        self._peers = peers
        self.lines = [f"| what | {' | '.join(HEADS[peer] for peer in peers)} |", "| --- |" + " --- |" * len(peers)]
        self.behind: dict[tuple[str, str], list[str]] = {}

    def row(
        self, label: str, measure: str, values: Mapping[str, float | None], *, more_is_better: bool = False
    ) -> None:
        """A line; `values` by peer, None for one that has none. The ratio is above 1 where ours is better."""
        own = values.get(OURS)
        cells = []
        for peer in self._peers:
            value = values.get(peer)
            if value is None:
                cells.append("none")
                continue
            cells.append(_number(value))
            if peer == OURS or own is None:
                continue
            ratio = _ratio(own, value, more_is_better=more_is_better)
            if ratio is not None:
                cells[-1] += f" ({_number(ratio)})"
                if ratio < _EVEN:
                    self.behind.setdefault((measure, peer), []).append(label)
        self.lines.append(f"| {label} | {' | '.join(cells)} |")


def markdown(report: Json) -> str:
    """The whole page."""
    machine = report["machine"]
    parts = [
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Python {machine['python']}; load "
        f"{machine['load']:.1f} at the start, {report['load_at_the_end']:.1f} at the end. Medians of {report['runs']} "
        "runs. In brackets: how many times better ours is; below 1 the other is ahead."
    ]
    if "papers" in report:
        parts += _papers(report["papers"])
    if "growth" in report:
        parts += _growth(report["growth"])
    for one in report.get("evaluation", []):
        parts += _evaluation(one)
    if "pictures" in report:
        parts += _pictures(report["pictures"])
    return "\n\n".join(parts) + "\n"


def _papers(found: Json) -> list[str]:
    peers = found["peers"]
    table = Table(list(peers))
    for measure, label, more in (
        ("pages_per_s", "reading in, pages a second", True),
        ("cpu_s_per_page", "reading in, processor seconds a page", False),
        ("ingest_peak_mib", "reading in, peak memory, MiB", False),
        ("disk_mib", "on disk, MiB", False),
        ("search_ms", "a question, ms (median, warm)", False),
        ("search_peak_mib", "asking, peak memory, MiB", False),
    ):
        table.row(label, measure, {peer: one.get(measure) for peer, one in peers.items()}, more_is_better=more)
    for measure, label in (("cold_s", "cold start to passages, s"), ("cold_peak_mib", "the same, peak memory, MiB")):
        table.row(label, measure, found[measure])
    whole = found["cold_s"].get(f"{OURS}, whole answer")
    for language, one in peers[OURS].get("quality", {}).items():
        for measure in ("hit@1", "hit@5", "mrr@10"):
            label = f"{measure}, {one['questions']} questions, {language}"
            values = {peer: said.get("quality", {}).get(language, {}).get(measure) for peer, said in peers.items()}
            table.row(label, measure, values, more_is_better=True)
    what = (
        f"{found['files']} papers, {found['pages']} pages, {found['questions']} questions; {found['left_out']} files "
        "left out."
    )
    return [
        f"## The same papers and questions\n\n{what} `rag-app ask`, cold, to the whole checked answer: {whole:.2f} s.",
        "\n".join(table.lines),
        *_reasons(table),
        *_failures(peers),
        _versions(peers),
    ]


def _growth(rows: list[Json]) -> list[str]:
    measures = (
        ("build_s", "building, s", False),
        ("build_peak_mib", "building, peak memory, MiB", False),
        ("grown_mib", "on disk, MiB", False),
        ("open_ms", "opening, imports included, ms", False),
        ("find_ms", "a question, ms (median, warm)", False),
        ("find_peak_mib", "asking, peak memory, MiB", False),
        ("own_passage", "questions whose own passage is among ten", True),
    )
    table = Table(list(rows[0]["peers"]))
    for measure, label, more in measures:
        for row in rows:
            values = {peer: one.get(measure) for peer, one in row["peers"].items()}
            table.row(f"{label}, {row['documents']:,} documents", measure, values, more_is_better=more)
    failures = {f"{HEADS[peer]}, {row['documents']:,}": one for row in rows for peer, one in row["peers"].items()}
    return [
        "## Growth\n\nGiven texts of one passage and their vectors; nothing is embedded. One run of each.",
        "\n".join(table.lines),
        *_reasons(table),
        *_failures(failures),
    ]


def _evaluation(found: Json) -> list[str]:
    bare, ours = found["medians"]["bare"], found["medians"]["ours"]
    lines = ["| what | eval.judging | bare Ragas | ratio |", "| --- | --- | --- | --- |"]
    labels = {"wall_s": "judging, s", "cpu_s": "processor seconds", "loading_s": "loading, s"}
    labels["peak_mib"] = "peak memory, MiB"
    behind = []
    for measure, label in labels.items():
        ratio = bare[measure] / ours[measure]
        lines.append(f"| {label} | {_number(ours[measure])} | {_number(bare[measure])} | {ratio:.2f} |")
        if ratio < _EVEN:
            behind.append(f"- Bare Ragas is ahead in {label}: {_JUDGING.get(measure, _UNKNOWN)}")
    what = (
        f"{found['rows']} rows, {len(found['metrics'])} metrics, {found['parallel']} rows at a time, a judge that "
        f"takes {found['latency_s']} s for a reply; {found['scores_that_differ']} of {found['scores']} scores differ."
    )
    head = f"## Evaluation beside bare Ragas\n\n{what}"
    return [head, "\n".join(lines), *(["\n".join(behind)] if behind else [])]


def _pictures(found: Json) -> list[str]:
    lines = ["| what | pictures a second | ours is so many times faster |", "| --- | --- | --- |"]
    own = found["pictures_per_s"]["ours"]
    lines += [f"| {name} | {_number(rate)} | {own / rate:.2f} |" for name, rate in found["pictures_per_s"].items()]
    return [f"## CLIP encoding\n\n{found['pictures']} pictures; {found['machine']}.", "\n".join(lines)]


def _reasons(table: Table) -> list[str]:
    """A line for each measure and reason, with the peers that are ahead by it."""
    ahead: dict[tuple[str, str], list[str]] = {}
    for (measure, peer), labels in table.behind.items():
        known = REASONS.get(measure, {})
        why = known.get(peer) or known.get("") or _UNKNOWN
        ahead.setdefault((measure, why), []).append(f"{HEADS[peer]} ({'; '.join(labels)})")
    lines = [f"- Ahead of ours: {'; '.join(names)}: {why}" for (_, why), names in ahead.items()]
    return ["\n".join(lines)] if lines else []


def _failures(peers: Json) -> list[str]:
    lines = [f"- {HEADS.get(name, name)}: {one['failed']}" for name, one in peers.items() if "failed" in one]
    return ["\n".join(lines)] if lines else []


def _versions(peers: Json) -> str:
    told = (
        f"{HEADS[peer]}: " + ", ".join(f"{name} {value}" for name, value in one["versions"].items())
        for peer, one in peers.items()
        if "versions" in one
    )
    return "Versions. " + "; ".join(told) + "."


def _ratio(own: float, other: float, *, more_is_better: bool) -> float | None:
    above, below = (own, other) if more_is_better else (other, own)
    return above / below if below else None


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
