"""The interactive prompt of `asteer sql`: completion, history, statements over several lines, paging.

What does not belong here: running SQL (`asteer_core.warehouse`) and how rows look (`rows`).
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from asteer_core.errors import AsteerError, unknown_name
from asteer_core.warehouse.completion import Name
from asteer_core.warehouse.publish import quote

LISTED = ("table", "view", "macro")
HELP = """\
End a statement with ; and Enter. Tab completes; arrow up and Ctrl-R search what was typed before.
  .tables            the tables, views and macros, with what they hold
  .describe NAME     the columns of one, with units
  .quit              leave (also Ctrl-D)"""


class Names(Completer):
    """Completes the word before the cursor, tables first after FROM and JOIN."""

    def __init__(self, names: Sequence[Name]) -> None:
        self._names = names

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Yield what may stand here, in the order in which it is likely."""
        word = document.get_word_before_cursor()
        if not word.strip():
            return
        before = document.text_before_cursor[: -len(word)].rstrip().upper()
        wants_table = before.endswith(("FROM", "JOIN", ".DESCRIBE", "DESCRIBE"))
        found = [name for name in self._names if name.text.lower().startswith(word.lower())]
        if wants_table:
            found = [name for name in found if name.kind in ("table", "view", "macro")]
        for name in found:
            yield Completion(name.text, start_position=-len(word), display_meta=f"{name.kind}  {name.doc[:60]}".rstrip())


def shell(
    names: Sequence[Name], history: Path, run: Callable[[str], None], complain: Callable[[str], None], say: Callable[[str], None]
) -> None:
    """Read statements until the end of input, give each to `run`, and go on after an error."""
    history.parent.mkdir(parents=True, exist_ok=True)
    session: PromptSession[str] = PromptSession(
        message="asteer> ",
        completer=Names(names),
        history=FileHistory(str(history)),
        lexer=PygmentsLexer(SqlLexer),
        multiline=True,
        prompt_continuation="     -> ",
        key_bindings=_keys(),
        complete_while_typing=False,
    )
    say('Read-only SQL over the warehouse. ".help" says more; try: FROM leaderboard LIMIT 5;')
    while True:
        try:
            text = session.prompt().strip()
        except KeyboardInterrupt:
            continue
        except EOFError:
            return
        if leaves(text):
            return
        if text:
            _answer(text, names, run, complain, say)


def _answer(
    text: str, names: Sequence[Name], run: Callable[[str], None], complain: Callable[[str], None], say: Callable[[str], None]
) -> None:
    command, _, argument = text.partition(" ")
    try:
        if command == ".help":
            say(HELP)
        elif command == ".tables":
            wide = max((len(name.text) for name in names if name.kind in LISTED), default=0)
            say("\n".join(f"{name.text:{wide}}  {name.doc}" for name in names if name.kind in LISTED))
        elif command == ".describe":
            table, tables = argument.strip(" ;"), [name.text for name in names if name.kind in ("table", "view")]
            if table not in tables:
                raise unknown_name("table", table, tables)
            run(
                "SELECT column_name, data_type, comment FROM duckdb_columns() "
                f"WHERE schema_name = 'main' AND table_name = {quote(table)} ORDER BY column_index"
            )
        elif command.startswith((".", "\\")):
            complain(f"{command}: no such command\n{HELP}")
        else:
            run(text.rstrip("; \n"))
    except AsteerError as error:
        complain(str(error))
    except KeyboardInterrupt:
        complain("interrupted")


def leaves(text: str) -> bool:
    """Return whether the reader wants to leave: .quit, or what other prompts call it."""
    return text.strip().rstrip(";").strip().lower().lstrip(".\\") in ("quit", "exit", "q")


def is_complete(text: str) -> bool:
    """Return whether Enter ends the statement: it ends in a semicolon, is a dot command, asks to leave, or is empty."""
    stripped = text.strip()
    return not stripped or leaves(stripped) or stripped.startswith((".", "\\")) or stripped.endswith(";")


def _keys() -> KeyBindings:
    keys = KeyBindings()

    @keys.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return keys
