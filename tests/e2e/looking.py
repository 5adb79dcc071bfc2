# SPDX-License-Identifier: Apache-2.0
"""Looking at a task: pictures, a preview, its models; shell completion and man pages."""
import json
import os
import pty
import select
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

from lib import BIN, ENV, Mock, Server, Task, completion, line

SECRET = "sk-very-secret-0123456789"


def sygra(*args, status=0, env=None, cwd=None):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd, env={**ENV, **(env or {})})
    assert done.returncode == status, f"exit status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def events_of(done):
    return [json.loads(text) for text in done.stdout.splitlines()]


BRANCHES = """
    data_config: {source: {type: disk, file_path: data.jsonl}}
    graph_config:
      nodes:
        count: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1)}"}, output_keys: n}
        ask: {node_type: llm, model: {name: echo}, prompt: [{system: "be brief"}, {user: "say {q} {n}"}], output_keys: answer}
      edges:
        - {from: START, to: count}
        - {from: count, condition: {jq: "if .n < 2 then \\"more\\" else \\"ask\\" end"}, path_map: {more: count, ask: ask}}
        - {from: ask, to: END}
    output_config: {output_map: {answer: {from: answer}, n: {from: n}}}
    """


ROWS = [{"q": "hello"}]


# --- graph --------------------------------------------------------------------------------------------------------------


def test_every_format_of_a_graph_is_printed_and_others_are_refused(folder):
    Task(folder, BRANCHES, rows=ROWS)
    for form, start in {"text": "  START", "json": "{", "dot": "digraph", "mermaid": "---", "svg": "<svg"}.items():
        assert sygra("graph", folder, "--format", form).stdout.startswith(start), form
    refused = sygra("graph", folder, "--format", "png", status=2)
    assert "text, json, dot, mermaid, svg or config" in refused.stderr, refused.stderr


def test_a_picture_shows_models_conditions_and_labels_without_colour(folder):
    Task(folder, BRANCHES, rows=ROWS)
    root = ET.fromstring(sygra("graph", folder, "--format", "svg").stdout)
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"START", "END", "ask", "llm: echo", "count", "more"} <= set(texts), texts
    titles = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(t.startswith("if if .n < 2") for t in titles), titles


# --- preview ------------------------------------------------------------------------------------------------------------


