# SPDX-License-Identifier: Apache-2.0
"""What `data_config` says of sources and sinks, as objects. Values are taken as they are; only kinds are checked."""
from dataclasses import asdict, dataclass, fields
from enum import Enum
from typing import Any, Dict, List, Optional, Union


class DataSourceType(Enum):
    HUGGINGFACE = "hf"
    DISK_FILE = "disk"
    SERVICENOW = "servicenow"


class OutputType(Enum):
    HUGGINGFACE = "hf"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"
    SERVICENOW = "servicenow"
    NONE = None


class _Config:
    @classmethod
    def from_dict(cls, config):
        """Of a map as a task has it; keys that mean nothing here are left out."""
        known = {field.name for field in fields(cls)}
        return cls(**{key: value for key, value in config.items() if key in known})

    def model_dump(self):
        return asdict(self)

    dict = model_dump

    def _make(self, name, kind):
        """A map in the place of an object becomes one."""
        if isinstance(getattr(self, name), dict):
            setattr(self, name, kind.from_dict(getattr(self, name)))


@dataclass
class TransformConfig(_Config):
    transform: str
    params: Optional[Dict[str, Any]] = None


@dataclass
class ShardConfig(_Config):
    regex: str = "*"
    index: Optional[List[int]] = None


@dataclass
class DataSourceConfig(_Config):
    type: DataSourceType
    alias: Optional[str] = None
    join_type: Optional[str] = None
    primary_key: Optional[str] = None
    join_key: Optional[str] = None

    repo_id: Optional[str] = None
    config_name: Optional[str] = None
    split: Union[str, List[str]] = "train"
    token: Optional[str] = None
    streaming: bool = False
    shard: Optional[ShardConfig] = None

    file_format: Optional[str] = None
    file_path: Optional[str] = None
    encoding: str = "utf-8"

    instance: Optional[str] = None
    username: Optional[str] = None
    password: Optional[str] = None
    oauth_client_id: Optional[str] = None
    oauth_client_secret: Optional[str] = None
    table: Optional[str] = None
    query: Optional[str] = None
    filters: Optional[Dict[str, Any]] = None
    fields: Optional[List[str]] = None
    limit: Optional[int] = None
    batch_size: int = 100
    order_by: Optional[str] = None
    order_desc: bool = False
    display_value: str = "all"
    exclude_reference_link: bool = True
    proxy: Optional[str] = None
    verify_ssl: Optional[bool] = None
    cert: Optional[str] = None
    auto_retry: bool = True

    transformations: Optional[List[TransformConfig]] = None

    def __post_init__(self):
        self.type = DataSourceType(self.type)
        self._make("shard", ShardConfig)
        self.transformations = [
            TransformConfig.from_dict(step) if isinstance(step, dict) else step for step in self.transformations or []
        ]

    @property
    def splits(self):
        return [self.split] if isinstance(self.split, str) else list(dict.fromkeys(self.split))


@dataclass
class OutputConfig(_Config):
    type: Optional[OutputType] = None
    alias: Optional[str] = None
    repo_id: Optional[str] = None
    config_name: Optional[str] = None
    split: str = "train"
    token: Optional[str] = None
    private: bool = True
    chunk_size: int = 1000
    filename: Optional[str] = None
    file_path: Optional[str] = None
    encoding: str = "utf-8"

    instance: Optional[str] = None
    username: Optional[str] = None
    password: Optional[str] = None
    oauth_client_id: Optional[str] = None
    oauth_client_secret: Optional[str] = None
    table: Optional[str] = None
    operation: str = "insert"
    key_field: str = "sys_id"
    proxy: Optional[str] = None
    verify_ssl: Optional[bool] = None
    cert: Optional[str] = None
    auto_retry: bool = True

    def __post_init__(self):
        self.type = OutputType(self.type)
