"""Tables in Parquet files, read with pyarrow (the extra ``tables``)."""

from pathlib import Path

import numpy as np

from popflip.golden.datasets.reading.parts import find_parts
from popflip.golden.datasets.reading.raw import (
    MOST_BYTES,
    DataError,
    RawData,
    RawSamples,
    Wanted,
)
from popflip.golden.datasets.reading.tables import check_names, label_column, read_parts, samples_of

__all__ = ["TITLE", "can_read", "read"]

TITLE = "a Parquet table"

_ENDINGS = (".parquet", ".pq")


def can_read(path: Path) -> bool:
    """Whether it is a table, or a folder of one."""
    return find_parts(path, _ENDINGS) is not None


def read(path: Path, wanted: Wanted) -> RawData:
    """Read a table, or the two tables of a folder."""
    return read_parts(path, _ENDINGS, wanted, _read_file)


def _read_file(path: Path, wanted: Wanted) -> RawSamples:
    try:
        # Imported where it is used: an extra, and a large one.
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise DataError(
            f"{path} needs pyarrow: pip install 'popflip[tables]'; or save the table as CSV"
        ) from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            return _table(path, file, wanted)
    except pyarrow.ArrowException as error:
        text = str(error).splitlines()[0]
        raise DataError(f"{path} is no Parquet file, or is damaged: {text}") from None
    except OSError as error:
        text = error.strerror or str(error).splitlines()[0]
        raise DataError(f"{path} cannot be read: {text}") from None


def _table(path, file, wanted) -> RawSamples:
    source, schema = str(path), file.schema_arrow
    names = list(schema.names)
    check_names(names, wanted, source)
    size = file.metadata.num_rows * len(names) * 8
    unpacked = sum(
        file.metadata.row_group(i).total_byte_size for i in range(file.metadata.num_row_groups)
    )
    if max(size, unpacked) > MOST_BYTES:
        raise DataError(
            f"{path} is too large: its {file.metadata.num_rows:,} rows of {len(names)} columns "
            f"take {max(size, unpacked):,} bytes, of which {MOST_BYTES:,} can be read"
        )
    label = label_column(names, wanted, source)
    used = [name for name in names if name not in wanted.ignore]
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in used}
    # Piece by piece, and no further than the file promises.
    done = 0
    for batch in file.iter_batches(columns=used):
        done += len(batch)
        if done > file.metadata.num_rows:
            raise DataError(f"{path} is damaged: it has more rows than it promises")
        for name in used:
            pieces[name].append(_column(source, name, batch.column(name)))
    if not file.metadata.num_rows:
        raise DataError(f"{path} has no rows")
    columns = {name: np.concatenate(each) for name, each in pieces.items()}
    return samples_of(columns, label, wanted, source)


def _column(source, name, column) -> np.ndarray:
    """Return a piece of a column as numbers or as texts; what is missing is NaN or empty."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.array([text or "" for text in column.to_pylist()], str)
    raise DataError(
        f"{source}: column {name!r} must hold numbers or texts, not {kind}; leave it out: "
        f'data.ignore = ["{name}"]'
    )
