# SPDX-License-Identifier: Apache-2.0
"""What happens to the records of a source before the graph sees them: the base class and the built-in ones.

A transform is made without arguments and is given all records at once, or, where the source is streamed, one at a time.
"""
import copy
import re
from abc import ABC, abstractmethod

from sygra.logger.logger_config import logger
from sygra.processors import _media


class DataTransform(ABC):
    """Derive from it; `transform` returns the list of records to go on with."""

    @property
    @abstractmethod
    def name(self):
        """What the log calls it."""

    @abstractmethod
    def transform(self, data, params):
        """`data` is a list of maps, `params` the map that the task gives."""


class SkipRecords(DataTransform):
    """Leaves records out.

    params: `skip_type` `range` (default): `range: "[:10],[-10:]"`, positions as in Python; `count`:
    `count: {from_start: 10, from_end: 20}`.
    """

    name = "skip_records"

    def transform(self, data, params):
        params, records = params or {}, list(data)
        kind = params.get("skip_type", "range")
        if kind == "count":
            count = params.get("count") or {}
            start = int(count.get("from_start", count.get("from_begin", 0)))
            return records[start : max(start, len(records) - int(count.get("from_end", 0)))]
        if kind != "range":
            raise ValueError(f"Unknown skip type '{kind}': it is 'range' or 'count'")
        dropped = set()
        for text in re.findall(r"\[([^\]]*)\]", params.get("range") or ""):
            dropped.update(_positions(text, len(records)))
        return [record for position, record in enumerate(records) if position not in dropped]


def _positions(text, length):
    """Of `a:b`; either may be missing or negative."""
    first, colon, last = (part.strip() for part in text.partition(":"))
    if not colon:
        raise ValueError(f"a range of records is [first:last], or [first:] to the end; '[{text}]' has no colon")
    return range(*slice(int(first) if first else None, int(last) if last else None).indices(length))


class CombineRecords(DataTransform):
    """Makes one record of several that follow each other.

    params: `combine` how many, `shift` how far to go on then, `skip: {from_beginning, from_end}`, and `join_column`, a
    map of column to text in which `$1`, `$2`, … stand for that column's value in the first, second, … record.
    """

    name = "combine_records"

    def transform(self, data, params):
        params, records = params or {}, list(data)
        combine = int(params.get("combine", 1))
        if combine < 2:
            return records
        skip = params.get("skip") or {}
        first, end = int(skip.get("from_beginning", 0)), len(records) - int(skip.get("from_end", 0))
        rules = params.get("join_column") or {}
        return [
            {column: _joined(rule, records[i : i + combine], column) for column, rule in rules.items()}
            for i in range(first, end - combine + 1, int(params.get("shift", 1)))
        ]


def _joined(rule, records, column):
    def value(match):
        number = int(match[1])
        return str(records[number - 1][column]) if 0 < number <= len(records) else match[0]

    return re.sub(r"\$(\d+)", value, rule)


class RenameFieldsTransform(DataTransform):
    """params: `mapping` old to new name, `overwrite` false: a pair whose new name is taken is left as it is."""

    name = "rename_fields"

    def transform(self, data, params):
        params = params or {}
        mapping, overwrite = params.get("mapping") or {}, params.get("overwrite", False)
        return [_renamed(record, mapping, overwrite) for record in data]


def _renamed(record, mapping, overwrite):
    made = dict(record)
    for old, new in mapping.items():
        if old in made and (overwrite or new not in made):
            made[new] = made.pop(old)
    return made


class AddNewFieldTransform(DataTransform):
    """params: `mapping` name to value. Each record gets a copy of its own."""

    name = "add_new_field"

    def transform(self, data, params):
        mapping = (params or {}).get("mapping") or {}
        return [{**record, **copy.deepcopy(mapping)} for record in data]


class CreateImageUrlTransform(DataTransform):
    """Makes data URLs of images: of files and addresses by their ending, of bytes, and of PIL's images. What cannot be
    loaded stays as it is.
    """

    name = "create_image_url"

    def transform(self, data, params):
        return [_with_urls(record, _media.image_url, {}) for record in data]


class CreateAudioUrlTransform(DataTransform):
    """Makes data URLs of sound likewise. params: `output_fields`, a map of field to the name for its URL."""

    name = "create_audio_url"

    def transform(self, data, params):
        names = (params or {}).get("output_fields") or {}
        return [_with_urls(record, _media.audio_url, names) for record in data]


def _with_urls(record, url_of, names):
    made = dict(record)
    for field, value in record.items():
        try:
            new = [_url(item, url_of) for item in value] if isinstance(value, list) else _url(value, url_of)
        except (OSError, ValueError) as error:
            logger.warning("record %s: '%s' stays as it is: %s", record.get("id", "<no id>"), field, error)
            continue
        if new != value or field in names:
            made[names.get(field, field)] = new
    return made


def _url(value, url_of):
    url = url_of(value)
    return value if url is None else url
