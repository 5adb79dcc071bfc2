# SPDX-License-Identifier: Apache-2.0
"""Where the program `sygra` is, and `main`, which is what the console script of the wheel calls."""
import os
import shutil
import sys
import sysconfig

from sygra.exceptions import GraSPError

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def _candidates():
    """A wheel brings it inside of the package; a checkout has it in build/."""
    checkout = os.path.dirname(os.path.dirname(PACKAGE))
    yield os.path.join(PACKAGE, "_bin", "sygra")
    yield os.path.join(checkout, "build", "release", "sygra")
    yield os.path.join(checkout, "build", "sygra")


def find():
    """The path of the program: SYGRA_BIN, else beside this package, else on PATH."""
    given = os.environ.get("SYGRA_BIN")
    if given:
        if not _is_program(given):
            raise GraSPError(f"SYGRA_BIN names {given}, which is no program")
        return os.path.abspath(given)
    for path in _candidates():
        if _is_program(path):
            return path
    found = shutil.which("sygra")
    if found:
        return found
    raise GraSPError(f"the program sygra is neither in {PACKAGE}/_bin nor on PATH: run `make` in the checkout, "
                     "or name it in SYGRA_BIN")


def environment():
    """What the program is started with: hook hosts find the modules that this process finds; those of the interpreter
    itself they find by themselves, if it is the same one."""
    env = {**os.environ, "SYGRA_EXECUTOR": "1"}  # a task's own executor is this process's business
    own = [os.path.abspath(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    known = dict.fromkeys(os.path.abspath(path or os.getcwd()) for path in sys.path)
    env["PYTHONPATH"] = os.pathsep.join(path for path in known if os.path.isdir(path) and not _is_below(path, own))
    return env


def _is_below(path, folders):
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


def main():
    """Becomes the program. Hooks of its tasks run with the interpreter that this script was installed for."""
    if sys.prefix != sys.base_prefix:
        os.environ.setdefault("VIRTUAL_ENV", sys.prefix)
    try:
        program = find()
    except GraSPError as error:
        sys.exit(f"sygra: {error}")
    os.execv(program, [program] + sys.argv[1:])
