# SPDX-License-Identifier: Apache-2.0
"""What a run says of itself: `sygra report`, the metadata file, prices."""
import html.parser
import json
import re
import signal
import sqlite3
import subprocess

from lib import BIN, ENV, Mock, Task, line
from resume import ARGS, answers, die, kill_after, living, resume, rows, sygra, wait_for

PRICED = {"price": {"input": 2, "output": 10}}


def report(folder, *args, name="output", status=0):
    done = sygra("report", folder / f"{name}.run", "--json", *args, folder=folder).expect(status)
    return json.loads(done.out) if status == 0 else done


def page(folder, name="output"):
    return sygra("report", folder / f"{name}.run", "--html", folder=folder).expect(0).out


def metadata(folder):
    found = sorted((folder / "metadata").glob("metadata_*.json"))
    return json.loads(found[-1].read_text()) if found else None


def query(folder, sql, name="output"):
    with sqlite3.connect(f"file:{folder}/{name}.run/run.db?mode=ro", uri=True) as db:
        return db.execute(sql).fetchall()


def test_every_attempt_is_counted_by_its_response(folder):
    faults = ("--fail_rate", 0.3, "--fail_status", "429:2,503:1,400:1", "--fault_attempts", 1, "--reset_rate", 0.05)
    with Mock("--seed", 3, *faults) as mock:
        Task(folder, line(), mock.url, rows(100)).run("-b", 50, "-n", 0).expect(3)
        said, stats = report(folder), mock.stats()
    calls, by_status = said["calls"], stats["by_status"]
    for status in ("200", "429", "503", "400"):
        assert calls["responses"].get(status) == by_status[status], (calls["responses"], stats)
    assert calls["responses"]["reset"] >= 1, calls["responses"]
    assert calls["attempts"] == sum(calls["responses"].values())
    assert calls["answered"] == said["records"]["ok"] == by_status["200"]
    assert calls["failed"] == said["records"]["failed"] == by_status["400"]
    assert calls["tried_again"] == calls["attempts"] - 100
    assert metadata(folder)["models"]["m"]["response_code_distribution"] == calls["responses"]


def test_totals_are_exact_over_kills(folder):
    n = 500
    with Mock("--latency_ms", 150, "--sigma", 0.3, "--fail_rate", 0.1, "--fail_status", "429:1", "--fault_attempts", 1) as mock:
        Task(folder, line("echo"), mock.url, rows(n), model=PRICED)
        kill_after(folder, 50, "-n", 0, "-b", 20)
        for _ in range(2):
            reached = report(folder)["records"]["in_order"] + 60
            with living(folder / "output.run", verb="resume") as p:
                wait_for(lambda: report(folder)["records"]["in_order"] >= reached, "records")  # noqa: B023
                die(p)
        done = resume(folder, "--json").expect(0)
        assert done.records() == answers(n)
        said, told, here = report(folder), metadata(folder), done.summary()
    [(answered, failed, retried, prompt, completion)] = query(
        folder, "select calls_answered,calls_failed,calls_retried,prompt_tokens,completion_tokens from progress where id=1")
    calls = said["calls"]
    assert said["lives"] == 4 and said["state"] == "finished"
    assert (calls["answered"], calls["failed"], calls["tried_again"]) == (answered, failed, retried)
    assert (calls["prompt_tokens"], calls["completion_tokens"]) == (prompt, completion)
    assert calls["responses"] == {"200": answered, **({"429": retried} if retried else {})}
    assert query(folder, "select sum(count) from times where ordinal=0") == [(answered,)]
    # What was answered before a kill and is not in the records was asked again, and said so.
    assert calls["repeated"] == answered - n, calls
    assert query(folder, "select calls from spent") == [(n,)]
    cost = (prompt * 2 + completion * 10) / 1e6
    assert abs(said["cost"]["total_usd"] - cost) < 1e-8 and abs(here["cost_usd"] - cost) < 1e-5
    assert told["aggregate_statistics"]["requests"]["total_requests"] == answered + retried
    assert told["aggregate_statistics"]["cost"]["total_cost_usd"] == said["cost"]["total_usd"]
    assert told["execution"]["lives"] == 4


