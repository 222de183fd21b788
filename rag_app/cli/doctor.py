"""`rag-app doctor`."""

from __future__ import annotations

import click

from rag_app.cli.frame import Call, Shown, command, pass_call

_COLOURS = {"ok": "green", "note": "blue", "missing": "yellow", "broken": "red"}


@command("doctor", example="rag-app doctor\nrag-app doctor --json | jq '.checks[] | select(.state != \"ok\")'")
@pass_call
def doctor(call: Call) -> Shown:
    """Check the installation and the library.

    What is missing or broken comes with the command that mends it. Exit code 1 when something is broken; what is
    missing is optional.
    """
    from rag_app.doctor import diagnose

    checks = diagnose(call.library)
    width = max(len(check.name) for check in checks)
    lines = []
    for check in checks:
        lines.append(
            f"{click.style(f'{check.state:8}', fg=_COLOURS[check.state])} {check.name:{width}}  {check.message}"
        )
        if check.mend:
            lines.append(f"{'':{width + 11}}mend: {check.mend}")
    broken = sum(check.state == "broken" for check in checks)
    missing = sum(check.state == "missing" for check in checks)
    lines += ["", "All is well." if not broken and not missing else f"{broken} broken, {missing} missing."]
    document = {"checks": [check.to_dict() for check in checks], "broken": broken, "missing": missing}
    return Shown(document, "\n".join(lines), exit_code=1 if broken else 0)
