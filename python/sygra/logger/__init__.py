# SPDX-License-Identifier: Apache-2.0
"""The package of `logger_config`. It can be called as the logger itself: once this package has been imported,
`from sygra import logger` finds the package in the place of the logger of that name."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(f"module 'sygra.logger' has no attribute {name!r}")
    from sygra.logger import logger_config

    return getattr(logger_config.logger, name)
