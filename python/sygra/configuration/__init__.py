# SPDX-License-Identifier: Apache-2.0
"""Workflows of tasks that are written down."""
from sygra.configuration.loader import ConfigLoader

__all__ = ["ConfigLoader", "load_config"]


def load_config(config_path):
    """A Workflow of a graph_config.yaml, or of its map."""
    return ConfigLoader().load_and_create(config_path)
