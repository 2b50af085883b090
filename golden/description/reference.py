"""Every key of a TOML file, from the models themselves: as rows of a table, and as a file to edit.

Types and meanings stand in the numpydoc section ``Parameters`` of each section's class, ranges and
defaults in its fields. Nothing is written down a second time.
"""

import inspect
import re
import textwrap
from typing import Any, NamedTuple

import tomlkit
from pydantic import BaseModel

from popflip.golden.description.params import Params
from popflip.golden.description.sections.common import Section
from popflip.golden.description.sections.machine import DERIVED_LANES

__all__ = ["Row", "rows", "to_toml"]

#: Longest line of a file that is written.
_WIDTH = 100

#: In place of a default.
_REQUIRED = "must be given"


class Row(NamedTuple):
    """One key; all of it is text, with code in Markdown's backticks.

    Attributes
    ----------
    section : str
        Empty for a key above all sections.
    key, type : str
    range : str
        What it may be, but for what depends on other keys.
    default : str
        As in TOML; or what stands in for it.
    meaning : str
    """

    section: str
    key: str
    type: str
    range: str
    default: str
    meaning: str


def rows() -> list[Row]:
    """List every key, section by section, in the order in which they are declared."""
    listed = []
    for section, model in _models():
        schema = model.model_json_schema()["properties"]
        documented = _documented(model)
        for key in _keys(model):
            kind, meaning = documented[key]
            told = Row(section, key, kind, _range(schema[key]), _default(model, key), meaning)
            listed.append(told)
    return listed


def to_toml(params: Params) -> str:
    """Write parameters as TOML, each key with its meaning, range and default above it.

    Keys that are left out stand there as comments. ``Params.build`` of what is read back equals
    ``params``.
    """
    file = tomlkit.document()
    about = {(row.section, row.key): row for row in rows()}
    table: Any
    for section, model in _models():
        if section:
            table = tomlkit.table()
            _remark(table, *_paragraphs(model))
            table.add(tomlkit.nl())
        else:
            table = file
        values = getattr(params, section) if section else params
        for key in _keys(model):
            row = about[section, key]
            default = row.default if row.default == _REQUIRED else f"default: {row.default}"
            _remark(table, f"{key}: {row.meaning}", "; ".join(filter(None, [row.range, default])))
            value = getattr(values, key)
            if value is None:
                table.add(tomlkit.comment(f"{key} ="))
            else:
                table.add(key, list(value) if isinstance(value, tuple) else value)
            table.add(tomlkit.nl())
        if section:
            file.add(section, table)
    return tomlkit.dumps(file).rstrip() + "\n"


def _models() -> list[tuple[str, type[BaseModel]]]:
    """The sections, after what stands above them, whose name is empty."""
    sections = {
        name: field.annotation
        for name, field in Params.model_fields.items()
        if inspect.isclass(field.annotation) and issubclass(field.annotation, Section)
    }
    return [("", Params), *sections.items()]


def _keys(model: type[BaseModel]) -> list[str]:
    sections = {name for name, _ in _models()} if model is Params else set()
    return [name for name in model.model_fields if name not in sections]


def _remark(table, *paragraphs: str) -> None:
    for paragraph in paragraphs:
        for line in textwrap.wrap(paragraph.replace("`", ""), _WIDTH - 2):
            table.add(tomlkit.comment(line))


def _paragraphs(model: type[BaseModel]) -> list[str]:
    """Text of a class's docstring ahead of its numpydoc sections."""
    text = (inspect.getdoc(model) or "").split("\nParameters\n-")[0]
    return _plain(text).split("\n\n")


def _documented(model: type[BaseModel]) -> dict[str, tuple[str, str]]:
    """Type and meaning of each key in the numpydoc section ``Parameters`` of a class."""
    text = inspect.getdoc(model) or ""
    found = re.search(r"^Parameters\n-+\n(.*?)(?=\n\w[^\n]*\n-+\n|\Z)", text, re.M | re.S)
    entries = re.split(r"^(\w+) : ([^\n]+)$", found[1] if found else "", flags=re.M)[1:]
    return {
        name: (kind, _plain(meaning))
        for name, kind, meaning in zip(entries[::3], entries[1::3], entries[2::3], strict=True)
    }


def _plain(text: str) -> str:
    """Join lines, and turn the markup of docstrings into Markdown's."""
    text = re.sub(r":\w+:`~?(?:[\w.]*\.)?(\w+)`", r"`\1`", text.replace("``", "`"))
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.strip().split("\n\n"))


def _range(schema: dict) -> str:
    """What a JSON schema allows, in words."""
    if "anyOf" in schema:
        return _range(next(each for each in schema["anyOf"] if each["type"] != "null"))
    if "enum" in schema:
        return ", ".join(f"`{_toml(value)}`" for value in schema["enum"])
    if schema["type"] == "boolean":
        return "`true`, `false`"
    if schema["type"] == "array":
        least, most = schema.get("minItems", 0), schema.get("maxItems")
        count = f"{least} to {most:,}" if most is not None else f"{least} or more"
        if least == most:
            count = f"{least}"
        items = schema.get("items") or schema["prefixItems"][0]
        each = _range(items)
        return f"{count} entries, each {each}" if each else f"{count} entries"
    if schema["type"] == "string":
        return ""
    least = schema["minimum"]
    most = schema["maximum"] if "maximum" in schema else schema["exclusiveMaximum"] - 1
    steps = f", a multiple of {schema['multipleOf']:,}" if "multipleOf" in schema else ""
    return f"{least:,} to {most:,}{steps}"


def _default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if key in DERIVED_LANES:
        return "from the network"
    if field.is_required():
        return _REQUIRED
    return "left out" if field.default is None else f"`{_toml(field.default)}`"


def _toml(value) -> str:
    return tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string()
