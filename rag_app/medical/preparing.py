"""From images to a dataset folder: read, named, compared with each other, split without leaks, asked about."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from rag_app.errors import InputError, UsageError
from rag_app.medical.captions import Wording
from rag_app.medical.labels import Names, check_labels, check_named, known_names, normal_label, renamed
from rag_app.medical.leaks import Leak, Pair, clusters, find_pairs, leaks_between
from rag_app.medical.records import EXAMPLES, FORMAT, IMAGES, MANIFEST, SPLITS, Dataset, Example, Split, digest_of
from rag_app.medical.sources import Problem, Raw, entries, read_images
from rag_app.medical.splitting import joined, split

SHARES: Mapping[Split, float] = {"train": 0.7, "validation": 0.15, "test": 0.15}

OnProgress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Options:
    """How to prepare.

    normal         the label that means nothing was found; found by its name when None
    renames        old label -> new one; keep_labels: labels that look misspelt are meant so
    names          what labels are called, by label and language
    shares         of the images, by part, together 1; used where the source has no split, or `resplit` drops it
    group_columns  of a table, which the report splits by
    colour         take images with colours too; X-ray and MRI images have none
    """

    normal: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)
    keep_labels: bool = False
    names: Names = field(default_factory=dict)
    shares: Mapping[Split, float] = field(default_factory=lambda: dict(SHARES))
    seed: int = 0
    resplit: bool = False
    group_columns: tuple[str, ...] = ()
    colour: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """A dataset and what came of making it. leaks: between its test part and the others, as it is split."""

    dataset: Dataset
    problems: tuple[Problem, ...]
    leaks: tuple[Leak, ...]


def prepare(source: Path, out: Path, options: Options, *, on_progress: OnProgress | None = None) -> Prepared:
    """Write the dataset made of `source` to the folder `out`, which appears only when it is whole.

    on_progress: called with "Reading" or "Comparing", images done and in all.

    Raises InputError: nothing to read, labels that look misspelt, one label only, a split that comes with the source
    and leaks; UsageError when `out` holds something already, or the shares are not together 1.
    """
    _check(out, options)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    try:
        (scratch / IMAGES).mkdir()
        problems: list[Problem] = []
        images = _stored(source, scratch / IMAGES, options, problems, on_progress)
        labels = renamed([image.label for image in images], options.renames)
        if not options.keep_labels:
            check_labels(labels)
        normal = normal_label(sorted(set(labels)), options.normal)
        check_named(sorted(set(labels)), options.names)
        images = [dataclasses.replace(image, label=label) for image, label in zip(images, labels, strict=True)]
        pairs = _compared(images, scratch / IMAGES, on_progress)
        shipped = None if options.resplit else _shipped_split(images, pairs, source)
        kept = _once(images, problems)
        pairs = _among(pairs, kept)
        images = [images[i] for i in kept]
        patients = [image.patient for image in images]
        together = joined(clusters(len(images), pairs), patients)
        labels = [image.label for image in images]
        if shipped:
            parts = _with_validation([shipped[i] for i in kept], together, labels, options)
        else:
            parts = split(together, labels, options.shares, seed=options.seed)
        leaks = leaks_between(pairs, parts, labels)
        examples = _examples(images, parts, together, Wording(sorted(set(labels)), normal, options.names))
        _write(
            scratch,
            examples,
            normal=normal,
            source=source,
            options=options,
            problems=problems,
            leaks=leaks,
            shipped=shipped is not None,
        )
        if out.exists():
            out.rmdir()  # empty: _check has looked
        scratch.replace(out)
    except BaseException:
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    return Prepared(Dataset.read(out), tuple(problems), tuple(leaks))


@dataclass(frozen=True, slots=True)
class _Image:
    """One image in the scratch folder. id: digest of its pixels; file: in images/; name: of the file it came from."""

    id: str
    file: str
    name: str
    label: str
    split: Split | None
    patient: str | None
    captions: Mapping[str, str]
    groups: Mapping[str, str]


def _check(out: Path, options: Options) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} holds something already: choose another folder with --out, or remove it.")
    shares = options.shares
    if abs(sum(shares.values()) - 1) > 1e-9 or min(shares.values()) < 0 or shares.get("test", 0) <= 0:
        told = ", ".join(f"{part} {share:g}" for part, share in shares.items())
        raise UsageError(f"The shares are {told}: they have to be 0 or more, together 1, and test more than 0.")


def _stored(
    source: Path, folder: Path, options: Options, problems: list[Problem], on_progress: OnProgress | None
) -> list[_Image]:
    """Read the source and write each picture to `folder`. Raises InputError when nothing can be used."""
    found = entries(source, group_columns=options.group_columns)
    images = []
    for raw in read_images(found, problems, on_progress=_stage(on_progress, "Reading")):
        if raw.colour and not options.colour:
            name = raw.entry.path.name
            message = f"{name} has colours, where X-ray and MRI images are grey; --colour takes such images too."
            problems.append(Problem(name, message))
            continue
        images.append(_image(raw, folder))
    if not images:
        raise InputError(f"No image of {source} can be used: {problems[0].message}")
    return images


def _image(raw: Raw, folder: Path) -> _Image:
    entry = raw.entry
    file = f"{raw.digest}.png"
    (folder / file).write_bytes(raw.png)
    return _Image(raw.digest, file, entry.path.name, entry.label, entry.split, raw.patient, entry.captions, raw.groups)


def _compared(images: Sequence[_Image], folder: Path, on_progress: OnProgress | None) -> list[Pair]:
    """Pairs among all images; two files with the same pixels are one, too."""
    holders: dict[str, list[int]] = {}
    for i, image in enumerate(images):
        holders.setdefault(image.file, []).append(i)
    distinct = list(holders)
    found = find_pairs([folder / file for file in distinct], on_progress=_stage(on_progress, "Comparing"))
    pairs = [
        dataclasses.replace(pair, one=min(i, j), other=max(i, j))
        for pair in found
        for i in holders[distinct[pair.one]]
        for j in holders[distinct[pair.other]]
    ]
    equal = [
        Pair(i, j, "same", 1.0, False) for held in holders.values() for k, i in enumerate(held) for j in held[k + 1 :]
    ]
    return sorted([*pairs, *equal], key=lambda pair: (pair.one, pair.other))


def _shipped_split(images: Sequence[_Image], pairs: Sequence[Pair], source: Path) -> list[Split] | None:
    """The split that the source comes with, None without one.

    Raises InputError when only some images have one, it has no test part, or the same image is in its test part and in
    another.
    """
    parts: list[Split] = [image.split for image in images if image.split is not None]
    if not parts:
        return None
    if len(parts) < len(images):
        without = f"{len(images) - len(parts)} of the {len(images)} images of {source}"
        raise InputError(f"{without} have no split: give all one, or --resplit.")
    if not {"train", "test"} <= set(parts):
        raise InputError(f"{source} has no {'test' if 'train' in parts else 'train'} part: add one, or --resplit.")
    leaks = leaks_between(pairs, parts, [image.label for image in images])
    leaking = [f"{leak.label} {leak.same} of {leak.total}" for leak in leaks if leak.same]
    if leaking:
        raise InputError(
            f"The split that comes with {source} leaks: of its test images so many are in another part too, saved "
            f"again, cropped or mirrored: {', '.join(leaking)}. What it measures flatters; --resplit makes another."
        )
    return parts


def _with_validation(
    parts: Sequence[Split], together: Sequence[int], labels: Sequence[str], options: Options
) -> list[Split]:
    """The shipped split; where it has no validation part, one is taken out of its training part."""
    share = options.shares.get("validation", 0)
    if "validation" in parts or not share:
        return list(parts)
    training = [i for i, part in enumerate(parts) if part == "train"]
    shares: dict[Split, float] = {"train": 1 - share, "validation": share}
    made = split([together[i] for i in training], [labels[i] for i in training], shares, seed=options.seed)
    changed = list(parts)
    for i, part in zip(training, made, strict=True):
        changed[i] = part
    return changed


def _once(images: Sequence[_Image], problems: list[Problem]) -> list[int]:
    """Indices of the images to keep: of equal ones the first, and none where they have different labels."""
    labels: dict[str, set[str]] = {}
    for image in images:
        labels.setdefault(image.id, set()).add(image.label)
    kept: dict[str, int] = {}
    for i, image in enumerate(images):
        if len(labels[image.id]) > 1:
            told = " and ".join(sorted(labels[image.id]))
            message = f"{image.name} is there with the labels {told}: say which is right, and prepare again."
            problems.append(Problem(image.name, message))
        elif image.id in kept:
            first = images[kept[image.id]].name
            problems.append(Problem(image.name, f"{image.name} has the pixels of {first}, which is kept."))
        else:
            kept[image.id] = i
    return list(kept.values())


def _among(pairs: Iterable[Pair], kept: Sequence[int]) -> list[Pair]:
    """The pairs of images that are kept, by their new places."""
    place = {old: new for new, old in enumerate(kept)}
    return [
        dataclasses.replace(pair, one=place[pair.one], other=place[pair.other])
        for pair in pairs
        if pair.one in place and pair.other in place
    ]


def _examples(
    images: Sequence[_Image], parts: Sequence[Split], together: Sequence[int], wording: Wording
) -> list[Example]:
    examples = []
    for image, part, group in zip(images, parts, together, strict=True):
        captions = {**wording.template(image.label, image.groups), **image.captions}
        examples.append(
            Example(
                id=image.id,
                image=image.file,
                label=image.label,
                abnormal=image.label != wording.normal,
                split=part,
                cluster=images[group].id,
                patient=image.patient,
                captions=captions,
                caption_by="table" if image.captions else "label",
                turns=wording.turns(image.label, captions),
                groups=image.groups,
            )
        )
    return examples


def _write(
    folder: Path,
    examples: Sequence[Example],
    *,
    normal: str,
    source: Path,
    options: Options,
    problems: Sequence[Problem],
    leaks: Sequence[Leak],
    shipped: bool,
) -> None:
    used = {example.image for example in examples}
    for file in (folder / IMAGES).iterdir():
        if file.name not in used:
            file.unlink()
    labels = sorted({example.label for example in examples})
    counts = Counter((example.split, example.label) for example in examples)
    manifest = {
        "format": FORMAT,
        "labels": labels,
        "names": known_names(labels, options.names),
        "normal": normal,
        "source": source.name,
        "split_from": "source" if shipped else "rag-app",
        "options": dataclasses.asdict(options),
        "counts": {part: {label: counts[part, label] for label in labels} for part in SPLITS},
        "leaks": [leak.to_dict() for leak in leaks],
        "problems": [problem.to_dict() for problem in problems],
        "digest": digest_of(examples, labels),
        "versions": {name: version(name) for name in ("rag-app", "pydicom", "pillow", "opencv-python-headless")},
    }
    lines = [json.dumps(example.to_dict(), ensure_ascii=False) for example in examples]
    (folder / EXAMPLES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
    folder.chmod(0o755)


def _stage(on_progress: OnProgress | None, name: str) -> Callable[[int, int], None] | None:
    return (lambda done, total: on_progress(name, done, total)) if on_progress else None
