#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the documentation true: runs what README.md and docs/*.md show, and compares what comes out.

    BIN=build/asan/sygra tests/docs/run.py [PAGE...]      only pages whose name holds one of the words
    tests/docs/run.py --keys                              writes docs/keys.md
    tests/docs/run.py --pictures                          draws the pictures of the pages

Each page gets an empty folder and one bash with `sygra` on its PATH. Its blocks are taken in their order:

    ```console                    lines that begin with `$ ` are run (a backslash at the end goes on in the next line); the
                                  lines behind one are what it must print. `...` stands for any text, on a line of its own
                                  for any lines; where nothing is shown, nothing is compared. A command must end with
                                  status 0, unless the next one is `echo $?`, which then shows it. `curl` is left out on
                                  machines without it
    <!-- file: a/b.yaml -->       the block below is that file
    <!-- background -->           the console block below is one server, which runs until the page ends or another one
                                  takes its port
    <!-- start: sygra mock -->    a server that the page does not show
    <!-- run: COMMAND -->         a command that the page does not show
    <!-- picture: a.svg -->      the one command of the console block below prints that picture, which lies beside the page
    <!-- skip -->                 the block below is not run

The ports 8000 to 8099 of a page stand for free ones. An address where no server was started refuses connections.
"""
import concurrent.futures
import difflib
import os
import pathlib
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("BIN", ROOT / "build/sygra")).resolve()
KEYS = ROOT / "docs/keys.md"
VENV = ROOT / "build/venv"
COMMAND_SECONDS = 50
PROGRESS = re.compile(r"\d\d:\d\d:\d\d progress  ")  # where a machine is slow


class Failure(Exception):
    pass


# --- pages ------------------------------------------------------------------------------------------------------------


class Block:
    def __init__(self, line, language, directive):
        self.line, self.language, self.directive, self.text = line, language, directive, ""


def blocks_of(page):
    """The fenced blocks of a page, each with the comment that stands before it."""
    found, block, directive = [], None, ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = re.match(r"\s*```(\w*)", line)
        if block and fence:
            found.append(block)
            block, directive = None, ""
        elif block:
            block.text += line + "\n"
        elif fence:
            block = Block(number, fence[1], directive)
        elif comment := re.match(r"\s*<!--\s*(.*?)\s*-->\s*$", line):
            directive = comment[1]
            if directive.startswith(("start:", "run:")):
                found.append(Block(number, "", directive))
        elif line.strip():
            directive = ""
    if block:
        raise Failure(f"{page.name}:{block.line}: the block does not end")
    return found


def commands_of(block):
    """[line number, command, lines that it prints]"""
    commands = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if commands and commands[-1][1].endswith("\\\n") and not commands[-1][2]:
            commands[-1][1] += line + ("\n" if line.endswith("\\") else "")
        elif line.startswith("$ "):
            commands.append([number, line[2:] + ("\n" if line.endswith("\\") else ""), []])
        elif commands:
            commands[-1][2].append(line)
        else:
            raise Failure(f"line {number}: a console block begins with a command")
    return commands


# --- comparing --------------------------------------------------------------------------------------------------------


def line_matches(wanted, got):
    return re.fullmatch(".*".join(map(re.escape, wanted.rstrip().split("..."))), got.rstrip()) is not None


def lines_match(wanted, got):
    """`reachable` holds how many lines of `got` the lines of `wanted` so far can stand for."""
    reachable = {0}
    for line in wanted:
        if line.strip() == "...":
            reachable = set(range(min(reachable), len(got) + 1))
        else:
            reachable = {i + 1 for i in reachable if i < len(got) and line_matches(line, got[i])}
        if not reachable:
            return False
    return len(got) in reachable


def compare(wanted, got):
    while wanted and not wanted[-1].strip():
        wanted = wanted[:-1]
    got = [line for line in got.rstrip().splitlines() if not PROGRESS.match(line)]
    if not lines_match(wanted, got):
        diff = difflib.unified_diff(wanted, got, "shown", "printed", lineterm="", n=99)
        raise Failure("shown and printed differ:\n" + "\n".join(diff))


# --- a page's machine ---------------------------------------------------------------------------------------------------


