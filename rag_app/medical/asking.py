"""Questions on a medical image, answered by a vision model, with a differential and, on wish, what papers say.

    from rag_app.medical import Assistant
    assistant = Assistant.open("hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri", data="dataset", bar=0.6)
    answer = assistant.ask("scan.png", "What is the diagnosis?")
    answer.text, answer.differential, answer.disclaimer

What the model says of the image and what the library says of the finding stay apart: the library's part is written from
its passages alone, checked, and cited. For study only.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from adapters.names import load_model, parse_model_name
from rag_app.citations import Citation
from rag_app.errors import UsageError
from rag_app.medical import DISCLAIMER, calibration, differential
from rag_app.medical.calibration import Calibration
from rag_app.medical.choices import Choices
from rag_app.medical.labels import LANGUAGES, read_labels
from rag_app.medical.records import Dataset, Split
from rag_app.models import LanguageModel
from rag_app.retrieval.question import language_of
from rag_app.settings import Settings

if TYPE_CHECKING:
    from rag_app.answering.answer import Answer
    from rag_app.library import Library

PROMPT_VERSION = "medical-1"
MAX_TOKENS = 512
_IN = {"en": "Answer in English.", "fa": "به فارسی پاسخ دهید."}
_UNSURE = {
    "en": "Not sure enough to answer: the likeliest diagnosis has {top}, below the bar of {bar}.",
    "fa": "برای پاسخ به اندازهٔ کافی مطمئن نیست: محتمل‌ترین تشخیص {top} است، کمتر از حد {bar}.",
}
_PAPERS = {"en": "From the library:", "fa": "از کتابخانه:"}
_ABOUT = {"en": "What is known about {finding}?", "fa": "دربارهٔ {finding} چه می‌دانیم؟"}


@dataclass(frozen=True, slots=True)
class MedicalAnswer:
    """What is shown for one question on one image.

    text           the answer, or why there is none; the library's part with [n] marks is at its end
    differential   (label, probability), the likeliest first; empty where the assistant knows no labels
    names          what each of these labels is called in the answer's language
    by             where the probabilities come from: "likelihood", or "reply" (the model's own numbers); None without
    calibrated     whether they were scaled on images the model had not learned from
    abstained      the likeliest diagnosis is below the bar; `said`, the model's words, are then not part of `text`
    citations      of the library's part; papers: that part with its evidence, None where there is none
    disclaimer     that it is for study, in the answer's language
    """

    question: str
    text: str
    differential: tuple[tuple[str, float], ...]
    abstained: bool
    citations: tuple[Citation, ...]
    disclaimer: str
    language: str
    model: str
    said: str
    seconds: float
    by: differential.By | None = None
    calibrated: bool = False
    papers: Answer | None = None
    names: Mapping[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:  # Any: JSON
        return dataclasses.asdict(self)


class Assistant:
    """A vision model that is asked about medical images.

    Args:
        choices: the diagnoses of its differential; None gives none.
        scaling: a calibration for these choices.
        bar: probability below which it abstains, 0 to 1; 0 never does.
        library: where guidelines and papers are looked up, for each answer.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        choices: Choices | None = None,
        scaling: Calibration | None = None,
        bar: float = 0.0,
        library: Library | None = None,
    ) -> None:
        if not 0 <= bar <= 1:
            raise UsageError(f"The bar is {bar}; set a probability from 0 to 1.")
        if bar and choices is None:
            raise UsageError("A bar needs diagnoses to be sure of: name them by --labels or by --data.")
        if scaling is not None and choices is not None and set(scaling.labels) != set(choices.labels):
            raise UsageError(
                f"The calibration is for {', '.join(scaling.labels)}, not for {', '.join(choices.labels)}. "
                "Make one for these: rag-app medical calibrate."
            )
        self.model, self.choices, self.scaling, self.bar = model, choices, scaling, bar
        self._library = library

    @classmethod
    def open(
        cls,
        name: str,
        *,
        data: Path | str | None = None,
        labels: Sequence[str] | Path = (),
        scaling: Path | str | None = None,
        bar: float = 0.0,
        library: Library | None = None,
        settings: Settings | None = None,
    ) -> Self:
        """The assistant of a model name, "hf:NAME+ADAPTER" or "ollama:NAME"; weights load at the first question.

        Args:
            data: a dataset folder, whose labels and words are used.
            labels: the diagnoses, where there is no dataset; or a TOML file of them, with their names by language.
            scaling: a calibration file; by default the one in the adapter's folder, where it is for these labels.

        Raises UsageError, UnknownName, InputError, ModelError: something named here is not there or does not fit.
        """
        parsed = parse_model_name(name)
        if parsed.scheme == "builtin":
            raise UsageError(
                "The builtin models do not see; name one that does, such as hf:Qwen/Qwen2.5-VL-3B-Instruct."
            )
        if data is not None and labels:
            raise UsageError("Name the diagnoses once: by --data or by --labels.")
        model: LanguageModel = load_model("vision", parsed, settings)
        choices = Choices.of_dataset(Dataset.read(Path(data))) if data is not None else None
        if labels:
            names = read_labels(labels) if isinstance(labels, Path) else {label: {} for label in labels}
            choices = Choices.of_labels(list(names) if isinstance(labels, Path) else labels, names)
        found = Calibration.load(Path(scaling)) if scaling is not None else None
        if found is None and parsed.adapter and choices is not None:
            beside = Path(parsed.adapter).expanduser() / calibration.FILE
            if beside.is_file():
                kept = Calibration.load(beside)
                found = kept if set(kept.labels) == set(choices.labels) else None
        return cls(model, choices=choices, scaling=found, bar=bar, library=library)

    def ask(self, image: Path | str | bytes, question: str, language: str = "en") -> MedicalAnswer:
        """The answer to one question on one image, in "en" or "fa".

        Raises UsageError for an empty question or another language, InputError for a picture that cannot be read, and
        ModelError.
        """
        if not question.strip():
            raise UsageError("The question is empty; ask, for example: What is the diagnosis?")
        _known(language)
        started = time.perf_counter()
        content = differential.picture_bytes(Path(image) if isinstance(image, str) else image)
        self.model.check(pictures=True)
        ranked = self._ranked(content, language)
        system = "" if _is_in(question, language) else _IN[language]
        said = self.model.ask(question, images=[content], system=system, max_tokens=MAX_TOKENS).text.strip()
        abstained = bool(ranked) and ranked[0][1] < self.bar
        text = said
        if abstained:
            text = _UNSURE[language].format(top=_percent(ranked[0][1], language), bar=_percent(self.bar, language))
        papers = None if abstained else self._looked_up(question, ranked, language)
        if papers is not None:
            text = f"{text}\n\n{_PAPERS[language]}\n{papers.answer}"
        return MedicalAnswer(
            question=question,
            text=text,
            differential=ranked,
            abstained=abstained,
            citations=papers.citations if papers is not None else (),
            disclaimer=DISCLAIMER[language],
            language=language,
            model=self.model.name,
            said=said,
            seconds=time.perf_counter() - started,
            by=differential.by(self.model) if ranked else None,
            calibrated=bool(ranked) and self._scales(language),
            papers=papers,
            names={label: self.choices.called(label, language) for label, _ in ranked} if self.choices else {},
        )

    def differential(
        self,
        images: Sequence[bytes | Path],
        labels: Sequence[str] | None = None,
        language: str = "en",
        *,
        on_done: Callable[[int], None] | None = None,
    ) -> np.ndarray:
        """(n_images, n_labels) probabilities, each row adding up to 1, in the order of `labels`.

        Args:
            labels: the assistant's own by default; others are asked about as `medical prepare` does.
            on_done: called with how many images are done.

        From the label likelihoods of a model of transformers, calibrated where there is a calibration; from the numbers
        an Ollama model says, which are not likelihoods (`differential.by` tells which).
        """
        choices = self._choices(labels)
        found = differential.scores(self.model, images, choices, language, on_done=on_done)
        order = [choices.labels.index(label) for label in labels or choices.labels]
        scaled = self._scales(language) and self.scaling is not None and set(self.scaling.labels) == set(choices.labels)
        temperature = self.scaling.temperature if scaled and self.scaling else 1.0
        return calibration.probabilities(found, temperature)[:, order]

    def calibrate(
        self,
        dataset: Dataset,
        *,
        split: Split = "validation",
        language: str = "en",
        on_done: Callable[[int], None] | None = None,
    ) -> Calibration:
        """A calibration fitted on one split of the dataset; also used from now on.

        Raises InputError where the split is empty, UsageError where it is the one the model learned from.
        """
        if split == "train":
            raise UsageError("A calibration on the training images would be too sure; use the validation part.")
        examples = dataset.of(split)
        choices = Choices.of_dataset(dataset)
        found = differential.scores(
            self.model, [dataset.picture(example) for example in examples], choices, language, on_done=on_done
        )
        truth = [example.label for example in examples]
        self.choices = choices
        self.scaling = calibration.fit(
            found, truth, choices.labels, language=language, model=self.model.name, data=dataset.digest
        )
        return self.scaling

    def _choices(self, labels: Sequence[str] | None) -> Choices:
        if self.choices is not None and (labels is None or set(labels) == set(self.choices.labels)):
            return self.choices
        if labels is None:
            raise UsageError("A differential needs diagnoses: name them by --labels or by --data.")
        return Choices.of_labels(labels)

    def _scales(self, language: str) -> bool:
        return self.scaling is not None and self.scaling.language == language

    def _ranked(self, content: bytes, language: str) -> tuple[tuple[str, float], ...]:
        if self.choices is None:
            return ()
        shares = self.differential([content], None, language)[0].tolist()
        return tuple(sorted(zip(self.choices.labels, shares, strict=True), key=lambda pair: -pair[1]))

    def _looked_up(self, question: str, ranked: Sequence[tuple[str, float]], language: str) -> Answer | None:
        """What the library says of the likeliest finding, or of the question; None where it does not say."""
        if self._library is None:
            return None
        asked = question
        if ranked and self.choices is not None:
            asked = _ABOUT[language].format(finding=self.choices.called(ranked[0][0], language))
        answer = self._library.ask(asked, language=language)
        return None if answer.refused else answer


def _known(language: str) -> None:
    if language not in LANGUAGES:
        raise UsageError(f"Answers come in {' or '.join(LANGUAGES)}, not in {language!r}.")


def _is_in(question: str, language: str) -> bool:
    """Whether the question itself already says the language; a tuned model is asked as it was trained then."""
    return language_of(question) == language


def _percent(share: float, language: str) -> str:
    text = f"{100 * share:.0f}"
    return f"{text} %" if language == "en" else text.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")) + "٪"
