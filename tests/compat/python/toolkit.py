# SPDX-License-Identifier: Apache-2.0
"""Tools of all the shapes that the standard library can describe."""
import enum
from typing import Annotated, Any, Dict, List, Literal, Mapping, Optional, Sequence, Tuple, Union

from langchain_core.tools import BaseTool, StructuredTool, tool


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    "how much"
    LOW = 1
    HIGH = 2


class Only(enum.Enum):
    ONE = "one"


@tool
def plain(x: int, y: str, z: float, b: bool) -> str:
    """Do a thing.

    More text here.

    Args:
        x: the x
        y (str): the y
           goes on
    Returns:
        something
    """
    return f"{x}{y}"


@tool
def defaults(x: int, y: str = "d", z: float = 1, b: bool = True, n: Optional[int] = None, late: List[int] = None):
    "defaults"


@tool
def all_optional(a: int = 1, b: Optional[str] = None):
    "all optional"


@tool
def containers(
    li: list,
    l: List[str],
    ll: List[List[int]],
    d: dict,
    dd: Dict[str, int],
    ddd: Dict[str, Dict[str, int]],
    ld: List[Dict[str, Any]],
    t: tuple = (),
    tt: Tuple[int, str] = (1, "a"),
    te: Tuple[int, ...] = (1,),
    s: set = set(),
    q: Sequence[int] = (),
    m: Mapping[str, int] = {},
    o: Optional[Dict[str, List[int]]] = None,
):
    "containers"


@tool
def untyped(a, b=None, c: Any = 3, u: Union[int, str] = 3):
    "untyped"


@tool
def literals(
    a: Literal["x"],
    b: Literal[1, 2],
    c: Literal["a", 1],
    d: Literal[True],
    e: Optional[Literal["p", "q"]] = None,
    f: Literal["p", None] = None,
):
    "literals"


@tool
def enums(
    e: Colour,
    o: Optional[Colour] = None,
    d: Colour = Colour.RED,
    l: List[Colour] = [],
    v: Level = Level.LOW,
    one: Only = Only.ONE,
):
    "enums"


@tool("another name")
def named(q):
    "One line"


@tool("at once", return_direct=True)
async def asynchronous(q: str) -> str:
    """Async one.

    :param q: query"""
    return q


@tool(parse_docstring=True)
def documented(a: int, b: str = "x"):
    """Summary of it.

    And more.

    Args:
        a: the a
        b (str): the b
            goes on

    Returns:
        nothing
    """


@tool
def annotated(a: Annotated[int, "note a"], b: Annotated[str, "note b"] = "x", *args: int, **kw: str):
    """Annotated."""


@tool
def rest(a, *args, k: int, k2=3, **kw):
    """Rest."""


@tool(description="given")
def described():
    """Not this."""


@tool
def confusing(title: str, description: str, title_case: bool = False):
    "parameters that are called like keys of a schema"


@tool(
    args_schema={
        "type": "object",
        "title": "T",
        "description": "of the schema",
        "properties": {"q": {"type": "string", "title": "Q"}},
        "required": ["q"],
    }
)
def with_schema(q):
    "dict schema"


def _function(x: int):
    "plain"


made = StructuredTool.from_function(_function, name="made", description="by a call")


class Kit:
    @tool
    def zz(q: str) -> str:
        "zz doc"

    @staticmethod
    @tool
    def aa(q: str) -> str:
        "aa doc"


class Search(BaseTool):
    name: str = "search"
    description: str = "a class"

    def _run(self, q: str, n: int = 3) -> str:
        return q * n


instance = Search()
