# SPDX-License-Identifier: Apache-2.0
"""Builds the distribution `sygra-native` (PEP 517, PEP 660) with the standard library only.

A wheel holds the package `sygra` and, as `sygra/_bin/sygra`, the program, which `make build` makes: libraries of the
system it links to must be there when it runs, so the wheel is for machines like this one. The demo model and DuckDB stay
in the cache. An editable wheel holds a path to this checkout; the program is then the one in build/.

A source distribution holds the files that git knows.
"""
import base64
import hashlib
import io
import os
import pathlib
import re
import shutil
import stat
import subprocess
import sysconfig
import tarfile
import tempfile
import time
import zipfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "python" / "sygra"
PROGRAM = ROOT / "build" / "release" / "sygra"
NAME = "sygra_native"
SCRIPTS = "[console_scripts]\nsygra = sygra.library.binary:main\n"
METADATA = """\
Metadata-Version: 2.1
Name: sygra-native
Version: {version}
Summary: A native engine for synthetic data: graphs of model calls, run over every record of a data set
License: Apache-2.0
Classifier: License :: OSI Approved :: Apache Software License
Classifier: Operating System :: POSIX :: Linux
Classifier: Programming Language :: C
Classifier: Programming Language :: Python :: 3
Requires-Python: >=3.9
Description-Content-Type: text/markdown

"""
EPOCH = 1704067200  # of every file in an archive, so that the same sources make the same bytes


def version():
    found = re.search(r"project\(sygra VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    return found[1]


def metadata():
    return METADATA.format(version=version()) + (ROOT / "README.md").read_text(encoding="utf-8")


def tag(pure):
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    return "py3-none-any" if pure else f"py3-none-{platform}"


# --- the program ------------------------------------------------------------------------------------------------------


def make_program():
    """As `make` does it for a user. A make around us must not hand its options down."""
    env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "GNUMAKEFLAGS")}
    done = subprocess.run(["make", "build"], cwd=ROOT, env=env, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise SystemExit("sygra-native: `make build` failed; its output is above (pip -v shows it)")


def program():
    """Its bytes, without what only a debugger reads."""
    make_program()
    strip = shutil.which("strip")
    if not strip:
        return PROGRAM.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        small = pathlib.Path(folder) / "sygra"
        subprocess.run([strip, "--strip-unneeded", "-o", str(small), str(PROGRAM)], check=True)
        return small.read_bytes()


# --- wheels -----------------------------------------------------------------------------------------------------------


class Wheel:
    """A zip file that keeps its own record."""

    def __init__(self, folder, pure):
        self.pure = pure
        self.name = f"{NAME}-{version()}-{tag(pure)}.whl"
        self.info = f"{NAME}-{version()}.dist-info"
        self.record = []
        self.zip = zipfile.ZipFile(os.path.join(folder, self.name), "w", zipfile.ZIP_DEFLATED)

    def add(self, path, data, mode=0o644):
        if isinstance(data, str):
            data = data.encode()
        entry = zipfile.ZipInfo(path, time.gmtime(EPOCH)[:6])
        entry.external_attr = (stat.S_IFREG | mode) << 16
        entry.compress_type = zipfile.ZIP_DEFLATED
        self.zip.writestr(entry, data)
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        self.record.append(f"{path},sha256={digest},{len(data)}")

    def close(self):
        """Adds what describes the rest."""
        for path, text in info_files(self.pure):
            self.add(f"{self.info}/{path}", text)
        self.record.append(f"{self.info}/RECORD,,")
        self.zip.writestr(zipfile.ZipInfo(f"{self.info}/RECORD", time.gmtime(EPOCH)[:6]), "\n".join(self.record) + "\n")
        self.zip.close()


def info_files(pure):
    root = "true" if pure else "false"
    yield "METADATA", metadata()
    yield "WHEEL", f"Wheel-Version: 1.0\nGenerator: sygra build_backend\nRoot-Is-Purelib: {root}\nTag: {tag(pure)}\n"
    yield "entry_points.txt", SCRIPTS
    yield "licenses/LICENSE", (ROOT / "LICENSE").read_text(encoding="utf-8")


def package_files():
    for path in sorted(PACKAGE.rglob("*")):
        inside = path.relative_to(PACKAGE.parent)
        if path.is_file() and "__pycache__" not in inside.parts and "_bin" not in inside.parts:
            yield str(inside), path


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    built = program()
    wheel = Wheel(wheel_directory, pure=False)
    for inside, path in package_files():
        wheel.add(inside, path.read_bytes())
    wheel.add("sygra/_bin/sygra", built, 0o755)
    wheel.close()
    return wheel.name


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    make_program()
    wheel = Wheel(wheel_directory, pure=True)
    wheel.add(f"{NAME}.pth", f"{PACKAGE.parent}\n")
    wheel.close()
    return wheel.name


def _prepare(folder, pure):
    info = pathlib.Path(folder) / f"{NAME}-{version()}.dist-info"
    for path, text in info_files(pure):
        (info / path).parent.mkdir(parents=True, exist_ok=True)
        (info / path).write_text(text, encoding="utf-8")
    return info.name


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    return _prepare(metadata_directory, pure=False)


def prepare_metadata_for_build_editable(metadata_directory, config_settings=None):
    return _prepare(metadata_directory, pure=True)


def get_requires_for_build_wheel(config_settings=None):
    return []


get_requires_for_build_editable = get_requires_for_build_sdist = get_requires_for_build_wheel


# --- source distribution ----------------------------------------------------------------------------------------------


def source_files():
    """What git knows; in a source distribution itself, all that is not built."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True) if (ROOT / ".git").exists() else None
    if known and known.returncode == 0:
        return sorted(name for name in known.stdout.decode().split("\0") if name and (ROOT / name).is_file())
    left_out = ("build", ".git", "__pycache__")
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return sorted(str(path) for path in found if not set(left_out) & set(path.parts))


def build_sdist(sdist_directory, config_settings=None):
    base = f"{NAME}-{version()}"
    with tarfile.open(os.path.join(sdist_directory, f"{base}.tar.gz"), "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name in source_files():
            path = ROOT / name
            entry = tarfile.TarInfo(f"{base}/{name}")
            entry.mode, entry.mtime, entry.size = path.stat().st_mode & 0o755, EPOCH, path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)
        text = metadata().encode()
        entry = tarfile.TarInfo(f"{base}/PKG-INFO")
        entry.mtime, entry.size = EPOCH, len(text)
        tar.addfile(entry, io.BytesIO(text))
    return f"{base}.tar.gz"