class Shell:
    """One bash, so that a page's `cd` and `export` last."""

    def __init__(self, folder):
        bin_folder = folder / "build"  # as in a checkout
        bin_folder.mkdir()
        (bin_folder / "sygra").symlink_to(BIN)
        env = {k: v for k, v in os.environ.items() if not k.startswith("SYGRA_")}
        env |= {"PATH": f"{bin_folder}:{env['PATH']}", "LC_ALL": "C.UTF-8", "HOME": str(folder)}
        if subprocess.run([VENV / "bin/python", "-c", "import pydantic"], capture_output=True).returncode == 0:
            env["VIRTUAL_ENV"] = str(VENV)  # what hooks of the pages import
        env.setdefault("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
        env |= {"PYTHONPATH": str(ROOT / "python"), "SYGRA_BIN": str(BIN)}  # `import sygra`, as if it were installed
        self.env, self.folder = env, folder
        self.process = subprocess.Popen(["bash"], cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, bufsize=0, start_new_session=True)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)
        self.status = 0

    def run(self, command):
        """(status, output); the status is $? for the next command."""
        script = f"(exit {self.status})\n{command}\nstatus_=$?; printf '\\n\\036%s\\036\\n' $status_; (exit $status_)\n"
        self.process.stdin.write(script.encode())
        data, deadline = b"", time.monotonic() + COMMAND_SECONDS
        while not (end := re.search(rb"\n\x1e(\d+)\x1e\n$", data)):
            if not self.selector.select(max(0, deadline - time.monotonic())):
                raise Failure(f"not done after {COMMAND_SECONDS} s; so far:\n{data.decode(errors='replace')}")
            more = os.read(self.process.stdout.fileno(), 65536)
            if not more:
                raise Failure(f"the shell ended\n{data.decode(errors='replace')}")
            data += more
        self.status = int(end[1])
        return self.status, data[:end.start()].decode()

    def close(self):
        os.killpg(self.process.pid, signal.SIGKILL)  # with a command that does not end
        self.process.wait()


class Machine:
    def __init__(self, folder):
        self.folder, self.shell = folder, Shell(folder)
        self.ports, self.servers = {}, {}

    def port(self, shown):
        if shown not in self.ports:
            with socket.create_server(("127.0.0.1", 0)) as free:
                self.ports[shown] = str(free.getsockname()[1])
        return self.ports[shown]

    def with_ports(self, text):
        return re.sub(r"((?:localhost|127\.0\.0\.1):|--port |-p )(80\d\d)\b", lambda m: m[1] + self.port(m[2]), text)

    def with_shown_ports(self, text):
        for shown, real in self.ports.items():
            text = re.sub(rf"(?<!\d){real}(?!\d)", shown, text)
        return text

    def write(self, block, path):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.with_ports(block.text), encoding="utf-8")

    def start(self, command, wanted):
        """A server's first line says that it listens."""
        shown = (re.search(r"(?:--port|-p) (80\d\d)\b", command) or ["", "8000"])[1]
        if not re.search(r"(--port|-p) ", command):
            command += f" --port {shown}"
        if shown in self.servers:
            self.stop(self.servers.pop(shown))
        cwd = os.readlink(f"/proc/{self.shell.process.pid}/cwd")
        server = self.servers[shown] = subprocess.Popen(["bash", "-c", "exec " + self.with_ports(command)], cwd=cwd,
                                                        env=self.shell.env, stdout=subprocess.PIPE,
                                                        stderr=subprocess.STDOUT, text=True)
        compare(wanted, self.with_shown_ports(server.stdout.readline()))

    @staticmethod
    def stop(server):
        server.terminate()
        server.communicate(timeout=20)

    def run(self, command, wanted, next_command):
        status, out = self.shell.run(self.with_ports(command))
        if status and next_command != "echo $?":
            raise Failure(f"exit status {status}; it printed:\n{out}")
        if wanted:
            compare(wanted, self.with_shown_ports(out))

    def close(self):
        self.shell.close()
        for server in self.servers.values():
            self.stop(server)


# --- what is tested -----------------------------------------------------------------------------------------------------


def check_picture(machine, block, picture):
    [[_, command, _]] = commands_of(block)
    status, out = machine.shell.run(machine.with_ports(command))
    if status or out.strip() != picture.read_text(encoding="utf-8").strip():
        raise Failure(f"{picture.relative_to(ROOT)} is not what is drawn now: tests/docs/run.py --pictures makes it again")


