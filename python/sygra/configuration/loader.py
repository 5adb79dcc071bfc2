# SPDX-License-Identifier: Apache-2.0
"""Reading a task's file."""
import os

from sygra.library import taskfiles

__all__ = ["ConfigLoader"]


class ConfigLoader:
    def load(self, config_path):
        """The task as a map: of a file, of a task below tasks/ with the file's name, or the map itself."""
        if isinstance(config_path, dict):
            return config_path
        path = self._find(config_path)
        config = taskfiles.load_yaml(path)
        if not isinstance(config, dict):
            raise TypeError(f"{path} holds no map, but a {type(config).__name__}")
        return config

    @staticmethod
    def _find(config_path):
        path = os.fspath(config_path)
        stem = os.path.splitext(os.path.basename(path))[0]
        other = os.path.join("tasks", *stem.split("."), taskfiles.TASK_FILE)
        for candidate in (path, other):
            if os.path.isfile(candidate):
                return candidate
        raise FileNotFoundError(f"there is no task file: neither {path} nor {other}")

    def load_and_create(self, config_path):
        """A Workflow of its own: paths in it start where they do for the file, but nothing is written beside that."""
        from sygra.workflow import Workflow

        config = self.load(config_path)
        if isinstance(config_path, dict):
            return Workflow.of(config, config.get("task_name") or "loaded_workflow")
        folder = os.path.dirname(os.path.abspath(self._find(config_path)))
        return Workflow.of(config, os.path.basename(folder), folder)
