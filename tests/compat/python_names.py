#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds what hooks import from `sygra` to the reference's: probe.py asks both the same questions.

    tests/compat/python_names.py                 our answers are those of python/answers.json, with langchain_core, with
                                                 stand-ins for it, and with nothing but the standard library; and what
                                                 test_package.py says of our own holds in each
    tests/compat/python_names.py --reference     the reference's answers are those of python/answers.json still
    ... --record                                 writes python/answers.json anew

build/reference has the packages; for its own answers the reference goes whole into build/peer-sygra, as for bench/peers.py.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/compat/python"
ANSWERS = HERE / "answers.json"
REFERENCE = ROOT / "build/reference"
# whether there are packages, those that are hidden all the same, what cannot be asked there
WAYS = {
    "langchain_core": (True, [], ()),
    "stand-ins": (True, ["langchain_core", "langgraph"], ()),
    "standard library": (False, [], ("semantic duplicates", "tool toolkit_pydantic", "tools of toolkit_pydantic")),
}


def run(command, packages=()):
    """In a folder of its own: the reference writes logs where it is. With `packages` only they are importable: a folder of
    the package `sygra`, and one of others, which is given another name, as our package refuses to run beside the reference.
    """
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SYGRA_"))}
    with tempfile.TemporaryDirectory() as folder:
        others = pathlib.Path(folder) / "packages"
        for place in packages[1:]:
            others.symlink_to(place)
        path = os.pathsep.join(map(str, [*packages[:1], others]))
        env |= {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONWARNINGS": "ignore"} if packages else {}
        return subprocess.run([str(c) for c in command], cwd=folder, env=env, capture_output=True, text=True, timeout=120)


def run_ours(script, way):
    has_packages, hidden, _ = WAYS[way]
    packages = [ROOT / "python", *(REFERENCE.glob("lib/*/site-packages") if has_packages else ())]
    return run([REFERENCE / "bin/python", "-S", HERE / script, *hidden], packages)


def answers_of(done):
    if done.returncode:
        raise SystemExit(f"probe.py ended with {done.returncode}\n{done.stderr[-4000:]}\n0 passed, 1 failed")
    return json.loads(done.stdout)


def compare(label, wanted, got, absent=()):
    """(questions, those that are answered otherwise)"""
    questions = [q for q in wanted if not q.startswith(absent)] if absent else list(wanted)
    wrong = [q for q in [*questions, *(q for q in got if q not in wanted)] if wanted.get(q) != got.get(q, "no answer")]
    for question in wrong:
        print(f"FAIL {label}: {question}\n     wanted {json.dumps(wanted.get(question))[:2000]}\n"
              f"     got    {json.dumps(got.get(question, 'no answer'))[:2000]}")
    return len(questions), len(wrong)


def unit_tests(way):
    done = run_ours("test_package.py", way)
    count = re.search(r"^Ran (\d+) tests?", done.stderr, re.M)
    failed = sum(map(int, re.findall(r"(?:failures|errors)=(\d+)", done.stderr)))
    if done.returncode or not count:
        print(f"FAIL {way}: test_package.py\n{done.stdout[-2000:]}{done.stderr[-8000:]}")
        failed = failed or 1
    return int(count[1]) if count else 1, failed


def in_the_reference():
    sys.path.insert(0, str(ROOT / "bench"))
    from peers import SYGRA, install  # noqa: E402

    python = pathlib.Path(os.environ.get("PEER_SYGRA") or install("peer-sygra", SYGRA)) / "bin/python"
    theirs = answers_of(run([python, "-W", "ignore", HERE / "probe.py"]))
    if "--record" in sys.argv:
        lines = [f"{json.dumps(q, ensure_ascii=False)}: {json.dumps(a, ensure_ascii=False)}" for q, a in sorted(theirs.items())]
        ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    yield compare("the reference", json.loads(ANSWERS.read_text(encoding="utf-8")), theirs)


def in_ours():
    wanted = json.loads(ANSWERS.read_text(encoding="utf-8"))
    for way, (_, _, absent) in WAYS.items():
        yield compare(way, wanted, answers_of(run_ours("probe.py", way)), absent)
        yield unit_tests(way)


def main():
    counts = list(in_the_reference() if {"--reference", "--record"} & set(sys.argv) else in_ours())
    asked, failed = (sum(part) for part in zip(*counts))
    print(f"{asked - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
