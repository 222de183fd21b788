"""How like a text is to the gold texts: word for word, by n-grams. Of several gold texts the best counts.

Persian is compared as it is meant: ی and ي, ک and ك, digits of any script, diacritics and the zero-width non-joiner are
brought to one form (`rag_app.searchable.fold`) before any of these metrics looks. Tokenizers made for English alone see
nothing in it: rouge_score's gives 0.0 on two equal Persian texts.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import Tokenizer
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from rag_app.searchable import fold

ROUGE = ("rouge1", "rouge2", "rougeL")
_WORD = re.compile(r"(?<![^\W_])-?\d+(?:[.,]\d+)*|[^\W_]+")
_ARTICLES = frozenset(("a", "an", "the"))
_ARABIC_SCRIPT = re.compile("[\u0600-\u06ff]")
_STOPS = str.maketrans("،؛؟", ",;?")
_SEPARATORS = str.maketrans(",٬", "  ")


def words(text: str) -> list[str]:
    """The words of `text` in one letter form, numbers with sign and decimals whole, English articles left out."""
    return [word for word in _WORD.findall(fold(text)) if word not in _ARTICLES]


def tokens(text: str) -> list[str]:
    """Runs of letters and digits in one form, none left out: for English the tokens of rouge_score."""
    return re.findall(r"[^\W_]+", fold(text.translate(_SEPARATORS)))


def exact_match(text: str, golds: Sequence[str]) -> float | None:
    """1 when the words are those of a gold text, else 0 (SQuAD, Rajpurkar et al. 2016); None without a gold text."""
    if not golds:
        return None
    return float(any(words(text) == words(gold) for gold in golds))


def token_f1(text: str, golds: Sequence[str]) -> float | None:
    """Harmonic mean of the shares of words in common (SQuAD, Rajpurkar et al. 2016); None without a gold text."""
    if not golds:
        return None
    return max(_f1(words(text), words(gold)) for gold in golds)


def token_recall(text: str, golds: Sequence[str]) -> float | None:
    """Share of a gold text's words that `text` has, of the one with most; None without a gold text.

    What a long answer says beside the gold answer is not held against it: of the measures of words this one comes
    nearest to what people think of such answers (Adlakha et al. 2024, "Evaluating Correctness and Faithfulness of
    Instruction-Following Models for Question Answering").
    """
    shares = [_recall(words(text), words(gold)) for gold in golds]
    return max((share for share in shares if share is not None), default=None)


def _recall(found: Sequence[str], gold: Sequence[str]) -> float | None:
    return (Counter(found) & Counter(gold)).total() / len(gold) if gold else None


def _f1(found: Sequence[str], gold: Sequence[str]) -> float:
    if not found or not gold:
        return float(found == gold)
    common = (Counter(found) & Counter(gold)).total()
    return 2 * common / (len(found) + len(gold))


def rouge(text: str, golds: Sequence[str]) -> dict[str, float]:
    """F-measure of each of ROUGE (Lin 2004), without stemming, of the gold text that fits best; empty without one.

    On English the values of the rouge_score package.
    """
    scored = [_rouge().score(gold, text) for gold in golds]
    return {name: max(float(score[name].fmeasure) for score in scored) for name in ROUGE if scored}


class _Tokens(Tokenizer):
    def tokenize(self, text: str) -> list[str]:
        return tokens(text)


@lru_cache(maxsize=1)
def _rouge() -> RougeScorer:
    return RougeScorer(list(ROUGE), tokenizer=_Tokens())


def bleu(text: str, golds: Sequence[str]) -> float | None:
    """Sentence BLEU over all gold texts, 0 to 1 (Papineni et al. 2002; sacrebleu, exponential smoothing, tokens 13a,
    effective order); None without a gold text."""
    if not golds:
        return None
    return _bleu().sentence_score(_one_form(text), [_one_form(gold) for gold in golds]).score / 100


def chrf(text: str, golds: Sequence[str]) -> float | None:
    """chrF2 of the gold text that fits best, 0 to 1 (Popović 2015; sacrebleu, 6 letters, beta 2); None without one."""
    if not golds:
        return None
    return _chrf().sentence_score(_one_form(text), [_one_form(gold) for gold in golds]).score / 100


@lru_cache(maxsize=1)
def _bleu() -> BLEU:
    return BLEU(effective_order=True)


@lru_cache(maxsize=1)
def _chrf() -> CHRF:
    return CHRF()


def _one_form(text: str) -> str:
    """Text in Arabic script with one form a letter and stops that sacrebleu knows; any other as it is."""
    return fold(text).translate(_STOPS) if _ARABIC_SCRIPT.search(text) else text
