"""Lines from a person at a terminal, by prompt_toolkit: history, editing, completion, Persian in the order of the eye.

The only module that knows prompt_toolkit. Enter sends; Alt-Enter, or a backslash before Enter, starts a new line; what
is pasted keeps its lines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.filters import has_completions
from prompt_toolkit.formatted_text import fragment_list_to_text
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput

from rag_app.repl.bidi_line import drawn
from rag_app.repl.commands import COMMANDS
from rag_app.repl.completing import Names, completions

PROMPT = "? "
_CONTINUED = "… "
_LONGEST_HISTORY = 1_000_000  # bytes of the history file, from which on the older half goes


def line_reader(names: Names, *, history: Path | None, reorder: bool) -> Callable[[], str]:
    """A function that reads the next input from the keyboard; EOFError at its end, KeyboardInterrupt on Ctrl-C.

    history: file of the lines before, for its owner alone; None to keep none. reorder: right-to-left lines are put in
    the order of the eye while they are written.
    """
    session: PromptSession[str] = PromptSession(
        PROMPT,
        multiline=True,
        key_bindings=_keys(),
        prompt_continuation=_CONTINUED,
        completer=_Completer(names),
        complete_while_typing=True,
        history=_history(history),
        input_processors=[_OrderOfTheEye()] if reorder else [],
        reserve_space_for_menu=4,
    )
    return session.prompt


def _history(path: Path | None) -> History:
    if path is None:
        return InMemoryHistory()
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
        path.chmod(0o600)
        content = path.read_bytes()
        if len(content) > _LONGEST_HISTORY:
            path.write_bytes(content[content.find(b"\n\n# ", len(content) // 2) + 1 :])
    except OSError:  # a library that cannot be written: nothing is kept
        return InMemoryHistory()
    return FileHistory(str(path))


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter", filter=~has_completions)
    def _(event: KeyPressEvent) -> None:
        _send(event)

    @keys.add("enter", filter=has_completions)
    def _(event: KeyPressEvent) -> None:
        """Take what is chosen in the menu; else send."""
        state = event.current_buffer.complete_state
        if state is not None and state.current_completion is not None:
            event.current_buffer.complete_state = None
        else:
            _send(event)

    @keys.add("escape", "enter")
    def _(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    return keys


def _send(event: KeyPressEvent) -> None:
    buffer = event.current_buffer
    if buffer.document.text_before_cursor.endswith("\\"):
        buffer.delete_before_cursor()
        buffer.insert_text("\n")
    else:
        buffer.validate_and_handle()


class _Completer(Completer):
    def __init__(self, names: Names) -> None:
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        line = document.text_before_cursor
        for text, replaced in completions(line, self._names):
            help_line = COMMANDS[text].help if " " not in line and text in COMMANDS else None
            yield Completion(text, start_position=-replaced, display_meta=help_line)


class _OrderOfTheEye(Processor):
    """Draws a right-to-left line in the order of the eye, at the right edge; one too long for the window as it is."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        fragments = transformation_input.fragments
        text = fragment_list_to_text(fragments)
        line = drawn(text.removesuffix(" "))  # prompt_toolkit ends a line with a blank for the cursor
        room = transformation_input.width - len(PROMPT) - 3  # the blanks for the cursor fit too
        if line.text == text.removesuffix(" ") or len(line.text) > room:
            return Transformation(fragments)
        lead = room - len(line.text) if line.text.startswith(" ") and line.place[-1] == 0 else 0
        place = [lead + at for at in line.place]
        back = {at: index for index, at in reversed(list(enumerate(place)))}
        return Transformation(
            [("", " " * lead + line.text + " ")],
            source_to_display=lambda index: place[min(index, len(place) - 1)],
            display_to_source=lambda at: back.get(at, len(place) - 1),
        )