def test_an_unknown_price_is_unknown(folder):
    with Mock() as mock:
        done = Task(folder, line(), mock.url, rows(5)).run("--json").expect(0)
    said, told = report(folder), metadata(folder)
    assert said["cost"]["total_usd"] is None and said["models"][0]["price"] is None
    assert "cost_usd" not in done.summary()
    assert told["aggregate_statistics"]["cost"]["total_cost_usd"] is None
    assert {"what": "cost of m", "why": "its price is not known: give it with --prices FILE, or as `price` in models.yaml"} in said["missing"]
    assert "cost     unknown" in sygra("report", folder / "output.run").expect(0).out
    assert "$0" not in page(folder).split("<h2>Outcomes")[0]


def test_prices_of_a_table_beat_those_of_an_entry(folder):
    with Mock() as mock:
        task = Task(folder, line(), mock.url, rows(5), model=PRICED)
        task.write("prices.yaml", "date: 2026-11-01\nmodels:\n  m: {input: 1000000, output: 0}\n")
        first = task.run().expect(0)
        tokens = report(folder)["calls"]
        assert report(folder)["cost"]["total_usd"] == (tokens["prompt_tokens"] * 2 + tokens["completion_tokens"] * 10) / 1e6
        assert "cost     $" in first.out, first.out
        assert report(folder, "--prices", folder / "prices.yaml")["cost"]["total_usd"] == tokens["prompt_tokens"]
        task.run("--prices", folder / "prices.yaml").expect(0)
    assert report(folder)["cost"]["total_usd"] == tokens["prompt_tokens"]
    assert report(folder)["models"][0]["price"]["from"].endswith("prices.yaml (2026-11-01)")


def test_list_prices_are_those_of_the_models_that_are_named(folder):
    with Mock() as mock:
        Task(folder, line(), mock.url, rows(5), model={"model_type": "openai", "model": "gpt-4o-mini"}).run().expect(0)
    model = report(folder)["models"][0]
    assert model["price"] == {"input": 0.15, "output": 0.6, "from": model["price"]["from"]}
    assert re.fullmatch(r"list prices of \d{4}-\d\d-\d\d", model["price"]["from"])
    assert model["cost_usd"] > 0


def test_a_mistake_in_a_price_table_has_its_place(folder):
    task = Task(folder, line(), rows=rows(1))
    prices = task.write("prices.yaml", "date: 2026-11-01\nmodels:\n  m: {inputt: 1, output: 2}\n")
    done = task.run("--prices", prices).expect(1)
    assert f"{prices}:3:7: error:" in done.err and "did you mean `input`" in done.err, done.err
    assert not (folder / "output.run").exists()
    done = task.run("--prices", folder / "nowhere.yaml").expect(1)
    assert "nowhere.yaml" in done.err
    with Mock() as mock:
        Task(folder, line(), mock.url, rows(1)).run().expect(0)
    done = report(folder, "--prices", prices, status=1)
    assert f"{prices}:3:7: error:" in done.err, done.err


def test_what_is_kept_decides_what_a_report_has(folder):
    said = {}
    with Mock("--reply_words", 5) as mock:
        task = Task(folder, line(), mock.url, rows(40), model=PRICED)
        for keep in ("all", "calls", "outputs"):
            task.run("--keep", keep, "-n", 0).expect(0)
            said[keep] = report(folder)
    missing = {keep: [m["what"] for m in s["missing"]] for keep, s in said.items()}
    assert missing == {"all": [], "calls": [], "outputs": ["charts over time"]}, missing
    assert said["outputs"]["timeline"] is None
    assert "--keep outputs" in said["outputs"]["missing"][0]["why"]
    for keep in ("all", "calls"):
        slots = said[keep]["timeline"]["slots"]
        assert sum(s["answered"] for s in slots) == sum(s["ok"] for s in slots) == 40
        assert abs(sum(s["cost_usd"] for s in slots) - said[keep]["cost"]["total_usd"]) < 1e-6
        assert said[keep]["calls"]["responses"] == said["outputs"]["calls"]["responses"]
        assert said[keep]["cost"] == said["outputs"]["cost"]


