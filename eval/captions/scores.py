"""Captions scored, a row each: against references where there are any, and by what they say themselves.

Two lines to read the scores by come with references: what one person scores against the others, and what a caption of
another picture scores; they are no items of a run. docs/extraction_quality.md defines the metrics.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from eval.captions.files import PLAIN, Caption, References
from eval.captions.words import purity, told, variety
from eval.metrics.captions import cider, cider_d
from eval.metrics.texts import bleu, chrf
from eval.runs.rows import Row
from rag_app.captioning.checks import repetition
from rag_app.captioning.language import LANGUAGES, Language, words_of
from rag_app.models import ImageEmbedding
from rag_app.sentences import sentences

PEOPLE = "one reference against the others"
CHANCE = "a reference of another picture"
_W = 2.5  # of CLIPScore (Hessel et al. 2021, section 3)
LABELS: Mapping[str, str] = {
    "chrf": "chrF",
    "bleu": "BLEU",
    "cider": "CIDEr",
    "cider_d": "CIDEr-D, 0 to 10",
    "clip_score": "CLIPScore, 0 to 2.5",
    "ref_clip_score": "RefCLIPScore",
    "word_count": "words",
    "sentence_count": "sentences",
    "thing_count": "distinct things named",
    "attribute_count": "distinct attributes",
    "number_count": "distinct numbers",
    "language_purity": "words in the language",
    "variety": "different three-word runs",
    "unrepeated": "passes the check of repetition",
    "agreement_chrf": "agreement with other writers: chrF",
    "agreement_things": "agreement with other writers: things, F1",
}


@dataclass(frozen=True, slots=True)
class _Measured:
    """A caption and what it is measured against; references without it, where it is one of them."""

    caption: Caption
    references: tuple[str, ...]


def caption_rows(
    written: Sequence[Caption],
    references: References,
    *,
    clip: ImageEmbedding | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Row]:
    """A row for each caption, in order.

    Args:
        clip: for CLIPScore and RefCLIPScore, in the languages that it reads; without it both are left out.

    Raises what `clip` raises.
    """
    measured = [_Measured(one, references.of(one.image, one.language)) for one in written]
    ciders = _ciders(measured, references)
    clips = _clip_scores(measured, clip) if clip else {}
    beside: dict[tuple[Path, str, str], dict[str, str]] = defaultdict(dict)
    for one in written:
        if not one.error:
            beside[one.image, one.language, one.kind].setdefault(one.writer, one.text)
    for number, one in enumerate(measured, start=1):
        caption = one.caption
        said = beside.get((caption.image, caption.language, caption.kind), {})
        others = [text for writer, text in said.items() if writer != caption.writer]
        yield _row(one, ciders.get(caption.id, {}), clips.get(caption.id, ({}, {})), others)
        on_progress(number, len(measured))


def people_and_chance(references: References, *, clip: ImageEmbedding | None = None) -> Iterator[Row]:
    """Rows of PEOPLE and CHANCE in each language of the references that has two of a picture; `clip` as above."""
    measured = [one for language in references.languages() for one in _context(references, language)]
    ciders = _ciders(measured, references)
    clips = _clip_scores(measured, clip) if clip else {}
    for one in measured:
        yield _row(one, ciders.get(one.caption.id, {}), clips.get(one.caption.id, ({}, {})), ())


def _context(references: References, language: str) -> Iterator[_Measured]:
    """The first reference of each picture against its others, and that of the next picture against the same."""
    several = [
        (image, name, texts) for image, name in references.pictures if len(texts := references.of(image, language)) > 1
    ]
    for number, (image, name, texts) in enumerate(several):
        own = Caption(image, name, PEOPLE, language, PLAIN, texts[0])
        yield _Measured(own, texts[1:])
        if len(several) > 1:
            other = several[(number + 1) % len(several)][2][0]
            yield _Measured(Caption(image, name, CHANCE, language, PLAIN, other), texts[1:])


def _row(
    one: _Measured, ciders: Mapping[str, float], clips: tuple[dict[str, float], dict[str, str]], others: Sequence[str]
) -> Row:
    caption = one.caption
    groups = {"language": caption.language, "kind": caption.kind, "writer": caption.writer}
    record: dict[str, Any] = {  # Any: JSON
        "image": str(caption.image),
        "caption": caption.text,
        "references": list(one.references),
    }
    if caption.error:
        return Row(caption.id, groups, error=caption.error, record=record)
    scores = {**_against(caption.text, one.references), **ciders, **clips[0], **_own(caption.text, caption.language)}
    if others:
        scores |= _agreement(caption.text, others, caption.language)
    return Row(caption.id, groups, scores, clips[1], record=record)


def _against(text: str, references: Sequence[str]) -> dict[str, float]:
    found = {"chrf": chrf(text, references), "bleu": bleu(text, references)}
    return {name: value for name, value in found.items() if value is not None}


def _own(text: str, language: str) -> dict[str, float]:
    """What needs neither reference nor model; what depends on the language only for those with word lists."""
    found: dict[str, float | None] = {
        "word_count": float(len(words_of(text))),
        "sentence_count": float(len(sentences(text))),
        "variety": variety(text),
        "unrepeated": float(not repetition(text)),
    }
    known = _known(language)
    if known:
        said = told(text, known)
        found |= {"thing_count": float(len(said.things)), "attribute_count": float(len(said.attributes))}
        found |= {"number_count": float(len(said.numbers)), "language_purity": purity(text, known)}
    return {name: value for name, value in found.items() if value is not None}


def _known(language: str) -> Language | None:
    return next((known for known in LANGUAGES if known == language), None)


def _agreement(text: str, others: Sequence[str], language: str) -> dict[str, float]:
    """Means over the other writers; of chrF, which is not the same both ways, the mean of both."""
    both = [((chrf(text, [other]) or 0.0) + (chrf(other, [text]) or 0.0)) / 2 for other in others]
    found = {"agreement_chrf": sum(both) / len(both)}
    known = _known(language)
    if known:
        mine = told(text, known).things
        theirs = [told(other, known).things for other in others]
        shared = [2 * len(mine & one) / (len(mine) + len(one)) for one in theirs if mine or one]
        if shared:
            found["agreement_things"] = sum(shared) / len(shared)
    return found


def _ciders(measured: Sequence[_Measured], references: References) -> dict[str, dict[str, float]]:
    """By caption id. All references of a language tell how rare a word is, whatever pictures a writer left out."""
    found: dict[str, dict[str, float]] = {}
    series: dict[tuple[str, str, str, int], dict[Path, _Measured]] = defaultdict(dict)
    for one in measured:
        caption = one.caption
        if one.references and not caption.error:
            of = series[caption.language, caption.writer, caption.kind, caption.number]
            of[references.picture(caption.image)] = one
    for (language, *_), said in series.items():
        corpus = references.in_language(language)
        texts = [said[image].caption.text if image in said else "" for image in corpus]
        against = [said[image].references if image in said else rest for image, rest in corpus.items()]
        values = zip(corpus, cider(texts, against), cider_d(texts, against), strict=True)
        found |= {
            said[image].caption.id: {"cider": plain, "cider_d": clipped}
            for image, plain, clipped in values
            if image in said
        }
    return found


def _clip_scores(
    measured: Sequence[_Measured], clip: ImageEmbedding
) -> dict[str, tuple[dict[str, float], dict[str, str]]]:
    """(scores, why not) by caption id, for the captions in languages that the model reads."""
    there = [
        one
        for one in measured
        if not one.caption.error and (clip.languages is None or one.caption.language in clip.languages)
    ]
    images = list(dict.fromkeys(one.caption.image for one in there))
    embedded = clip.embed_images(images)
    at = {image: number for number, image in enumerate(images)}
    texts = list(dict.fromkeys(text for one in there for text in (one.caption.text, *one.references)))
    vectors = dict(zip(texts, clip.embed_texts(texts), strict=True)) if texts else {}
    found: dict[str, tuple[dict[str, float], dict[str, str]]] = {}
    for one in there:
        number = at[one.caption.image]
        if problem := embedded.problems.get(number):
            found[one.caption.id] = ({}, {"clip_score": problem})
            continue
        said = vectors[one.caption.text]
        score = _W * max(0.0, float(np.dot(embedded.vectors[number], said)))
        scores = {"clip_score": score}
        if one.references:
            like = max(0.0, *(float(np.dot(said, vectors[text])) for text in one.references))
            scores["ref_clip_score"] = 2 * score * like / (score + like) if score + like else 0.0
        found[one.caption.id] = (scores, {})
    return found
