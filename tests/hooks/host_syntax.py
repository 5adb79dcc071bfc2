# SPDX-License-Identifier: Apache-2.0
"""The Python side keeps to the syntax and the names of Python 3.9."""
import ast
import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).parent.parent.parent
OLDEST = (3, 9)

# What is newer: modules, names of modules, methods and functions by their bare name where that is unmistakable.
MODULES = {"tomllib", "annotationlib", "compression", "concurrent.interpreters"}
NAMES = {
    "asyncio": {"TaskGroup", "Runner", "timeout", "timeout_at", "Barrier"},
    "builtins": {"aiter", "anext", "ExceptionGroup", "BaseExceptionGroup", "EncodingWarning"},
    "contextlib": {"aclosing", "chdir"},
    "dataclasses": {"KW_ONLY"},
    "datetime": {"UTC"},
    "enum": {"StrEnum", "verify", "global_enum"},
    "functools": {"Placeholder"},
    "hashlib": {"file_digest"},
    "inspect": {"get_annotations", "getasyncgenstate"},
    "itertools": {"pairwise", "batched"},
    "math": {"cbrt", "exp2", "sumprod"},
    "operator": {"call"},
    "sys": {"orig_argv", "stdlib_module_names", "exception"},
    "threading": {"gettrace", "getprofile"},
    "types": {"EllipsisType", "NoneType", "NotImplementedType", "UnionType", "get_original_bases"},
    "typing": {"ParamSpec", "Concatenate", "TypeAlias", "TypeGuard", "Self", "LiteralString", "Never", "assert_never",
               "assert_type", "reveal_type", "NotRequired", "Required", "Unpack", "TypeVarTuple", "override", "dataclass_transform",
               "is_typeddict", "TypeAliasType"},
}
METHODS = {"bit_count", "add_note", "walk_up"}
KEYWORDS = {("zip", "strict"), ("dataclass", "slots"), ("dataclass", "kw_only"), ("field", "kw_only")}


def newer(tree):
    """(line, what) for each use of what 3.9 does not have."""
    modules = {}
    futures = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    postponed = any(alias.name == "annotations" for n in futures for alias in n.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                modules[alias.asname or alias.name] = alias.name
                if alias.name in MODULES:
                    yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level:
            if node.module in MODULES:
                yield node.lineno, node.module
            for alias in node.names:
                if alias.name in NAMES.get(node.module, ()):
                    yield node.lineno, f"{node.module}.{alias.name}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.attr in NAMES.get(modules.get(node.value.id), ()):
                yield node.lineno, f"{node.value.id}.{node.attr}"
            elif node.attr in METHODS:
                yield node.lineno, f".{node.attr}"
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in NAMES["builtins"]:
            yield node.lineno, node.id
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            for keyword in node.keywords:
                if (name, keyword.arg) in KEYWORDS:
                    yield node.lineno, f"{name}({keyword.arg}=…)"
        if not postponed:
            yield from newer_annotations(node)


def newer_annotations(node):
    """`X | Y` where it is evaluated: a type of two arms needs 3.10."""
    annotations = []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
        annotations = [a.annotation for a in arguments] + [node.returns]
    elif isinstance(node, ast.AnnAssign):
        annotations = [node.annotation]
    for annotation in annotations:
        for inner in ast.walk(annotation) if annotation is not None else ():
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.BitOr):
                yield annotation.lineno, "X | Y as a type"


def files():
    found = sorted((ROOT / "python").rglob("*.py"))
    assert found
    return found


def test_every_file_is_of_the_oldest_pythons_syntax(folder):
    for path in files():
        ast.parse(path.read_text(encoding="utf-8"), str(path), feature_version=OLDEST)


def test_no_name_is_newer_than_the_oldest_python(folder):
    found = [f"{path}:{line}: {what}" for path in files() for line, what in newer(ast.parse(path.read_bytes()))]
    assert not found, "\n".join(found)


def test_the_check_itself_finds_what_is_newer(folder):
    bad = (
        "import tomllib, itertools\nfrom typing import Self\nitertools.pairwise([])\nzip(a, b, strict=True)\n"
        "def f(x: int | None): (5).bit_count()\n"
    )
    assert sorted({line for line, _ in newer(ast.parse(bad))}) == [1, 2, 3, 4, 5]
    try:
        ast.parse("match x:\n    case 1: pass\n", feature_version=OLDEST)
        raise AssertionError("match is accepted")
    except SyntaxError:
        pass


def test_every_file_has_its_licence_line(folder):
    missing = [str(path) for path in files() if "SPDX-License-Identifier: Apache-2.0" not in path.read_text()[:400]]
    assert not missing, missing


def test_an_older_python_ends_with_one_line_that_says_what_to_do(folder):
    """What all of them can read ends with the guard: nothing that is newer than 2.7 stands before it."""
    program = ROOT / "python" / "sygra" / "host" / "__main__.py"
    head = program.read_text().partition("import faulthandler")[0]
    assert "_refuse_old()\n\nimport" in program.read_text() and not any(new in head for new in ('f"', "->", "nonlocal", ":="))
    reader, writer = os.pipe()
    script = (f"import os, runpy, sys\nos.dup2({writer}, 3)\nsys.version_info = (3, 6, 15)\n"
              f"runpy.run_path({str(program)!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", script], pass_fds=(writer,), capture_output=True, text=True)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        frame = pipe.read()
    assert (done.returncode, done.stderr) == (1, ""), done
    assert struct.unpack("<I", frame[:4])[0] == len(frame) - 4 and frame[4:13] == b"p" + bytes(8), frame
    assert frame[13:] == (b"this is Python 3.6.15, and hooks need 3.9 or newer: choose another interpreter with --python"), frame


def test_the_host_needs_the_standard_library_only(folder):
    allowed = {"sygra"}
    known = getattr(sys, "stdlib_module_names", None)
    for path in (ROOT / "python" / "sygra" / "host").glob("*.py") if known else ():
        for node in ast.walk(ast.parse(path.read_bytes())):
            for name in imported(node):
                assert name.partition(".")[0] in known | allowed, f"{path}: {name}"


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) else []
