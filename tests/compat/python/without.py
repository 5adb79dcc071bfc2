# SPDX-License-Identifier: Apache-2.0
"""Makes an interpreter one in which packages are not installed."""
import importlib.machinery
import sys


def hide(packages):
    if not packages:
        return

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, name, path=None, target=None):
            return None if name.partition(".")[0] in packages else super().find_spec(name, path, target)

    sys.meta_path[:] = [Finder if f is importlib.machinery.PathFinder else f for f in sys.meta_path]
