# SPDX-License-Identifier: Apache-2.0
"""The package of `logger_config`. It can be called as the logger itself: once this package has been imported,
`from sygra import logger` finds the package in the place of the logger of that name."""
import importlib


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'sygra.logger' has no attribute {name!r}")
    config = importlib.import_module("sygra.logger.logger_config")
    return config if name == "logger_config" else getattr(config.logger, name)
