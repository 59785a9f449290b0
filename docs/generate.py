"""Writes the pages that come from the code, and the JSON schema of study files: `make reference`.

`pages()` is what the files must hold; a test compares. The data dictionary is written by `asteer warehouse dictionary`.
"""

import ast
import importlib
import inspect
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from asteer_core.study.template import json_schema
from asteer_pipeline.cli.app import app

ROOT = Path(__file__).resolve().parents[1]
MADE = "<!-- written by docs/generate.py: change the code, then `make reference` -->"
DOORS = (
    "concepts", "datasets", "model", "vector_files", "methods", "selection", "metrics", "judges", "detectors", "choosing", "analysis",
    "warehouse", "study", "search", "training_set", "report",
)  # fmt: skip
EXIT_CODES = """\
| exit code | meaning |
|---|---|
| 0 | done |
| 1 | a bug: the traceback is shown; please report it |
| 2 | something you can fix: the message says what, where, and how; `--debug` adds the traceback |
| 3 | a check found something: `asteer doctor` a fault, `asteer concepts check` a weakness |
| 130 | interrupted: what is finished is kept, and the same command goes on |"""


def pages() -> dict[Path, str]:
    """Return what each generated file must hold, by its path."""
    reference = ROOT / "docs" / "reference"
    return {
        reference / "commands.md": commands_page(),
        reference / "study-file.md": study_page(),
        reference / "python.md": python_page(),
        ROOT / "data" / "schemas" / "study.json": json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n",
    }


def commands_page() -> str:
    """Return the page on every command, its arguments and options."""
    lines = [
        MADE, "# Commands", "",
        "`asteer COMMAND --help` says the same at the terminal. `asteer --install-completion` makes the shell complete commands and",
        "options.",
        "`--debug`, anywhere on the line, shows the traceback of an error. `--home` is where results lie: by default `ASTEER_HOME`,",
        "else `./.asteer`.",
        "", EXIT_CODES, "",
    ]  # fmt: skip
    for name, command in _leaves(typer.main.get_command(app), "asteer"):
        arguments = [item for item in command.params if item.param_type_name == "argument"]
        usage = " ".join([name, *(_argument(item) for item in arguments), "[OPTIONS]"])
        lines += [f"## {name}", "", f"`{usage}`", "", inspect.cleandoc(command.help or ""), ""]
        rows = [_row(item) for item in command.params if item.name != "help" and not item.hidden]
        lines += ["| | default | |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(lines).rstrip() + "\n"


def study_page() -> str:
    """Return the page on every key of a study file, its values and default."""
    schema = json_schema()
    lines = [
        MADE, "# The study file", "",
        "`asteer study init` writes one with every key and a comment. Unknown keys are errors that name the nearest known one.",
        "The JSON schema, for editors that complete and check YAML, is `data/schemas/study.json`; `asteer study schema` prints it.", "",
    ]  # fmt: skip
    sections = [("The file", schema)]
    for title, section in sorted(schema["$defs"].items()):
        # A judge may be one of several kinds, each with options of its own.
        kinds = {f"{section['title']} {one['title']}": one for one in section.get("anyOf", []) if "properties" in one}
        links = ", ".join(f"[{name}](#{name.lower().replace(' ', '-')})" for name in kinds)
        sections += [(title, {"description": f"The name of a kind, or a mapping: {links}."} if kinds else section), *kinds.items()]
    for title, section in sections:
        if "properties" not in section:
            lines += [f"## {title}", "", section["description"], ""]
            continue
        required = section.get("required", [])
        lines += [f"## {title}", "", section.get("description", ""), "", "| key | value | default | |", "|---|---|---|---|"]
        for key, field in section["properties"].items():
            default = "required" if key in required else _default(field)
            lines.append(f"| `{key}` | {_cell(_kind(field))} | {default} | {_cell(field.get('description', ''))} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def python_page() -> str:
    """Return the page on the public names of every room of `asteer_core`."""
    lines = [
        MADE, "# Python", "",
        "What each room of `asteer_core` offers at its door, in the order in which data pass. Names that are not here may change",
        "without notice.", "", *_door("asteer_core"),
    ]  # fmt: skip
    for room in DOORS:
        lines += _door(f"asteer_core.{room}")
    return "\n".join(lines).rstrip() + "\n"


def _leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None or command.invoke_without_command:
        yield name, command
    if inner is None:
        return
    for word in sorted(inner):
        yield from _leaves(inner[word], f"{name} {word}")


def _argument(item: Any) -> str:
    word = item.name.upper().replace("_", "-") + ("..." if item.nargs != 1 else "")
    return word if item.required else f"[{word}]"


def _row(item: Any) -> str:
    if item.param_type_name == "argument":
        name = f"`{item.name.upper()}`"
    else:
        name = ", ".join(f"`{option}`" for option in [*item.opts, *item.secondary_opts])
    default = "" if item.default in (None, False, "") or callable(item.default) else f"`{_plain(item.default)}`"
    return f"| {name} | {'required' if item.required else default} | {_cell(item.help or '')}{' Repeatable.' if item.multiple else ''} |"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(getattr(value, "value", value))


def _kind(field: dict[str, Any]) -> str:
    """Return in words what a field of the schema may hold."""
    if "$ref" in field:
        name = field["$ref"].rsplit("/", 1)[-1]
        return f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        return " or ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(choice) for choice in field["anyOf"] if choice.get("type") != "null"))
    if field.get("type") == "array":
        return f"list of {_kind(field['items'])}"
    if field.get("type") == "object":
        return "mapping (" + ", ".join(f"`{key}`" for key in field["properties"]) + ")" if "properties" in field else "mapping"
    return {"string": "text", "integer": "whole number"}.get(field.get("type", ""), field.get("type", "")) + _bounds(field)


def _bounds(field: dict[str, Any]) -> str:
    words = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
    return "".join(f" {sign} {field[key]:g}" for key, sign in words.items() if key in field)


def _default(field: dict[str, Any]) -> str:
    value = field.get("default")
    if isinstance(value, dict) or value is None or value == "":
        return ""
    if isinstance(value, list):
        value = [one["name"] if isinstance(one, dict) else one for one in value]
    return f"`{json.dumps(value)}`"


def _door(module: str) -> list[str]:
    """Return the section on a package: its first line, and each public name with the first line of what it says of itself."""
    door = importlib.import_module(module)
    lines = [f"## {module}", "", _first_line(door.__doc__), "", "| name | |", "|---|---|"]
    notes = _constants(door)
    for name in sorted(door.__all__, key=str.casefold):
        value = getattr(door, name)
        told = inspect.getdoc(value) if callable(value) or inspect.ismodule(value) else notes.get(name)
        lines.append(f"| `{name}` | {_cell(_first_line(told or notes.get(name) or ''))} |")
    return [*lines, ""]


def _constants(door: Any) -> dict[str, str]:
    """Return the strings that stand below constants in the modules of a package."""
    notes: dict[str, str] = {}
    for file in sorted(Path(door.__file__).parent.glob("*.py")):
        body = ast.parse(file.read_text(encoding="utf-8")).body
        for stated, after in itertools.pairwise(body):
            target = stated.targets[0] if isinstance(stated, ast.Assign) else getattr(stated, "target", None)
            if isinstance(target, ast.Name) and isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                notes[target.id] = str(after.value.value)
    return notes


def _first_line(text: str | None) -> str:
    return (text or "").strip().split("\n\n")[0].replace("\n", " ").strip()


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
