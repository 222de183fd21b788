"""/papers, /why, /history and /stats: what there is and what was done."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rag_app.errors import UsageError
from rag_app.render.rtl import is_right_to_left, visual_line
from rag_app.render.terminal import printable, shorten
from rag_app.repl.chat import Chat
from rag_app.repl.words import citation_of, none_of

if TYPE_CHECKING:
    from rag_app.answering.turns import Turn
    from rag_app.retrieval.passages import Found, Hit

_TEXT = 140  # characters of a passage shown


def papers(chat: Chat, words: Sequence[str]) -> None:
    """List the papers: name, pages, title."""
    none_of(words, "papers")
    found = chat.library.documents()
    if not found:
        chat.say("The library is empty. Add papers: /add PATH")
        return
    lines = []
    for paper in found:
        line = f"{paper.name} · {_many(paper.pages, 'page')}"
        title = paper.title if paper.title and paper.title != paper.name else ""
        # A title has a direction of its own, whatever stands before it.
        lines.append(" · ".join(filter(None, (_line(chat, line), _line(chat, title)))))
    chat.say("\n".join(lines))


def why(chat: Chat, words: Sequence[str]) -> None:
    """What the search for the last answer found, kept and dropped, with scores; or the same for one citation."""
    turn = chat.turn()
    if turn.picture is not None:
        raise UsageError(f"{turn.picture} was shown to {turn.answer.models['vision']}; nothing was searched for.")
    found = chat.retriever_for(turn.scope).find(turn.answer.question)
    cited: dict[str, list[int]] = {}
    for one in turn.answer.citations:
        cited.setdefault(one.node_id, []).append(one.n)
    if words:
        citation = citation_of(turn, words, "why")
        hits = [hit for hit in (*found.hits, *found.dropped) if hit.stored.node_id == citation.node_id]
        evidence = next((one for one in turn.answer.evidence if one.node_id == citation.node_id), None)
        lines = [line for hit in hits for line in _hit(chat, hit, cited)]
        if not hits and evidence is not None:
            lines = [
                f"[{citation.n}] {printable(citation.document)}, page {citation.page}: score {evidence.score:.3f}, "
                f"by {', '.join(evidence.found_by)}: it stands beside a passage that was found."
            ]
        if not lines:
            raise UsageError(f"Passage [{citation.n}] is no longer found: its paper changed. Ask the question again.")
        quote = shorten(printable(citation.quote), 400)
        chat.say("\n".join([*lines, *chat.screen.paragraph(f"“{quote}”", indent="    ")]))
        return
    chat.say("\n".join([*_summary(chat, turn, found), *_listed(chat, found, cited)]))


def _summary(chat: Chat, turn: Turn, found: Found) -> list[str]:
    question = found.question
    confidence = turn.answer.confidence
    lines = chat.screen.paragraph(f"Asked: {question.text}")
    lines += chat.screen.paragraph(
        f"Search words, weight: {', '.join(f'{word} {question.weights.get(word, 0.0):.1f}' for word in question.terms)}"
    )
    if question.labels or question.kinds:
        lines.append(f"It names {', '.join((*question.labels, *question.kinds))}.")
    lines.append(_line(chat, f"Scope: {turn.scope.words()}"))
    took = ", ".join(f"{stage} {1000 * seconds:.0f} ms" for stage, seconds in found.seconds.items())
    lines.append(f"Took: {took}")
    if confidence is not None:
        said = "refused: below 0.5" if turn.answer.refused else "answered"
        lines.append(f"Confidence {confidence:.2f}, {said}.")
    if turn.answer.removed:
        lines.append(f"{_many(turn.answer.removed, 'statement')} left out: nothing that was found holds them.")
    if turn.answer.unread:
        lines.append(f"{_many(turn.answer.unread, 'passage')} did not fit before the model.")
    return lines


def _listed(chat: Chat, found: Found, cited: dict[str, list[int]]) -> list[str]:
    lines = ["", chat.bold(f"Found, best first: {len(found.hits)} of {_many(found.library_size, 'passage')}")]
    lines += [line for hit in found.hits for line in _hit(chat, hit, cited)]
    if found.dropped:
        lines += ["", chat.bold("Dropped, because they repeat one that is better or stands on the same page:")]
        lines += [line for hit in found.dropped for line in _hit(chat, hit, cited)]
    return lines


def _hit(chat: Chat, hit: Hit, cited: dict[str, list[int]]) -> list[str]:
    passage = hit.passage()
    number = "".join(f"[{n}]" for n in cited.get(passage.node_id, ())) or " · "
    what = f", {passage.label or passage.kind}"
    parts = ", ".join(f"{name} {value:.3f}" for name, value in sorted(hit.parts.items(), key=lambda part: -part[1]))
    head = f"{number} {hit.score:.3f} by {' + '.join(hit.found_by)}: {passage.document}, page {passage.page}{what}"
    return [
        _line(chat, head),
        *([chat.dim(parts, indent="    ")] if parts else []),
        *chat.screen.paragraph(shorten(passage.text, _TEXT), indent="    "),
    ]


def history(chat: Chat, words: Sequence[str]) -> None:
    """The questions of this conversation, who answered and how long it took."""
    none_of(words, "history")
    if not chat.turns:
        chat.say("Nothing has been asked yet.")
        return
    lines = []
    for n, turn in enumerate(chat.turns, start=1):
        first = f"{n}. "
        lines += chat.screen.paragraph(shorten(turn.typed, 300), first=first, indent=" " * len(first))
        if turn.rewritten:
            lines += chat.screen.paragraph(f"→ {shorten(turn.answer.question, 300)}", indent=" " * len(first))
        model = turn.answer.models.get("answer") or turn.answer.models.get("vision", "")
        said = "not answered" if turn.answer.refused else _many(len(turn.answer.citations), "citation")
        said = f"about {printable(turn.picture)}" if turn.picture is not None else said
        lines.append(f"{' ' * len(first)}{printable(model)} · {turn.answer.seconds.get('total', 0.0):.2f} s · {said}")
    chat.say("\n".join(lines))


def stats(chat: Chat, words: Sequence[str]) -> None:
    """What the library holds, and what the answers so far took."""
    none_of(words, "stats")
    status = chat.library.status()
    nodes = ", ".join(f"{count} {kind}" for kind, count in sorted(status.nodes.items(), key=lambda item: -item[1]))
    lines = [
        f"Library: {_many(len(status.documents), 'paper')}, {_many(status.pages, 'page')}; {nodes or 'no passages'}",
        f"  {status.size_bytes / 1e6:.1f} MB in {status.path}; {_many(status.answers, 'saved answer')}",
    ]
    lines += [f"  {status.note}"] if status.note else []
    if chat.turns:
        seconds = [turn.answer.seconds.get("total", 0.0) for turn in chat.turns]
        refused = sum(turn.answer.refused for turn in chat.turns)
        lines.append(
            f"Conversation: {_many(len(seconds), 'question')}, {refused} not answered; median "
            f"{statistics.median(seconds):.2f} s, longest {max(seconds):.2f} s"
        )
        tokens = sum(turn.answer.tokens.get("prompt", 0) + turn.answer.tokens.get("reply", 0) for turn in chat.turns)
        lines += [f"  {tokens} tokens"] if tokens else []
    lines.append(_line(chat, f"Scope: {chat.scope.words()}"))
    chat.say("\n".join(lines))


def _line(chat: Chat, text: str) -> str:
    """One line as this screen shows it."""
    text = printable(" ".join(text.splitlines()))
    return visual_line(text, right_to_left=is_right_to_left(text)) if chat.screen.reorder else text


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
