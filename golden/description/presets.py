"""Where parameters are read from: named presets, and TOML files."""

import tomllib
from importlib import resources
from pathlib import Path

from popflip.golden.description.sections.common import ParamsError
from popflip.golden.support.files import FileError, read_file

__all__ = ["preset_names", "read_tree"]

#: Bytes that a file of parameters may have; a preset has some hundreds.
MOST = 1 << 20


def _folder():
    return resources.files("popflip.golden") / "presets"


def preset_names() -> list[str]:
    """Names of the presets, sorted."""
    return sorted(
        entry.name.removesuffix(".toml")
        for entry in _folder().iterdir()
        if entry.name.endswith(".toml")
    )


def read_tree(source: str | Path) -> dict:
    """Read a preset by name, or a TOML file by path, as a nested dict.

    Raises
    ------
    ParamsError
        If there is no such preset or file, or it is no TOML.
    TooLargeError
        If the file has more than ``MOST`` bytes.
    """
    path = Path(source)
    if str(source) in preset_names():
        text = (_folder() / f"{source}.toml").read_text("utf-8")
    elif path.suffix == ".toml":
        try:
            # With a byte order mark, as some editors write it.
            text = read_file(path, MOST, "a file of parameters").decode("utf-8-sig")
        except FileError as error:
            raise ParamsError(f"cannot read {error}") from None
        except UnicodeDecodeError as error:
            raise ParamsError(f"cannot read {path}: {error}") from None
    else:
        raise ParamsError(
            f"preset must be one of {', '.join(preset_names())} or a .toml file, "
            f"not {str(source)!r}"
        )
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ParamsError(f"{source} is not valid TOML: {error}") from None
