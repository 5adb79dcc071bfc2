# SPDX-License-Identifier: Apache-2.0
"""JSON of values that the json module does not know."""
from sygra.utils.utils import JSONEncoder

__all__ = ["JSONEncoder"]
