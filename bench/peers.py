# SPDX-License-Identifier: Apache-2.0
"""The part `peers` of bench/run: the same work by the Python framework SyGra and by curator, each installed from PyPI into a virtual
environment of its own (build/peer-sygra: 7 GB, build/peer-curator: 2 GB; both want Python 3.11).

The work: the rows of bench/run, a draw of tone and persona, one call that rephrases the text, on `sygra mock` with a constant latency.
All three run in turn, against the same endpoint, with as many calls in flight. What is compared is CPU, user and system, of the whole
process with its children, a record.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

from measure import BIN, ENV, ROOT, SEED, TASK, Failed, get, mock, run

SYGRA, CURATOR = "sygra==2.0.0.post1", "bespokelabs-curator==0.1.31"
PYTHON = "python3.11"
OURS = 5  # runs of ours, which take a second each: the median counts

SYGRA_GRAPH = """
data_config:
  source: {type: disk, file_path: tasks/rephrase/rows.json, file_format: json}
graph_config:
  nodes:
    pick:
      node_type: weighted_sampler
      attributes:
        tone: {values: [formal, casual, serious, playful], weights: [4, 3, 2, 1]}
        persona: {values: [teacher, student, lawyer, doctor], weights: [1, 1, 1, 1]}
    rephrase:
      node_type: llm
      model: {name: bench}
      prompt:
        - system: "You are a {persona}. Your tone is {tone}."
        - user: "Rephrase the following text. Keep its meaning.\\n\\n{text}"
      output_keys: rephrased
  edges:
    - {from: START, to: pick}
    - {from: pick, to: rephrase}
    - {from: rephrase, to: END}
output_config:
  output_map:
    id: {from: id}
    tone: {from: tone}
    persona: {from: persona}
    rephrased: {from: rephrased}
