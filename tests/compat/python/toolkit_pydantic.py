# SPDX-License-Identifier: Apache-2.0
"""Tools whose types pydantic describes."""
import datetime
from typing import Annotated, Dict, List, Optional

from langchain_core.tools import tool
from pydantic import BaseModel, Field


class Query(BaseModel):
    """What to look for"""

    a: int = Field(description="the a", ge=0)
    b: Optional[str] = Field(None, description="bb")


class Inner(BaseModel):
    "inner doc"
    v: int


class Outer(BaseModel):
    n: Inner
    l: Dict[str, Inner] = {}


@tool(args_schema=Query)
def with_model(a, b=None):
    """of the function"""


@tool("without text", args_schema=Query)
def without_text(a, b=None):
    return 1


@tool
def models(n: Inner, ns: List[Inner], on: Optional[Inner] = None, dt: datetime.date = None, by: bytes = b""):
    """Models."""


@tool
def fields(
    a: Annotated[int, Field(description="fd", gt=1)],
    b: Annotated[str, Field(description="x")] = "q",
    c: int = Field(3, description="cc"),
):
    """Fields."""


@tool(args_schema=Outer)
def deep(n, l):
    "deep"
