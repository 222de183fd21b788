"""Write docs/errors.md from the sentences in the code. `make docs` runs it; a test says when it is out of date."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from rag_app import errors

DOCS = Path(__file__).parent
PAGE = DOCS / "errors.md"
ROOT = DOCS.parent
HEAD = """# Every error sentence

Written by `make docs` from the code; do not edit here. "…" stands for a name, a number or a reason. What to do stands
in the sentence, and for each kind in [troubleshooting](troubleshooting.md); the page behind a sentence tells of the
command that says it.
"""
KINDS = {name: value for name, value in vars(errors).items() if inspect.isclass(value)}

# Where a module's sentences are explained: the longest beginning of its path counts.
PAGES = {
    "adapters/": "how-to/models.md",
    "adapters/huggingface/": "huggingface.md",
    "adapters/lora/": "how-to/image-search.md",
    "adapters/lora/vision_language.py": "huggingface.md",
    "adapters/ollama/": "ollama.md",
    "adapters/open_clip/": "how-to/image-search.md",
    "adapters/pictures.py": "how-to/image-search.md",
    "adapters/training/": "how-to/image-search.md",
    "eval/": "how-to/evaluate.md",
    "eval/generation/": "question_sets.md",
    "eval/judging/": "how-to/judge.md",
    "eval/medical/": "how-to/medical-evaluate.md",
    "eval/questions.py": "question_sets.md",
    "eval/quiz": "question_sets.md",
    "ingestion/": "how-to/ingest.md",
    "ingestion/describe/": "how-to/describe.md",
    "rag_app/": "how-to/library.md",
    "rag_app/answering/": "how-to/ask.md",
    "rag_app/captioning/": "how-to/caption.md",
    "rag_app/cli/ask.py": "how-to/ask.md",
    "rag_app/cli/caption": "how-to/caption.md",
    "rag_app/cli/chat.py": "how-to/chat.md",
    "rag_app/cli/compare.py": "how-to/models.md",
    "rag_app/cli/describe.py": "how-to/describe.md",
    "rag_app/cli/evaluation": "how-to/evaluate.md",
    "rag_app/cli/evaluation_generate.py": "question_sets.md",
    "rag_app/cli/evaluation_quiz.py": "question_sets.md",
    "rag_app/cli/ingest.py": "how-to/ingest.md",
    "rag_app/cli/medical": "how-to/medical.md",
    "rag_app/cli/medical_ask.py": "how-to/medical-ask.md",
    "rag_app/cli/medical_compare.py": "how-to/medical-evaluate.md",
    "rag_app/cli/medical_evaluate.py": "how-to/medical-evaluate.md",
    "rag_app/cli/medical_export.py": "how-to/medical-train.md",
    "rag_app/cli/medical_train.py": "how-to/medical-train.md",
    "rag_app/cli/models": "how-to/models.md",
    "rag_app/cli/search.py": "how-to/search.md",
    "rag_app/cli/serve.py": "how-to/serve.md",
    "rag_app/cli/tune.py": "how-to/image-search.md",
    "rag_app/cluster/": "scale.md",
    "rag_app/comparing.py": "how-to/models.md",
    "rag_app/describing/": "how-to/describe.md",
    "rag_app/exchange/": "exchange.md",
    "rag_app/imaging/": "how-to/image-search.md",
    "rag_app/medical/": "how-to/medical.md",
    "rag_app/medical/asking.py": "how-to/medical-ask.md",
    "rag_app/medical/calibration.py": "how-to/medical-ask.md",
    "rag_app/medical/choices.py": "how-to/medical-ask.md",
    "rag_app/medical/differential.py": "how-to/medical-ask.md",
    "rag_app/medical/exporting.py": "how-to/medical-train.md",
    "rag_app/medical/training.py": "how-to/medical-train.md",
    "rag_app/models.py": "how-to/models.md",
    "rag_app/render/": "how-to/ask.md",
    "rag_app/repl/": "how-to/chat.md",
    "rag_app/repl/reviewing.py": "question_sets.md",
    "rag_app/retrieval/": "how-to/search.md",
    "rag_app/serve/": "how-to/serve.md",
    "rag_app/settings.py": "configuration.md",
}
# Errors that pass a sentence on which was made elsewhere, as (module, kind, argument).
PASSED_ON = {
    ("adapters/builtin/looked_at.py", "InputError", "problem"),
    ("adapters/ollama/catalogue.py", "ModelUnsuitable", "failures.MLLAMA.format(model=model.name)"),
    ("adapters/open_clip/embedding.py", "CorruptPicture", "problem"),
    (
        "rag_app/cli/background.py",
        "RagAppError",
        "(said.splitlines() or [f'It ended with code {code}.'])[-1].removeprefix('Error: ')",
    ),
    ("rag_app/cli/evaluation_generate.py", "UsageError", "prompts.empty_library('en')"),
    ("rag_app/imaging/search.py", "CorruptPicture", "problem"),
}


@dataclass(frozen=True, order=True, slots=True)
class Sentence:
    """What an error of a kind says, and the page about the command that says it."""

    kind: str
    page: str
    text: str


def sentences() -> tuple[set[Sentence], set[tuple[str, str, str]]]:
    """Every sentence in the code, and those errors whose sentence cannot be read there: (module, kind, argument)."""
    found: set[Sentence] = set()
    unread: set[tuple[str, str, str]] = set()
    for top in ("adapters", "eval", "ingestion", "rag_app"):
        for path in sorted((ROOT / top).rglob("*.py")):
            module = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for kind, argument in _raised(tree):
                texts = list(_texts(argument, tree))
                found |= {Sentence(kind, page_of(module), " ".join(text.split())) for text in texts}
                if not texts:
                    unread.add((module, kind, ast.unparse(argument)))
    return found, unread


def page_of(module: str) -> str:
    """The page where the sentences of a module are explained."""
    return PAGES[max((begin for begin in PAGES if module.startswith(begin)), key=len)]


def _raised(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            if name in KINDS:
                yield name, node.args[0]


def _texts(value: ast.expr, tree: ast.AST) -> Iterator[str]:
    """What an expression may say, with … for what is only known later; nothing where that cannot be read."""
    match value:
        case ast.Constant(value=str(text)):
            yield text
        case ast.JoinedStr(values=parts):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in parts)  # pyright: ignore[reportArgumentType, reportCallIssue]  # an f-string's constants are strings
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            yield from (f"{one}{other}" for one in _texts(left, tree) or ["…"] for other in _texts(right, tree))
        case ast.IfExp(body=one, orelse=other):
            yield from _texts(one, tree)
            yield from _texts(other, tree)
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(value=ast.Name(id="self"), attr=name)):
            yield from _returned(name, tree)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="format")):
            yield from _assigned(name, tree)
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=" "), attr="join"), args=[ast.Name(id=name)]):
            yield from (" ".join(texts) for texts in [list(_collected(name, tree))] if texts)
        case ast.Name(id=name):
            yield from _assigned(name, tree)
        case _:
            return


def _returned(name: str, tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            for inner in ast.walk(node):
                if isinstance(inner, ast.Return) and inner.value is not None:
                    yield from _texts(inner.value, tree)


def _assigned(name: str, tree: ast.AST) -> Iterator[str]:
    for value in _values(name, tree):
        if not isinstance(value, ast.Name):
            yield from _texts(value, tree)


def _collected(name: str, tree: ast.AST) -> Iterator[str]:
    for value in _values(name, tree):
        for one in value.elts if isinstance(value, ast.List) else ():
            yield from _texts(one, tree)


def _values(name: str, tree: ast.AST) -> Iterator[ast.expr]:
    """What is assigned to a name anywhere in the module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == name for t in node.targets):
            yield node.value


def page() -> str:
    """The whole of docs/errors.md."""
    found, _ = sentences()
    parts = [HEAD]
    for kind in KINDS:
        lines = [f"- {_escaped(s.text)} ([{_name(s.page)}]({s.page}))" for s in sorted(found) if s.kind == kind]
        if lines:
            parts.append("\n".join([f"## {kind}", "", *lines, ""]))
    return "\n".join(parts)


def _name(page: str) -> str:
    return Path(page).stem.replace("_", " ").replace("-", " ")


def _escaped(text: str) -> str:
    return "".join(f"\\{character}" if character in "\\`*_{}[]<>#|" else character for character in text)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
