# SPDX-License-Identifier: Apache-2.0
"""Records of files on disk, for hooks that read or write some by themselves. The kind of a file is its ending."""
import json
import os
from pathlib import Path

from sygra.core.dataset.data_handler_base import DataHandler
from sygra.utils import utils

_ENDINGS = (".parquet", ".jsonl", ".json", ".csv")


class FileHandler(DataHandler):
    def __init__(self, source_config, output_config=None):
        self.source_config = source_config
        self.output_config = output_config

    def read(self, path=None):
        path = Path(path or self._source_path())
        if path.suffix in (".parquet", ".csv"):
            return self._read_table(path)
        if path.suffix not in _ENDINGS:
            raise ValueError(f"{path} is of no kind that can be read: {', '.join(_ENDINGS)}")
        with open(path, encoding=self._encoding(self.source_config)) as file:
            if path.suffix == ".jsonl":
                return [json.loads(line) for line in file if line.strip()]
            data = json.load(file)
        if not isinstance(data, list):
            raise ValueError(f"{path} holds no JSON array")
        return data

    def write(self, data, path):
        """JSON lines are added to the end of the file; other kinds are written anew."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            _pandas().DataFrame(data).to_parquet(path)
            return
        lines = path.suffix == ".jsonl"
        with open(path, "a" if lines else "w", encoding=self._encoding(self.output_config)) as file:
            for item in data if lines else [data]:
                json.dump(item, file, ensure_ascii=False, indent=None if lines else 2, cls=utils.JSONEncoder)
                file.write("\n")

    def get_files(self):
        shard = self.source_config.shard if self.source_config else None
        pattern = shard.regex if shard and shard.regex else "*"
        folder = Path(self._source_path()).parent
        return sorted(str(file) for ending in _ENDINGS for file in folder.glob(f"{pattern.rstrip('*')}*{ending}"))

    def _read_table(self, path):
        if path.suffix == ".csv":
            frame = _pandas().read_csv(path, encoding=self._encoding(self.source_config))
        else:
            frame = _pandas().read_parquet(path)
        return frame.to_dict(orient="records")

    def _source_path(self):
        if not self.source_config or not self.source_config.file_path:
            raise ValueError("the source has no `file_path`")
        return os.fspath(self.source_config.file_path)

    @staticmethod
    def _encoding(config):
        return config.encoding if config else "utf-8"


def _pandas():
    try:
        import pandas
    except ImportError as error:
        raise ImportError(f"pandas is needed to read CSV and Parquet in Python: pip install pandas ({error})") from None
    return pandas
