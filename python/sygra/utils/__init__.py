# SPDX-License-Identifier: Apache-2.0
"""`utils` and `constants`: modules, which `import sygra.utils` alone makes no attributes of."""
import importlib


def __getattr__(name):
    if name in ("utils", "constants", "tool_utils"):
        return importlib.import_module("sygra.utils." + name)
    raise AttributeError(f"module 'sygra.utils' has no attribute {name!r}")
