# SPDX-License-Identifier: Apache-2.0
"""Where records come from and go to: `DataSource`, `DataSink`, and functions that give their config maps."""
import os

from sygra.library.taskfiles import Rows

__all__ = ["DataSource", "DataSink", "DataSourceFactory", "DataSinkFactory", "from_file", "from_huggingface",
           "from_servicenow", "from_list", "to_file", "to_huggingface", "to_servicenow"]

SERVICENOW = {"username": None, "password": None, "oauth_client_id": None, "oauth_client_secret": None, "token": None}
SERVICENOW_HTTP = {"proxy": None, "verify_ssl": None, "cert": None, "auto_retry": True}
SERVICENOW_QUERY = {"query": None, "filters": None, "fields": None, "limit": None, "batch_size": 100, "order_by": None,
                    "order_desc": False, "display_value": "all", "exclude_reference_link": True, "streaming": False}


def _chosen(given, defaults):
    """Defaults, where nothing was given, and what was; a None says nothing and is left out."""
    merged = {key: given.get(key, default) for key, default in defaults.items()}
    return {key: value for key, value in merged.items() if value is not None}


def _if_given(given, *keys):
    return {key: given[key] for key in keys if key in given}


class DataSource:
    """A source, as the map that a task has for it."""

    def __init__(self, config):
        self._config = config

    def to_config(self):
        return self._config

    @classmethod
    def memory(cls, data):
        """Rows of this process: a list of dicts, a generator of them, a DataFrame, an Arrow table, a data set."""
        return cls({"type": "disk", "rows": Rows(data)})

    @classmethod
    def disk(cls, path, **kwargs):
        """JSON, JSON Lines, CSV, Parquet. `encoding`, `transformations`, `shard`."""
        path = os.fspath(path)
        form = os.path.splitext(path)[1].lstrip(".") or "json"
        return cls({"type": "disk", "file_path": path, "file_format": form, "encoding": kwargs.get("encoding", "utf-8"),
                    **_if_given(kwargs, "transformations", "shard")})

    @classmethod
    def huggingface(cls, repo_id, **kwargs):
        """A data set of the Hub. `config_name`, `split`, `token`, `streaming`, `shard`, `transformations`."""
        config = {"type": "hf", "repo_id": repo_id,
                  **_chosen(kwargs, {"config_name": None, "split": "train", "token": None, "streaming": False})}
        return cls({**config, **_if_given(kwargs, "shard", "transformations")})

    @classmethod
    def servicenow(cls, instance, table, **kwargs):
        config = {"type": "servicenow", "instance": instance, "table": table,
                  **_chosen(kwargs, {**SERVICENOW, **SERVICENOW_QUERY, **SERVICENOW_HTTP})}
        return cls({**config, **_if_given(kwargs, "transformations")})

    def add_transformation(self, transform, params=None):
        """A dotted path, or a class of this process."""
        step = {"transform": transform, **({"params": params} if params else {})}
        self._config.setdefault("transformations", []).append(step)
        return self

    def add_shard(self, regex="*", index=None):
        self._config["shard"] = {"regex": regex, **({"index": index} if index else {})}
        return self


class DataSink:
    """A sink, as the map that a task has for it."""

    def __init__(self, config):
        self._config = config

    def to_config(self):
        return self._config

    @classmethod
    def disk(cls, path, **kwargs):
        """The suffix says what is written: .json, .jsonl, .csv, .parquet."""
        path = os.fspath(path)
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return cls({"type": "json" if path.endswith(".json") else "jsonl", "file_path": path,
                    "encoding": kwargs.get("encoding", "utf-8"), **_if_given(kwargs, "chunk_size")})

    @classmethod
    def huggingface(cls, repo_id, **kwargs):
        defaults = {"config_name": None, "split": "train", "token": None, "private": True, "chunk_size": 1000,
                    "filename": None}
        return cls({"type": "hf", "repo_id": repo_id, **_chosen(kwargs, defaults)})

    @classmethod
    def servicenow(cls, instance, table, **kwargs):
        defaults = {**SERVICENOW, "operation": "insert", "key_field": "sys_id", **SERVICENOW_HTTP}
        return cls({"type": "servicenow", "instance": instance, "table": table, **_chosen(kwargs, defaults)})


class DataSourceFactory:
    @staticmethod
    def from_file(path, **kwargs):
        return DataSource.disk(path, **kwargs).to_config()

    @staticmethod
    def from_huggingface(repo_id, **kwargs):
        return DataSource.huggingface(repo_id, **kwargs).to_config()

    @staticmethod
    def from_list(data, **kwargs):
        return DataSource.memory(data).to_config()

    @staticmethod
    def from_iterable_dataset(dataset, **kwargs):
        """A data set that this process iterates over."""
        return {**DataSource.memory(dataset).to_config(), **_if_given(kwargs, "transformations")}


class DataSinkFactory:
    @staticmethod
    def to_file(path, **kwargs):
        return DataSink.disk(path, **kwargs).to_config()

    @staticmethod
    def to_huggingface(repo_id, **kwargs):
        return DataSink.huggingface(repo_id, **kwargs).to_config()


def _refined(source, transformations, shard):
    for step in transformations or []:
        source.add_transformation(step["transform"], step.get("params"))
    if shard:
        source.add_shard(shard.get("regex", "*"), shard.get("index"))
    return source.to_config()


def from_file(path, transformations=None, shard=None, **kwargs):
    return _refined(DataSource.disk(path, **kwargs), transformations, shard)


def from_huggingface(repo_id, transformations=None, shard=None, **kwargs):
    return _refined(DataSource.huggingface(repo_id, **kwargs), transformations, shard)


def from_list(data, **kwargs):
    return DataSourceFactory.from_list(data, **kwargs)


def from_servicenow(instance, table, **kwargs):
    return DataSource.servicenow(instance, table, **kwargs).to_config()


def to_file(path, **kwargs):
    return DataSinkFactory.to_file(path, **kwargs)


def to_huggingface(repo_id, **kwargs):
    return DataSinkFactory.to_huggingface(repo_id, **kwargs)


def to_servicenow(instance, table, **kwargs):
    return DataSink.servicenow(instance, table, **kwargs).to_config()
