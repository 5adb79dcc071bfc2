# SPDX-License-Identifier: Apache-2.0
"""Rows of this process as a file that the program reads: lists, tables, generators, written one row at a time.

Memory stays bounded: a generator is read row by row, a table in slices. Numbers of numpy become numbers, dates ISO text,
gaps of a table null; anything else that JSON cannot say is a DataError that names the row and the key.
"""
import itertools
import json
import math

from sygra.exceptions import DataError
from sygra.library import files

SLICE = 4096  # rows of a table at a time


def is_table(value):
    """A DataFrame of pandas or polars, an Arrow table, a data set of `datasets`."""
    return any(hasattr(value, name) for name in ("iter_rows", "to_batches", "itertuples")) or (
        hasattr(value, "features") and hasattr(value, "__iter__"))


def rows_of(value):
    """An iterator over the rows of anything that holds some."""
    if hasattr(value, "iter_rows") and hasattr(value, "columns"):  # polars
        return value.iter_rows(named=True)
    if hasattr(value, "to_batches"):  # Arrow
        return itertools.chain.from_iterable(batch.to_pylist() for batch in value.to_batches(max_chunksize=SLICE))
    if hasattr(value, "itertuples") and hasattr(value, "iloc"):  # pandas
        return _rows_of_pandas(value)
    return iter(value)


def _rows_of_pandas(frame):
    for start in range(0, len(frame), SLICE):
        for row in frame.iloc[start:start + SLICE].to_dict(orient="records"):
            yield {str(key): None if _is_gap(item) else item for key, item in row.items()}


def _is_gap(value):
    """What pandas has where a cell is empty: NaN, NaT, NA."""
    if isinstance(value, float):
        return math.isnan(value)
    return type(value).__name__ in ("NaTType", "NAType")


def _plain(value):
    """For json: what it does not know by itself."""
    for method in ("tolist", "isoformat"):  # numpy; dates and times
        if hasattr(value, method):
            return getattr(value, method)()
    if hasattr(value, "to_dict") and not isinstance(value, type):
        return value.to_dict()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def _culprit(row):
    """The first key whose value cannot be written."""
    for key, value in row.items():
        if not isinstance(key, str):
            return f"the key {key!r} is no text"
        try:
            json.dumps(value, default=_plain, allow_nan=False)
        except (TypeError, ValueError, RecursionError) as error:
            return f"key {key!r}: {error}"
    return "it cannot be written"


def line_of(row, number):
    if not isinstance(row, dict):
        raise DataError(f"row {number} is a {type(row).__name__}; a record is a dict")
    try:
        if all(isinstance(key, str) for key in row):
            return json.dumps(row, default=_plain, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        pass
    raise DataError(f"row {number}: {_culprit(row)}")


def write(rows, path, limit=None):
    """Writes rows, at most `limit` of them, as JSON Lines."""
    with files.replacing(path) as file:
        for number, row in enumerate(itertools.islice(rows_of(rows), limit), 1):
            file.write(line_of(row, number))
            file.write("\n")
