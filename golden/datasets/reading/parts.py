"""Which files of a folder are for training and which for the test, by their names."""

from pathlib import Path

from popflip.golden.datasets.reading.raw import DataError, listed

__all__ = ["TEST", "TRAIN", "find_parts"]

#: Names of what is for training.
TRAIN = ("train", "training")

#: Names of what is for the test, the likelier ones first.
TEST = ("test", "testing", "t10k", "val", "valid", "validation")


def find_parts(path: Path, endings: tuple[str, ...]) -> tuple[Path, Path | None] | None:
    """Find a file, or the two files of a folder.

    Parameters
    ----------
    path : Path
        A file; or a folder that holds one, or one for training and one for the test.
    endings : tuple of str
        How such files are called at their end.

    Returns
    -------
    tuple of Path, or None
        For training, and for the test if there is one; None if there are no such files.

    Raises
    ------
    DataError
        If a folder has several such files, and none of them is called ``train``.
    """
    if path.is_file():
        return (path, None) if path.name.lower().endswith(endings) else None
    if not path.is_dir():
        return None
    found: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        name = file.name.lower()
        ending = next((end for end in endings if name.endswith(end)), None)
        if ending and file.is_file() and not name.startswith("."):
            found.setdefault(name.removesuffix(ending), file)
    if not found:
        return None
    train = next((found[name] for name in TRAIN if name in found), None)
    test = next((found[name] for name in TEST if name in found), None)
    if train is None and len(found) > 1:
        raise DataError(
            f"{path} holds {len(found)} files ({listed(f.name for f in found.values())}); name "
            f"one, or call them train{endings[0]} and test{endings[0]}"
        )
    return (train, test) if train is not None else (next(iter(found.values())), None)