"""

CURATOR_PROGRAM = '''
import json, random, sys
from bespokelabs import curator

url, in_flight, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


class Rephrase(curator.LLM):
    def prompt(self, row):
        return [{"role": "system", "content": f"You are a {row['persona']}. Your tone is {row['tone']}."},
                {"role": "user", "content": f"Rephrase the following text. Keep its meaning.\\n\\n{row['text']}"}]

    def parse(self, row, response):
        return {"id": row["id"], "tone": row["tone"], "persona": row["persona"], "rephrased": response}


draw = random.Random(1)
rows = []
with open("rows.jsonl") as f:
    for line in f:
        if len(rows) == count:
            break
        row = json.loads(line)
        row["tone"] = draw.choices(["formal", "casual", "serious", "playful"], [4, 3, 2, 1])[0]
        row["persona"] = draw.choice(["teacher", "student", "lawyer", "doctor"])
        rows.append(row)
llm = Rephrase(model_name="gpt-4o-mini", backend="openai", generation_params={"temperature": 0, "max_tokens": 500},
               backend_params={"base_url": url, "api_key": "EMPTY", "max_requests_per_minute": 10**7, "max_tokens_per_minute": 10**10,
                               "max_concurrent_requests": in_flight, "in_mtok_cost": 0, "out_mtok_cost": 0})
answers = llm(rows)
answers = getattr(answers, "dataset", answers)
with open("curator.jsonl", "w") as f:
    for row in answers:
        f.write(json.dumps(row) + "\\n")
'''


def install(name, package):
    """A virtual environment with the package; kept for the next time."""
    venv = ROOT / "build" / name
    done = venv / "installed"
    if done.exists() and done.read_text() == package:
        return venv
    shutil.rmtree(venv, ignore_errors=True)
    if not shutil.which(PYTHON):
        raise Failed(f"{PYTHON} is missing: {package} wants it; install it by hand where the system has another version")
    subprocess.run([PYTHON, "-m", "venv", venv], check=True)
    pip = [venv / "bin/python", "-m", "pip", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*pip, "install", package]).returncode:
        raise Failed(f"{package} could not be installed; pip says above why")
    if package == SYGRA:  # its main.py is in the sdist only
        subprocess.run([*pip, "download", "--no-deps", "--no-binary", "sygra", "-d", venv, package], check=True)
        stem = package.replace("==", "-")
        with tarfile.open(venv / f"{stem}.tar.gz") as archive:
            (venv / "main.py").write_bytes(archive.extractfile(f"{stem}/main.py").read())
    done.write_text(package)
    return venv


def checked(ran, path, count, name):
    """The output has that many records, each with an answer."""
    if ran.status != 0 or not os.path.exists(path):
        raise Failed(f"{name} ended with {ran.status}: {ran.err[-800:]}")
    text = pathlib.Path(path).read_text()
    rows = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    if len(rows) != count or not all(r.get("rephrased") for r in rows):
        raise Failed(f"{name}: {len(rows)} of {count} records are in the output")
    return ran


def run_ours(work, url, count, in_flight):
    out = os.path.join(work, "peer-out")
    shutil.rmtree(out, ignore_errors=True)
    command = [BIN, "run", TASK, "-n", count, "-b", in_flight, "-od", out, "-owt", "False", "--seed", SEED]
    return checked(run(command, work, {**ENV, "SYGRA_BENCH_URL": url}), os.path.join(out, "output.json"), count, "sygra run")


def run_framework(work, url, count, in_flight):
    venv, folder = install("peer-sygra", SYGRA), pathlib.Path(work) / "peer-sygra"
    shutil.rmtree(folder, ignore_errors=True)
    task = folder / "tasks/rephrase"
    task.mkdir(parents=True)
    (task / "graph_config.yaml").write_text(SYGRA_GRAPH)
    with open(os.path.join(work, "rows.jsonl")) as f:
        (task / "rows.json").write_text(json.dumps([json.loads(next(f)) for _ in range(count)]))
    (folder / "models.yaml").write_text(json.dumps({"bench": {"model_type": "vllm", "model": "bench", "url": url, "auth_token": "EMPTY",
                                                              "parameters": {"temperature": 0, "max_tokens": 500}}}))
    shutil.copy(venv / "main.py", folder)
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml"), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    command = [venv / "bin/python", "main.py", "--task", "rephrase", "-n", count, "-b", in_flight, "-ci", in_flight, "--output_with_ts",
               "False", "-dm", "True"]
    return checked(run(command, str(folder), env), task / "output.json", count, SYGRA)


def run_curator(work, url, count, in_flight):
    venv, folder = install("peer-curator", CURATOR), pathlib.Path(work) / "peer-curator"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "rephrase.py").write_text(CURATOR_PROGRAM)
    os.symlink(os.path.join(work, "rows.jsonl"), folder / "rows.jsonl")
    # It counts tokens by a table that is fetched from the net, and that one of its dependencies brings along.
    tokens = next(venv.glob("lib/python3*/site-packages/litellm/litellm_core_utils/tokenizers"))
    env = {**ENV, "TIKTOKEN_CACHE_DIR": str(tokens), "CURATOR_CACHE_DIR": str(folder / "cache"), "TELEMETRY_ENABLED": "false", "CURATOR_VIEWER": "0", "HF_HUB_OFFLINE": "1",
           "LITELLM_LOCAL_MODEL_COST_MAP": "True", "OPENAI_API_KEY": "EMPTY"}
    ran = run([venv / "bin/python", "rephrase.py", url, in_flight, count], str(folder), env)
    return checked(ran, folder / "curator.jsonl", count, CURATOR)


PEERS = (("sygra (this engine), with a run folder", run_ours, None), (f"the framework, {SYGRA}", run_framework, 250),
         (f"curator, {CURATOR}", run_curator, 80))


def part_peers(b):
    """CPU a record of each, and how many times ours it is."""
    count, in_flight, latency = b.sizes["peers"], 500, 200
    b.table(f"Peers: {count:,} records, {in_flight} in flight, {latency} ms latency", "engine", "wall s", "CPU ms a record",
            "times ours", "peak RSS MB", "calls made")
    ours = None
    with mock(b.work, "--latency_ms", latency) as endpoint:
        for name, engine, factor in PEERS:
            with contextlib.suppress(OSError):
                get(endpoint.base + "/__reset", "POST")
            runs = [engine(b.work, endpoint.url, count, in_flight) for _ in range(1 if factor else OURS)]
            ran = sorted(runs, key=lambda r: r.cpu)[len(runs) // 2]
            cpu = ran.cpu / count * 1000
            ours = ours or cpu
            b.row(name, f"{ran.wall:.1f}", f"{cpu:.3f}", f"{cpu / ours:,.0f}", f"{ran.rss:,.0f}", f"{endpoint.stats()['answered'] // len(runs):,}")
            b.keep("peers", engine=name, wall=ran.wall, cpu_ms=cpu, rss=ran.rss)
            if factor:
                b.figure(f"CPU a record, {name} / ours", factor, cpu / ours, " x", 0, at_least=True)
