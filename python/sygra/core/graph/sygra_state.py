# SPDX-License-Identifier: Apache-2.0
"""The state of a record, for annotations: at run time it is a plain dict."""
from typing import TypedDict


class SygraState(TypedDict, total=False):
    """Derive from it to name the keys that a task uses."""