def test_a_live_run_and_a_dead_one_are_reported(folder):
    with Mock("--latency_ms", 300) as mock:
        Task(folder, line(), mock.url, rows(500))
        with living(folder, "-n", 0, "-b", 20) as p:
            wait_for(lambda: (folder / "output.run/run.db").exists() and report(folder)["records"]["ok"] >= 20, "records")
            said = report(folder)
            assert said["state"] == "live" and 20 <= said["records"]["ok"] < 500
            assert said["commit_lag_ms"] is None
            assert "commit lag" in [m["what"] for m in said["missing"]]
            die(p)
        said = report(folder)
    assert said["state"] == "dead" and said["calls"]["answered"] >= said["records"]["ok"] >= 20
    assert said["duration_s"] > 0
    assert metadata(folder) is None


def test_failed_records_have_a_cost_of_their_own(folder):
    graph = line().replace("- {from: ask, to: END}", "- {from: ask, to: sort}\n        - {from: sort, to: END}").replace(
        "      edges:", "        sort: {node_type: lambda, lambda: {jq: 'if .id % 4 == 0 then error(\"no\") else {n: 1} end'}, output_keys: n}\n      edges:")
    with Mock() as mock:
        Task(folder, graph, mock.url, rows(40), model=PRICED).run("-n", 0).expect(3)
    cost = report(folder)["cost"]
    assert 0 < cost["by_outcome_usd"]["failed"] < cost["by_outcome_usd"]["ok"]
    assert abs(sum(cost["by_outcome_usd"].values()) - cost["total_usd"]) < 1e-8
    assert abs(cost["per_accepted_record_usd"] - cost["total_usd"] / 30) < 1e-8
    nodes = {n["name"]: n for n in report(folder)["nodes"]}
    assert (nodes["sort"]["executions"], nodes["sort"]["executions_failed"]) == (40, 10)
    assert (nodes["ask"]["executions"], nodes["ask"]["answered"]) == (40, 40)
    assert metadata(folder)["nodes"]["sort"]["total_failures"] == 10


def test_a_run_without_a_folder_has_a_metadata_file(folder):
    with Mock() as mock:
        Task(folder, line(), mock.url, rows(7), model=PRICED).run("--no_journal").expect(0)
    told = metadata(folder)
    assert told["models"]["m"]["performance"]["total_requests"] == 7
    assert told["aggregate_statistics"]["cost"]["total_cost_usd"] > 0
    assert told["execution"]["resumable"] is False


def test_the_metadata_file_can_be_switched_off(folder):
    with Mock() as mock:
        task = Task(folder, line(), mock.url, rows(1))
        task.run("-dm", "True").expect(0)
        task.run(env={"SYGRA_DISABLE_METADATA": "true"}).expect(0)
        assert metadata(folder) is None
        task.run("--disable_metadata", "False").expect(0)
    assert metadata(folder)


def test_the_metadata_file_has_the_time_of_the_output(folder):
    with Mock() as mock:
        Task(folder, line(), mock.url, rows(1))
        done = subprocess.run([BIN, "run", str(folder), "--json"], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    stamp = re.search(r"output_(.*)\.json$", said["output"]).group(1)
    assert said["metadata"] == f"{folder}/metadata/metadata_{folder.name}_{stamp}.json", said
    assert json.loads(open(said["metadata"]).read())["execution"]["task_name"] == folder.name


def git(folder, *args):
    env = {**ENV, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *args], cwd=folder, env=env, check=True, capture_output=True)


