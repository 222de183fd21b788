"""`rag-app medical export`: a tuned model merged, for transformers and for Ollama."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rag_app.cli.frame import Call, Shown, command, pass_call
from rag_app.errors import UsageError

if TYPE_CHECKING:
    from rag_app.medical.exporting import Sight


@command(
    "export",
    example="rag-app medical export hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri --out merged\n"
    "rag-app medical export hf:Qwen/Qwen2.5-VL-3B-Instruct+adapters/mri --out merged --ollama my-mri --data dataset",
)
@click.argument("name", metavar="MODEL")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="The folder for the merged model.",
)
@click.option("--ollama", metavar="NAME", help="Also make it a model of Ollama of this name, and see that it sees.")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="A prepared dataset, whose test images the model is shown; needed with --ollama.",
)
@pass_call
def export(call: Call, *, name: str, out: Path, ollama: str | None, data: Path | None) -> Shown:
    """Merge a tuned adapter into its model, hf:NAME+ADAPTER.

    The merged model is used as hf:DIR. Adapters as such do not reach Ollama: a converted one loses its vision layers
    without a word, merged weights keep them. With --ollama the model is then asked about different images, and has to
    answer differently. For study and research, not for the diagnosis of patients.
    """
    from rag_app.medical import DISCLAIMER
    from rag_app.medical.exporting import export as merge
    from rag_app.medical.exporting import look, shown_otherwise
    from rag_app.medical.records import Dataset

    if ollama and data is None:
        raise UsageError("--ollama needs --data DIR: the images by which it is seen that the model still sees.")
    dataset = Dataset.read(data) if data else None
    call.interrupted = f"Interrupted; {out} is whole where it is there. Run it again."
    merge(name, out)
    document: dict[str, Any] = {"model": f"hf:{out}", "disclaimer": DISCLAIMER["en"]}  # Any: JSON
    lines = [f"Merged. Use it as hf:{out}"]
    sight = None
    if ollama and dataset is not None:
        from adapters.names import load_model, parse_model_name
        from adapters.ollama.creating import create
        from rag_app.settings import Settings

        settings = Settings.load(call.library)
        create(ollama, out, settings)
        model = load_model("vision", parse_model_name(f"ollama:{ollama}"), settings)
        model.check(pictures=True)
        sight = look(model, dataset)
        document |= {"ollama": f"ollama:{ollama}", "sight": sight.to_dict()}
        lines += _told(sight, ollama)
        if budgets := shown_otherwise(out):
            tuned, served = budgets
            lines.append(
                f"It was tuned on pictures of {tuned}; Ollama shows it {served}. Measure it there, or train with "
                f"--min-pixels {served.smallest} --max-pixels {served.largest}."
            )
            document["pixels"] = {"tuned": asdict(tuned), "ollama": asdict(served)}
    lines.append(DISCLAIMER["en"])
    return Shown(document, "\n".join(lines), exit_code=1 if sight is not None and not sight.sees else 0)


def _told(sight: Sight, name: str) -> list[str]:
    replies = [f"  {label}: {reply}" for label, reply in sight.replies]
    if sight.sees:
        return [f"ollama:{name} answers differently about different images:", *replies]
    return [
        f"ollama:{name} says the same of every image, so it does not see what it was tuned on. Do not use it.",
        *replies,
    ]