def test_a_preview_tells_all_that_happens_in_order(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        events = events_of(sygra("preview", folder, "-n", 1, "--json"))
    kinds = [(e["event"], e.get("node")) for e in events]
    assert kinds == [("record", None), ("node", "count"), ("condition", "count"), ("node_end", "count"), ("node", "count"),
                     ("condition", "count"), ("node_end", "count"), ("node", "ask"), ("request", "ask"), ("reply", "ask"),
                     ("node_end", "ask"), ("record_end", None)], kinds
    by_kind = {e["event"]: e for e in events}  # the last of each
    assert by_kind["node"]["state"]["n"] == 2 and by_kind["node"]["state"]["q"] == "hello"
    assert by_kind["request"]["messages"] == [{"role": "system", "content": "be brief"}, {"role": "user", "content": "say hello 2"}]
    assert by_kind["reply"]["text"] == "say hello 2" and by_kind["reply"]["completion_tokens"] > 0
    assert by_kind["reply"]["latency_s"] >= 0 and by_kind["reply"]["model"] == "echo"
    assert by_kind["condition"]["results"] == ["ask"] and by_kind["condition"]["to"] == ["ask"]
    assert by_kind["node_end"]["updates"] == {"answer": "say hello 2"}
    assert by_kind["record_end"]["outcome"] == "ok" and by_kind["record_end"]["output"] == {"answer": "say hello 2", "n": 2}


def test_a_preview_leaves_nothing_behind(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, [{"q": str(i)} for i in range(5)])
        before = sorted(p.name for p in folder.iterdir())
        shown = sygra("preview", folder, "-n", 2, "-si", 1)
        assert mock.stats()["answered"] == 2, mock.stats()
    assert sorted(p.name for p in folder.iterdir()) == before
    assert "record 1, line 2" in shown.stdout and "record 2, line 3" in shown.stdout and "record 3" not in shown.stdout


def test_a_preview_for_people_shows_what_changed_and_where_conditions_lead(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        out = sygra("preview", folder).stdout
    for text in ("+ n  1", "~ n  1 -> 2", '= "more" -> count', "user      say hello 2", '+ answer  "say hello 2"', "ok  {"):
        assert text in out, f"{text}\n{out}"
    assert "\033" not in out


def test_messages_are_shown_as_the_state_has_them_after_the_node(folder):
    graph = """
        graph_config:
          nodes:
            one: {node_type: llm, model: {name: echo}, prompt: [{user: "one"}]}
            two: {node_type: llm, model: {name: echo}, prompt: [{user: "two"}]}
          edges: [{from: START, to: one}, {from: one, to: two}]
        """
    with Mock() as mock:
        Task(folder, graph, mock.url)
        events = events_of(sygra("preview", folder, "-n", 1, "--json"))
    ends = [e["updates"]["messages"] for e in events if e["event"] == "node_end"]
    assert [len(messages) for messages in ends] == [1, 2], ends


def test_long_values_are_cut_in_the_middle_with_their_size(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, [{"q": "begin" + "x" * 5000 + "end"}])
        cut = sygra("preview", folder).stdout
        full = sygra("preview", folder, "--full").stdout
    assert "bytes in all" in cut and "begin" in cut and "end" in cut and "x" * 1000 not in cut
    assert "x" * 5000 in full and "bytes in all" not in full


def test_a_failed_record_shows_where_and_why(folder):
    def answer(peer, data):
        peer.sendall(b'HTTP/1.1 400 Bad\r\nContent-Length: 32\r\n\r\n{"error": {"message": "no way"}}')

    server = Server(answer)
    Task(folder, line(), server.url, [{"id": 1, "q": "a"}, {"id": 2}])
    shown = sygra("preview", folder, status=3)
    assert "failed at ask, status: model m answered 400: no way" in shown.stdout, shown.stdout
    assert "failed at ask, missing" in shown.stdout and "'q'" in shown.stdout, shown.stdout
    ends = [e for e in events_of(sygra("preview", folder, "--json", status=3)) if e["event"] == "record_end"]
    assert [(e["outcome"], e["node"], e["error"]) for e in ends] == [("failed", "ask", "status"), ("failed", "ask", "missing")]
    server.close()


def test_a_row_that_cannot_be_read_is_shown_as_failed(folder):
    task = Task(folder, BRANCHES, rows=ROWS)
    task.write("data.jsonl", "{torn\n")
    shown = sygra("preview", folder, status=3)
    assert "data.jsonl:1" in shown.stdout, shown.stdout


def test_attempts_are_told_apart(folder):
    replies = [b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n", completion("fine")]

    def answer(peer, data):
        peer.sendall(replies.pop(0))

    server = Server(answer)
    Task(folder, line(), server.url, [{"id": 1, "q": "a"}])
    events = events_of(sygra("preview", folder, "--json"))
    calls = [(e["event"], e["attempt"]) for e in events if e["event"] in ("request", "again", "reply")]
    assert calls == [("request", 1), ("again", 1), ("request", 2), ("reply", 2)], calls
    server.close()


def test_what_is_waited_for_is_shown_at_once(folder):
    server = Server(lambda peer, data: peer.sendall(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nRetry-After: 100\r\n\r\n"))
    Task(folder, line(), server.url, [{"id": 1, "q": "a"}])
    process = subprocess.Popen([BIN, "preview", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=ENV)
    shown = ""
    while "again in" not in shown:  # long before the second attempt
        text = process.stdout.readline()
        assert text, shown
        shown += text
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "user      say a" in shown and "interrupted" in rest, shown + rest
    server.close()


def test_siblings_of_a_failed_node_are_given_up(folder):
    graph = """
        graph_config:
          nodes:
            bad: {node_type: lambda, lambda: {jq: "error(\\"broken\\")"}, output_keys: x}
            slow: {node_type: llm, model: {name: m}, prompt: [{user: "hi"}], output_keys: y}
          edges: [{from: START, to: [bad, slow]}]
        """
    with Mock("--latency_ms", 5000) as mock:
        Task(folder, graph, mock.url)
        out = sygra("preview", folder, "-n", 1, status=3).stdout
    assert "given up, since another node failed" in out and "failed at bad, hook" in out, out


def test_secrets_never_reach_a_preview(folder):
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, [{"id": 1, "q": SECRET + "x" * 3000}])
        env = {"SYGRA_ECHO_TOKEN": SECRET}
        for args in ((), ("--json",), ("--full",)):
            assert SECRET[:12] not in sygra("preview", folder, *args, env=env).stdout, args


def test_control_characters_of_a_reply_do_not_reach_the_terminal(folder):
    server = Server(lambda peer, data: peer.sendall(completion("a\033[31mred\x07 \u009b1m")))
    Task(folder, line(), server.url, [{"id": 1, "q": "a"}])
    out = sygra("preview", folder).stdout
    assert "\033" not in out and "\x07" not in out and "\u009b" not in out and "\\x1b[31mred" in out, out
    server.close()


def test_an_interrupted_preview_shows_what_it_waited_for(folder):
    with Mock("--latency_ms", 60000) as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        process = subprocess.Popen([BIN, "preview", str(folder)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
        while mock.stats()["requests"] == 0:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130, (process.returncode, err)
    assert "user      say hello 2" in out and "interrupted" in out, out


def on_terminal(env, *args):
    main, side = pty.openpty()
    process = subprocess.Popen([BIN, *map(str, args)], stdout=side, stderr=subprocess.DEVNULL, env={**ENV, "TERM": "xterm", **env})
    os.close(side)
    data = b""
    while select.select([main], [], [], 60)[0]:
        try:
            more = os.read(main, 65536)
        except OSError:  # the terminal is closed
            break
        if not more:
            break
        data += more
    os.close(main)
    assert process.wait(timeout=20) == 0
    return data


def test_colour_is_for_terminals_that_want_it(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        assert b"\033[1m" in on_terminal({}, "preview", folder)
        for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            assert b"\033" not in on_terminal(env, "preview", folder), env


# --- models -------------------------------------------------------------------------------------------------------------


def test_models_are_listed_with_their_nodes_and_without_their_tokens(folder):
    Task(folder, BRANCHES, "http://127.0.0.1:9/v1", ROWS)
    done = sygra("models", folder, "--no_ping", env={"SYGRA_ECHO_TOKEN": SECRET})
    for text in ("echo (vllm)", "models.yaml", "nodes     ask", "http://127.0.0.1:9/v1", "token     set, from the environment (SYGRA_ECHO_TOKEN)"):
        assert text in done.stdout, f"{text}\n{done.stdout}"
    assert SECRET not in done.stdout + done.stderr and "ping" not in done.stdout
    [model] = events_of(sygra("models", folder, "--no_ping", "--json", env={"SYGRA_ECHO_TOKEN": SECRET}))
    assert model["nodes"] == ["ask"] and model["addresses"] == [{"url": "http://127.0.0.1:9/v1", "token": True}], model


def test_a_ping_asks_for_the_list_of_models_and_pays_nothing(folder):
    asked = []

    def answer(peer, data):
        asked.append(data)
        body = b'{"data": [{"id": "big"}, {"id": "echo"}]}'
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    server = Server(answer)
    Task(folder, BRANCHES, server.url, ROWS)
    [model] = events_of(sygra("models", folder, "--json", env={"SYGRA_ECHO_TOKEN": SECRET}))
    assert model["addresses"][0]["ok"] and model["addresses"][0]["list"] == "listed", model
    assert len(asked) == 1 and asked[0].startswith(b"GET /v1/models HTTP/1.1\r\n"), asked
    assert b"Authorization: Bearer " + SECRET.encode() in asked[0] and b"Content-Length" not in asked[0], asked
    server.close()


def test_a_model_that_is_not_in_the_list_is_told_with_those_that_are(folder):
    with Mock() as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        out = sygra("models", folder).stdout
    assert "`echo` is not in its list of models (mock)" in out, out


def test_each_failure_of_a_ping_says_what_to_do(folder):
    def refuse(status):
        return Server(lambda peer, data: peer.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status))

    servers = [refuse(401), refuse(500), Server(lambda peer, data: peer.sendall(b"SSH-2.0-x\r\n\r\n"))]
    urls = ["http://127.0.0.1:9/v1", "http://no.such.host.invalid/v1", *(s.url for s in servers)]
    Task(folder, BRANCHES, urls, ROWS)
    out = sygra("models", folder, status=1).stdout
    for text in ("is a server running there?", "it wants a token", "it answered 500", "is it the right port?"):
        assert text in out, f"{text}\n{out}"
    assert out.count("FAILED") == 5, out
    [model] = events_of(sygra("models", folder, "--json", status=1))
    assert [a["error"] for a in model["addresses"]] == ["connect", "resolve", "status", "status", "protocol"], model
    for server in servers:
        server.close()


def test_an_endpoint_without_a_list_answers_all_the_same(folder):
    server = Server(lambda peer, data: peer.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
    Task(folder, BRANCHES, server.url, ROWS)
    assert "has no list of models" in sygra("models", folder).stdout
    server.close()


def test_generate_makes_one_small_call(folder):
    with Mock("--log", folder / "log") as mock:
        Task(folder, BRANCHES, mock.url, ROWS, model={"parameters": {"max_tokens": 4000, "temperature": 0.5}})
        [model] = events_of(sygra("models", folder, "--generate", "--json"))
        assert model["generate"]["ok"] and model["generate"]["text"] == "Say hello.", model
        assert mock.stats()["answered"] == 1, mock.stats()


def test_generate_shows_why_a_call_fails(folder):
    with Mock("--fail_rate", 1, "--fail_status", "429:1") as mock:
        Task(folder, BRANCHES, mock.url, ROWS)
        out = sygra("models", folder, "--generate", status=1).stdout
    assert "generate  FAILED" in out and "429" in out, out


def test_an_embedded_model_is_looked_at_without_loading_it(folder):
    graph = line("smollm2").replace("{name: smollm2}", "{name: tiny, model_type: llama, model_path: tiny.gguf}")
    task = Task(folder, graph, rows=ROWS)
    good = b"GGUF" + (3).to_bytes(4, "little") + (7).to_bytes(8, "little") + (1).to_bytes(8, "little")
    for data, status, text in ((good, 0, "7 tensors"), (b"GGUF", 1, "less than 24 bytes"), (b"PK\3\4" + good, 1, "no GGUF file"),
                               (good[:4] + (9).to_bytes(4, "little") + good[8:], 1, "version 9"),
                               (good[:8] + bytes(16), 1, "no tensors")):
        task.write("tiny.gguf", data)
        out = sygra("models", folder, status=status).stdout
        assert text in out and "tiny.gguf" in out, f"{text}\n{out}"


def test_a_task_without_models_has_none_to_ask(folder):
    Task(folder, """
        graph_config:
          nodes: {a: {node_type: lambda, lambda: {jq: "{x: 1}"}, output_keys: x}}
          edges: [{from: START, to: a}]
        """)
    assert "calls no model" in sygra("models", folder).stdout


# --- completion and man pages -------------------------------------------------------------------------------------------


def complete_in_bash(folder, *words):
    """What bash's own machinery is told for the last of the words."""
    script = """
        source "$1"; shift
        [[ $(complete -p sygra) == "complete -F _sygra sygra" ]] || exit 9
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        _sygra sygra "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\\n' "${COMPREPLY[@]}"
        """
    done = subprocess.run(["bash", "-c", script, "bash", str(folder / "completion"), *words], capture_output=True, text=True,
                          timeout=60, cwd=folder, env=ENV)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return sorted(done.stdout.split("\n")[:-1]) if done.stdout.strip() else []


def test_bash_completes_verbs_options_values_and_folders(folder):
    (folder / "completion").write_text(sygra("completion", "bash").stdout)
    (folder / "my task").mkdir()
    (folder / "mine.yaml").write_text("")

    def check(*words):
        return complete_in_bash(folder, "sygra", *words)

    assert check("re") == ["records", "replay", "report", "resume", "retry"]
    assert {"run", "graph", "preview", "models", "--version"} <= set(check(""))
    assert check("graph", "--fo") == ["--format"]
    assert check("graph", "--format", "") == ["config", "dot", "json", "mermaid", "svg", "text"]
    assert check("graph", "-f", "s") == ["svg"]
    assert check("graph", "--format", "=", "m") == ["mermaid"]  # as bash splits --format=m
    assert check("run", "x", "--durability", "") == ["1s", "commit", "exit"]
    assert check("run", "x", "--keep", "o") == ["outputs"]
    assert check("run", "x", "--output_with_ts", "") == ["False", "True"]
    assert check("run", "x", "--output-with-ts", "T") == ["True"]
    assert check("run", "my") == ["my task"]
    assert check("resume", "m") == ["my task"]
    assert check("graph", "--models", "m") == ["mine.yaml", "my task"]
    assert check("run", "-n", "") == []
    assert check("man", "gr") == ["graph"]
    assert check("completion", "") == ["bash", "fish", "zsh"]
    assert "--quality" not in check("run", "--")  # not yet supported


def test_every_option_of_help_is_completed_and_in_the_man_page(folder):
    (folder / "completion").write_text(sygra("completion", "bash").stdout)
    for verb in complete_in_bash(folder, "sygra", ""):
        if verb.startswith("-"):
            continue
        shown = sygra(verb, "--help").stdout
        options = {w.strip(",") for text in shown.splitlines() if text.startswith("  -") for w in text.split() if w.startswith("--")}
        later = {w for text in shown.splitlines() if "(not yet supported)" in text for w in text.split() if w.startswith("--")}
        assert set(complete_in_bash(folder, "sygra", verb, "--")) == (options - later) | {"--help"}, verb
        page = sygra("man", verb).stdout.replace("\\-", "-")
        assert all(f"\\fB{option}\\fR" in page for option in options), verb


def test_man_pages_have_no_mistakes(folder):
    sygra("man", "--output_dir", folder / "man1")
    pages = sorted((folder / "man1").iterdir())
    assert {"sygra.1", "sygra-run.1", "sygra-graph.1"} <= {p.name for p in pages}
    for page in pages:
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", "-P-cbou", str(page)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and not done.stderr, f"{page.name}: {done.stderr}"
        assert "NAME" in done.stdout and "OPTIONS" in done.stdout or page.name == "sygra.1", done.stdout
    assert sygra("man", "run").stdout == (folder / "man1/sygra-run.1").read_text()


def test_man_and_completion_refuse_what_is_not_there(folder):
    assert "there is no verb `runn`" in sygra("man", "runn", status=2).stderr
    assert "which shell?" in sygra("completion", "tcsh", status=2).stderr