def test_the_metadata_file_names_the_commit_and_no_password(folder):
    with Mock() as mock:
        task = Task(folder, line(), mock.url, rows(1))
        git(folder, "init", "-q", "-b", "trunk")
        git(folder, "add", "-A")
        git(folder, "commit", "-qm", "one")
        git(folder, "remote", "add", "origin", "https://user:hunter2hunter2@example.org/a/b.git")
        task.run().expect(0)
        clean = metadata(folder)["execution"]["git"]
        task.write("models.yaml", (folder / "models.yaml").read_text() + "\n")
        task.run().expect(0)
        dirty = metadata(folder)["execution"]["git"]
    assert re.fullmatch("[0-9a-f]{40}", clean["commit_hash"]) and clean["branch"] == "trunk"
    assert (clean["is_dirty"], dirty["is_dirty"]) == (False, True)
    assert clean["remote_url"] == "https://example.org/a/b.git"


def test_no_secret_reaches_a_report(folder):
    canaries = {"token": "canary-token-0123456789", "key": "canary-key-0123456789", "header": "canary-header-0123456789"}
    model = {"auth_token": canaries["token"], "extra_headers": {"X-Api-Key": canaries["header"]},
             "parameters": {"extra_body": {"api_key": canaries["key"]}}}
    with Mock() as mock:
        Task(folder, line(), mock.url, rows(3), model=model).run("-n", 0, "--keep", "outputs").expect(0)
    shown = [page(folder), json.dumps(report(folder)), sygra("report", folder / "output.run").out, json.dumps(metadata(folder)),
             (folder / "output.run/run.db").read_bytes().decode("latin1")]
    for text in shown:
        for canary in canaries.values():
            assert canary not in text, canary


class Page(html.parser.HTMLParser):
    VOID = {"meta", "br"}

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], {}, [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.texts.append(data)


def test_a_page_needs_nothing_else(folder):
    with Mock("--fail_rate", 0.1, "--fail_status", "400:1", "--latency_ms", 20) as mock:
        Task(folder, line(), mock.url, rows(60), model=PRICED).run("-n", 0).expect(3)
    text = page(folder)
    p = Page(text)
    assert not p.open, p.open
    assert p.tags["svg"] == 5 and p.tags["table"] == 4, p.tags
    assert not {"script", "link", "img", "iframe", "object", "use"} & set(p.tags), p.tags
    assert not [a for a in p.attributes if a[0] in ("src", "href", "style") or a[0].startswith("on")]
    assert "url(" not in text and "@import" not in text and "://" not in text
    for word in ("Records", "Calls", "Latency", "Mean latency", "Cost", "Models", "Nodes", "Outcomes", "Failed records", "ask"):
        assert word in p.texts, word


def test_a_report_of_nothing_is_refused(folder):
    done = sygra("report", folder / "none", cwd=folder)
    assert done.status == 1 and "there is no run" in done.err, done.err
    assert sygra("report", "--html", "--json", cwd=folder).status == 2


def test_progress_tells_the_cost_so_far_and_of_all(folder):
    with Mock("--latency_ms", 400) as mock:
        Task(folder, line(), mock.url, rows(1000), model=PRICED)
        p = subprocess.Popen([BIN, "run", str(folder), *ARGS, "-n", "0", "-b", "20", "--json"], stdout=subprocess.PIPE, text=True, env=ENV)
        try:
            for text in p.stdout:
                event = json.loads(text)
                if event.get("event") == "progress" and event.get("calls", 0) > 0:
                    break
        finally:
            p.send_signal(signal.SIGKILL)
            p.communicate()
    assert event["cost_usd"] > 0
    if event.get("total"):
        assert event["projected_cost_usd"] > event["cost_usd"]
