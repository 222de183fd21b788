"""Errors in LaTeX: what was read wrongly, lost, doubled or invented, and what no longer parses."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from eval.planted.digits import swapped

_TOKEN = re.compile(r"\\(?:begin|end)\s*\{[a-z*]+\}|\\[A-Za-z]+\*?|\\.|\d+(?:\.\d+)?|\s+|.", re.DOTALL)
_WORD_MACRO = re.compile(r"\\(?:mathrm|text|operatorname\*?|mathop)$")
_GREEK = ("alpha", "beta", "gamma", "delta", "theta", "lambda", "mu", "sigma", "tau", "phi", "omega", "psi", "rho")
_OTHER = {
    "\\sum": "\\prod", "\\prod": "\\sum", "\\le": "<", "\\leq": "<", "\\in": "\\notin", "\\approx": "=",
    "\\log": "\\exp", "\\exp": "\\log", "\\max": "\\min", "\\tanh": "\\sin", "\\oplus": "\\otimes",
    "\\to": "\\leftarrow", "=": "\\approx", "\\cdot": "+", "<": ">", "\\circ": "+", "\\ln": "\\sin", "\\otimes": "+",
}  # fmt: skip


def tokens_of(latex: str) -> list[str]:
    return _TOKEN.findall(latex)


def _free(tokens: list[str]) -> list[int]:
    """Indices of the single letters and Greek letters that are no part of a word."""
    found, depth, word_from = [], 0, None
    for i, token in enumerate(tokens):
        if token == "{":
            depth += 1
            if word_from is None and i and _WORD_MACRO.match(tokens[i - 1]):
                word_from = depth
        elif token == "}":
            if word_from == depth:
                word_from = None
            depth -= 1
        elif word_from is None and (re.fullmatch("[A-Za-z]", token) or token[1:] in _GREEK):
            found.append(i)
    return found


def _group(tokens: list[str], start: int) -> int:
    """Index after the argument that begins at `start`."""
    while start < len(tokens) and tokens[start].isspace():
        start += 1
    if start >= len(tokens) or tokens[start] != "{":
        return min(start + 1, len(tokens))
    depth = 0
    for i in range(start, len(tokens)):
        depth += (tokens[i] == "{") - (tokens[i] == "}")
        if not depth:
            return i + 1
    return len(tokens)


def _scripts(tokens: list[str], mark: str = "_") -> list[tuple[int, int]]:
    return [(i, _group(tokens, i + 1)) for i, token in enumerate(tokens) if token == mark]


def _changed_digit(latex: str, rng: random.Random) -> str | None:
    places = [m.start() for m in re.finditer(r"\d", latex)]
    if not places:
        return None
    i = rng.choice(places)
    return latex[:i] + rng.choice([d for d in "0123456789" if d != latex[i]]) + latex[i + 1 :]


def _changed_symbol(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = _free(tokens)
    if not places:
        return None
    i = rng.choice(places)
    if tokens[i].startswith("\\"):
        tokens[i] = "\\" + rng.choice([g for g in _GREEK if g != tokens[i][1:]])
    else:
        pool = "abcdefghkmnpqrstuvwxyz" if tokens[i].islower() else "ABCDEFGHKLMNPQRSTUVWXYZ"
        tokens[i] = rng.choice([c for c in pool if c != tokens[i]])
    return "".join(tokens)


def _changed_index(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    free = set(_free(tokens))
    inside = [j for i, end in _scripts(tokens) for j in range(i + 1, end) if j in free and len(tokens[j]) == 1]
    if not inside:
        return None
    j = rng.choice(inside)
    tokens[j] = rng.choice([c for c in "abijklmnpqrst" if c != tokens[j]])
    return "".join(tokens)


def _turned_index(latex: str, rng: random.Random) -> str | None:
    places = [m for m in re.finditer(r"_\{([A-Za-z0-9])([A-Za-z0-9])\}", latex) if m[1] != m[2]]
    if not places:
        return None
    m = rng.choice(places)
    return f"{latex[: m.start()]}_{{{m[2]}{m[1]}}}{latex[m.end() :]}"


def _raised_index(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    alone = [
        i
        for i, end in _scripts(tokens)
        if (end >= len(tokens) or tokens[end] != "^") and not _after_script(tokens, i) and tokens[i - 1][:1] != "\\"
    ]
    if not alone:
        return None
    tokens[rng.choice(alone)] = "^"
    return "".join(tokens)


def _after_script(tokens: list[str], at: int) -> bool:
    return any(end == at for _, end in (*_scripts(tokens, "^"), *_scripts(tokens)))


def _lost_index(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = [*_scripts(tokens), *_scripts(tokens, "^")]
    if not places:
        return None
    start, end = rng.choice(places)
    return "".join(tokens[:start] + tokens[end:])


def _flat_index(latex: str, rng: random.Random) -> str | None:
    """x_{i+1} as x_i + 1: the index ends too early."""
    places = list(re.finditer(r"([_^])\{([A-Za-z])([-+=<][^{}]+)\}", latex))
    if not places:
        return None
    m = rng.choice(places)
    return f"{latex[: m.start()]}{m[1]}{{{m[2]}}}{m[3]}{latex[m.end() :]}"


def _lost_term(latex: str, rng: random.Random) -> str | None:
    places = [
        m for m in re.finditer(r"(?<=[\w}\])])\s*[-+](?![^{}]*\})\s*[^-+=&\\]*(?:\\[A-Za-z]+[^-+=&\\]*)?", latex)
        if _balanced(m[0]) and len(m[0].strip()) > 1
    ]  # fmt: skip
    if not places:
        return None
    m = rng.choice(places)
    return latex[: m.start()] + latex[m.end() :]


def _balanced(text: str) -> bool:
    return text.count("{") == text.count("}") and text.count("(") == text.count(")") and "\\left" not in text


def _lost_symbol(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = [i for i in _free(tokens) if i == 0 or tokens[i - 1] not in "_^"]
    if len(places) < 2:
        return None
    i = rng.choice(places)
    return "".join(tokens[:i] + (["{}"] if i + 1 < len(tokens) and tokens[i + 1] in "_^" else []) + tokens[i + 1 :])


def _twice(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = [i for i in _free(tokens) if i == 0 or tokens[i - 1] not in "_^"]
    if not places:
        return None
    i = rng.choice(places)
    return "".join([*tokens[: i + 1], " ", tokens[i], *tokens[i + 1 :]])


def _exchanged(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = _free(tokens)
    pairs = [(i, j) for i in places for j in places if i < j and tokens[i] != tokens[j]]
    if not pairs:
        return None
    i, j = rng.choice(pairs)
    tokens[i], tokens[j] = tokens[j], tokens[i]
    return "".join(f"{t} " if t[:1] == "\\" and t[1:].isalpha() else t for t in tokens)


def _wrong_sign(latex: str, rng: random.Random) -> str | None:
    places = [m.start() for m in re.finditer(r"[-+]", latex)]
    if not places:
        return None
    i = rng.choice(places)
    return latex[:i] + {"-": "+", "+": "-"}[latex[i]] + latex[i + 1 :]


def _other_operator(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    places = [i for i, token in enumerate(tokens) if token in _OTHER]
    if not places:
        return None
    i = rng.choice(places)
    tokens[i] = _OTHER[tokens[i]] + " "
    return "".join(tokens)


def _turned_fraction(latex: str, rng: random.Random) -> str | None:
    tokens = tokens_of(latex)
    found = []
    for i, token in enumerate(tokens):
        if token == "\\frac":
            middle = _group(tokens, i + 1)
            end = _group(tokens, middle)
            if tokens[i + 1 : middle] != tokens[middle:end]:
                found.append((i, middle, end))
    if not found:
        return None
    i, middle, end = rng.choice(found)
    return "".join([*tokens[: i + 1], *tokens[middle:end], *tokens[i + 1 : middle], *tokens[end:]])


def _lost_mark(latex: str, rng: random.Random) -> str | None:
    places = list(re.finditer(r"\\(?:hat|tilde|bar|sqrt)\s*(?=\{)|(?<=[A-Za-z])'", latex))
    if not places:
        return None
    m = rng.choice(places)
    return latex[: m.start()] + latex[m.end() :]


def _invented(latex: str, rng: random.Random) -> str | None:
    more = rng.choice([" + 1", " + \\lambda", " - b", " \\alpha", " + \\epsilon_{ij}", " / 2"])
    end = re.search(r"\s*[.,;]?\s*(?:\\end\{[a-z*]+\}\s*)*$", latex)
    at = end.start() if end else len(latex)
    return latex[:at] + more + latex[at:]


def _no_brace(latex: str, rng: random.Random) -> str | None:
    places = [m.start() for m in re.finditer(r"(?<!\\)[{}]", latex)]
    if not places:
        return None
    i = rng.choice(places)
    return latex[:i] + latex[i + 1 :]


def _broken(latex: str, rng: random.Random) -> str | None:
    made = [
        re.sub(r"\\end\{[a-z]+\}", "", latex, count=1),
        re.sub(r"\\right(?![a-z])\s*\S", "", latex, count=1),
        re.sub(r"\\frac(?![a-z])", r"\\farc", latex, count=1),
        re.sub(r"_(\{[^{}]*\}|[A-Za-z0-9])(?!\^)", r"_\1_\1", latex, count=1),
        re.sub(r"\\mathrm(?![a-z])", r"\\mathmr", latex, count=1),
        latex + " \\frac{1}",
        latex + "^",
        "\\left( " + latex,
        latex + " \\begin{aligned}",
    ]
    usable = [text for text in made if text != latex]
    return rng.choice(usable)


LATEX_ERRORS: dict[str, Callable[[str, random.Random], str | None]] = {
    "digit changed": _changed_digit,
    "digits swapped": swapped,
    "symbol changed": _changed_symbol,
    "symbols exchanged": _exchanged,
    "symbol lost": _lost_symbol,
    "symbol twice": _twice,
    "index changed": _changed_index,
    "index turned round": _turned_index,
    "index raised": _raised_index,
    "index lost": _lost_index,
    "index cut short": _flat_index,
    "term lost": _lost_term,
    "wrong sign": _wrong_sign,
    "other operator": _other_operator,
    "fraction upside down": _turned_fraction,
    "hat, root or prime lost": _lost_mark,
    "something invented": _invented,
    "brace lost": _no_brace,
    "broken LaTeX": _broken,
}