def make_pictures():
    """As the pages say: everything before the command is run as well."""
    def write(machine, block, picture):
        picture.write_text(machine.shell.run(machine.with_ports(commands_of(block)[0][1]))[1].strip() + "\n", encoding="utf-8")

    globals()["check_picture"] = write
    for page in (ROOT / "docs").glob("*.md"):
        if "<!-- picture:" in page.read_text(encoding="utf-8"):
            test_page(page)


def run_block(machine, block, page):
    """Yields (line, what, function) for each thing that can fail."""
    if file := re.fullmatch(r"file:\s*(\S+)", block.directive):
        yield block.line, file[1], lambda: machine.write(block, file[1])
    elif hidden := re.fullmatch(r"start:\s*(.*)", block.directive):
        yield block.line, hidden[1], lambda: machine.start(hidden[1], ["..."])
    elif hidden := re.fullmatch(r"run:\s*(.*)", block.directive):
        yield block.line, hidden[1], lambda: machine.run(hidden[1], [], "")
    elif picture := re.fullmatch(r"picture:\s*(\S+)", block.directive):
        yield block.line, picture[1], lambda: check_picture(machine, block, page.parent / picture[1])
    elif block.language == "console" and block.directive != "skip":
        commands = commands_of(block)
        for i, (line, command, wanted) in enumerate(commands):
            after = commands[i + 1][1] if i + 1 < len(commands) else ""
            if command.startswith("curl ") and not shutil.which("curl"):
                continue
            if block.directive == "background":
                yield line, command, lambda: machine.start(command, wanted)
            else:
                yield line, command, lambda: machine.run(command, wanted, after)


def test_page(page):
    """A page's commands build on each other: after a failure the rest of the page would only repeat it."""
    results, name = [], page.relative_to(ROOT)
    place = str(name)
    with tempfile.TemporaryDirectory(prefix="sygra-docs-") as folder:
        machine = Machine(pathlib.Path(folder))
        try:
            for block in blocks_of(page):
                for line, what, function in run_block(machine, block, page):
                    place = f"{name}:{line}: {what.strip()}"
                    function()
                    results.append((place, None))
        except (Failure, OSError, UnicodeError) as error:
            results.append((place, str(error) or repr(error)))
        finally:
            machine.close()
    return results


def anchors_of(page):
    """As GitHub makes them of headings."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", h.strip().lower()).replace(" ", "-") for h in headings}


def test_links(page):
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        link = urllib.parse.urlsplit(target)
        if link.scheme:
            continue
        path = (page.parent / link.path).resolve() if link.path else page
        place = f"{page.relative_to(ROOT)}: link {target}"
        if not path.exists():
            yield place, "there is no such file"
        elif link.fragment and path.suffix == ".md" and link.fragment not in anchors_of(path):
            yield place, "there is no such heading"
        else:
            yield place, None


KEYS_NOTE = "This page is the output of `sygra check --reference`, which is made from the table that the program itself reads."


def keys_page():
    """The note goes below the heading."""
    made = subprocess.run([BIN, "check", "--reference"], capture_output=True, text=True, check=True).stdout
    return made.replace("\n", f"\n\n{KEYS_NOTE}\n", 1)


def test_keys():
    same = KEYS.exists() and KEYS.read_text(encoding="utf-8") == keys_page()
    return [("docs/keys.md", None if same else "make it again: tests/docs/run.py --keys")]


def test_suites():
    """The page on tests names all of them."""
    page = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    lines = (ROOT / "tests/suites.txt").read_text(encoding="utf-8").splitlines()
    for name in [line.split()[1] for line in lines if line and not line.startswith("#")]:
        yield f"docs/testing.md: suite {name}", None if re.search(rf"[ `]{name}[`, ]", page) else "is not on the page"


def main():
    words = sys.argv[1:]
    if words == ["--keys"]:
        KEYS.write_text(keys_page(), encoding="utf-8")
        return
    if words == ["--pictures"]:
        make_pictures()
        return
    pages = [p for p in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))] if not words or any(w in p.name for w in words)]
    linked = [p for p in [*pages, *sorted((ROOT / "docs").glob("*/*.md"))] if p in pages or not words]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        results = [r for part in pool.map(test_page, [p for p in pages if p != KEYS]) for r in part]
    results += [r for page in linked for r in test_links(page)]
    if not words:
        results += [*test_keys(), *test_suites()]
    for place, error in results:
        if error:
            print(f"FAIL {place}\n{textwrap.indent(error, '     ')}")
    failed = sum(1 for _, error in results if error)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed or not results else 0)


if __name__ == "__main__":
    main()
