/* SPDX-License-Identifier: Apache-2.0 */
/* What a task folder becomes as a spec: defaults, layers of models, overrides of subgraphs. Mistakes and their
 * messages are in tests/cases/config. Each test has a folder of its own as working directory, as .env and
 * models.yaml are read there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/config.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct world {
    struct sg_arena a;
    struct sg_diags d;
    struct sg_task_spec t;
    char folder[64], before[4096];
};

static int open_world(void **state) {
    struct world *w = sg_xcalloc(1, sizeof *w);
    *state = w;
    sg_arena_init(&w->a, 0);
    sg_diags_init(&w->d);
    strcpy(w->folder, "/tmp/sygra-config-XXXXXX");
    return !getcwd(w->before, sizeof w->before) || !mkdtemp(w->folder) || chdir(w->folder);
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *at) {
    (void)st, (void)flag, (void)at;
    return remove(path);
}

static int close_world(void **state) {
    struct world *w = *state;
    int rc = chdir(w->before) | nftw(w->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    sg_diags_fini(&w->d);
    sg_arena_fini(&w->a);
    free(w);
    return rc;
}

static void put(const char *path, const char *text) {
    char folder[256];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash) {
        *slash = 0;
        assert_int_equal(sg_os_mkdirs(folder), 0);
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void load(struct world *w, const char *task) {
    struct sg_config_options o = {.task = sg_str(task), .exe_dir = "."};
    int rc = sg_config_load(&w->a, &o, &w->d, &w->t);
    struct sg_buf b = SG_BUF_INIT(1 << 20);
    sg_diags_print(&w->d, &b, false);
    if (rc) print_error("%.*s\n", (int)b.n, b.p);
    sg_buf_fini(&b);
    assert_int_equal(rc, 0);
    assert_int_equal(w->d.errors, 0);
}

static void is_text(struct sg_str s, const char *expected) {
    char text[512];
    snprintf(text, sizeof text, "%.*s", SG_ARG(s));
    assert_string_equal(text, expected);
}

static void is_json(struct world *w, const struct sg_json *v, const char *expected) {
    is_text(sg_json_dump(&w->a, v), expected);
}

static const struct sg_node_spec *node(const struct sg_graph_spec *g, const char *name) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (sg_str_eq(g->nodes[i].name.text, sg_str(name))) return &g->nodes[i];
    fail_msg("no node %s", name);
    return NULL;
}

#define EDGES "  edges: [{from: START, to: q}, {from: q, to: END}]\n"

static void test_a_plain_task_gets_its_defaults(void **state) {
    struct world *w = *state;
    put("models.yaml", "m: {model_type: vllm, url: 'http://h:1/v1'}\n");
    put("data.jsonl", "{}\n");
    put("tasks/a/b/graph_config.yaml",
        "data_config: {source: {type: disk, file_path: data.jsonl, fields: [x, y]}, id_column: x}\n"
        "graph_config:\n"
        "  nodes: {q: {node_type: llm, model: {name: m}, prompt: [{user: 'hi {x}'}]}}\n" EDGES);
    load(w, "a.b");
    is_text(w->t.name, "a.b");
    is_text(w->t.folder, "tasks/a/b");
    is_text(w->t.data.source->path, "data.jsonl");
    assert_int_equal(w->t.data.source->files[0].format, SG_FORMAT_LINES);
    is_text(w->t.data.source->encoding, "utf-8");
    assert_int_equal(w->t.data.source->n_fields, 2);
    is_text(w->t.data.id_column, "x");
    assert_false(w->t.output.has_map);

    const struct sg_node_spec *q = node(&w->t.graph, "q");
    assert_int_equal(q->kind, SG_NODE_LLM);
    assert_int_equal(q->n_output_keys, 1);
    is_text(q->output_keys[0].text, "messages");
    is_text(q->input_key.text, "messages");
    is_text(q->output_role, "assistant");
    is_text(q->prompt[0].role, "user");
    is_text(q->prompt[0].parts[0].text.text, "hi {x}");
    assert_false(q->prompt[0].is_list);
    assert_int_equal(q->model->timeout_ms, 120000);
    assert_int_equal(q->model->retry_attempts, 8);
    is_json(w, &q->model->parameters, "{}");
    is_text(q->model->wire_name, "m");
    is_text(q->model->tokens[0], "");
    is_text(w->t.graph.edges[0].from[0].text, "START");
    is_text(w->t.graph.edges[1].to[0].text, "END");
}

static void test_prompts_keep_their_forms(void **state) {
    struct world *w = *state;
    put("models.yaml", "m: {model_type: vllm, url: 'http://h:1/v1'}\n");
    put("t/graph_config.yaml", "graph_config:\n"
                               "  nodes:\n"
                               "    q:\n"
                               "      node_type: llm\n"
                               "      model: {name: m}\n"
                               "      prompt:\n"
                               "        - system: [one, {type: text, text: two}]\n"
                               "        - tool: [{content: 'raw {x', tool_call_id: c1}]\n"
                               "        - someone: dropped\n"
                               "        - user: last\n"
                               "      output_keys: [a, b]\n"
                               "      post_process: {jq: '{a: .response}'}\n" EDGES);
    load(w, "t");
    const struct sg_node_spec *q = node(&w->t.graph, "q");
    assert_int_equal(q->n_prompt, 3);
    assert_true(q->prompt[0].is_list);
    assert_int_equal(q->prompt[0].n_parts, 2);
    is_text(q->prompt[0].parts[1].text.text, "two");
    is_text(q->prompt[1].role, "tool");
    is_text(q->prompt[1].tool_call_id, "c1");
    is_text(q->prompt[1].parts[0].text.text, "raw {x");
    is_text(q->prompt[2].parts[0].text.text, "last");
    assert_int_equal(q->post_process.kind, SG_HOOK_JQ);
    is_text(q->post_process.text, "{a: .response}");
    is_text(q->post_process.path, "graph_config.nodes.q.post_process");
    assert_int_equal(q->n_output_keys, 2);
}

static void test_model_layers_are_file_then_environment_then_node(void **state) {
    struct world *w = *state;
    put("models.yaml", "my model:\n"
                       "  model_type: vllm\n"
                       "  url: http://file/v1\n"
                       "  model: remote\n"
                       "  model_serving_name: served\n"
                       "  timeout: 1\n"
                       "  retry_attempts: 1\n"
                       "  special_tokens: [</s>]\n"
                       "  extra_headers: {X-A: 1}\n"
                       "  parameters: {temperature: 1.0, max_tokens: 5, audio: {voice: a, format: wav}}\n");
    put(".env", "SYGRA_MY_MODEL_URL=http://one/v1|http://two/"
                "v1\nSYGRA_MY_MODEL_TOKEN=token-of-twelve\nSYGRA_MY_MODEL_TIMEOUT=2\n"
                "SYGRA_MY_MODEL_RETRY_ATTEMPTS=2\n");
    put("t/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    q:\n"
        "      node_type: llm\n"
        "      model: {name: my model, timeout: 2.5, parameters: {temperature: 0, audio: {voice: b}}}\n"
        "      prompt: [{user: hi}]\n" EDGES);
    load(w, "t");
    const struct sg_model_spec *m = node(&w->t.graph, "q")->model;
    is_text(m->alias, "my model");
    is_text(m->wire_name, "served");
    assert_int_equal(m->n_urls, 2);
    is_text(m->urls[0], "http://one/v1");
    is_text(m->urls[1], "http://two/v1");
    is_text(m->tokens[0], "token-of-twelve");
    is_text(m->tokens[1], "token-of-twelve");
    assert_int_equal(m->timeout_ms, 2500);
    assert_int_equal(m->retry_attempts, 2);
    is_json(w, &m->parameters, "{\"temperature\":0,\"max_tokens\":5,\"audio\":{\"voice\":\"b\"}}");
    is_json(w, &m->extra_headers, "{\"X-A\":\"1\"}");
    is_json(w, &m->special_tokens, "[\"</s>\"]");
}

static void test_tokens_are_redacted_under_their_variables_name(void **state) {
    struct world *w = *state;
    struct sg_buf b = SG_BUF_INIT(200);
    put("models.yaml", "m: {model_type: openai, url: 'http://h:1/v1', auth_token: 'Bearer written-in-the-file'}\n");
    put(".env", "SYGRA_OTHER_TOKEN=used-by-no-model\n");
    put("t/graph_config.yaml", "graph_config:\n"
                               "  nodes: {q: {node_type: llm, model: {name: m}, prompt: [{user: hi}]}}\n" EDGES);
    load(w, "t");
    is_text(node(&w->t.graph, "q")->model->tokens[0], "written-in-the-file");
    sg_redact(&b, SG_STR("a written-in-the-file b used-by-no-model c"));
    is_text(sg_buf_view(&b), "a [SYGRA_M_TOKEN] b [SYGRA_OTHER_TOKEN] c");
    sg_buf_fini(&b);
}

static void test_a_token_stays_with_the_address_of_the_environment(void **state) {
    struct world *w = *state;
    put(".env", "SYGRA_M_URL=http://good:1/v1\nSYGRA_M_TOKEN=token-of-the-user\n");
    put("models.yaml", "m: {model_type: vllm}\n");
    put("t/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    q: {node_type: llm, model: {name: m, url: 'http://evil:1/v1'}, prompt: [{user: hi}]}\n"
        "    r: {node_type: llm, model: {name: m, url: 'http://GOOD:1/v2'}, prompt: [{user: hi}]}\n"
        "    s: {node_type: llm, model: {name: m}, prompt: [{user: hi}]}\n" EDGES);
    load(w, "t");
    is_text(node(&w->t.graph, "q")->model->urls[0], "http://evil:1/v1");
    is_text(node(&w->t.graph, "q")->model->tokens[0], "");
    is_text(node(&w->t.graph, "r")->model->tokens[0], "token-of-the-user");
    is_text(node(&w->t.graph, "s")->model->tokens[0], "token-of-the-user");
    assert_int_equal(w->d.n, 1);
}

static void test_the_built_in_aliases_are_there(void **state) {
    struct world *w = *state;
    put(".env", "SYGRA_GPT-OSS-20B_URL=http://h:1/v1\n");
    put("t/graph_config.yaml", "graph_config:\n"
                               "  nodes:\n"
                               "    q: {node_type: llm, model: {name: smollm2, sequences: 4}, prompt: [{user: hi}]}\n"
                               "    r: {node_type: llm, model: {name: gpt-oss-20b}, prompt: [{user: hi}]}\n" EDGES);
    load(w, "t");
    const struct sg_model_spec *q = node(&w->t.graph, "q")->model, *r = node(&w->t.graph, "r")->model;
    assert_int_equal(q->type, SG_MODEL_LLAMA);
    assert_int_equal(q->model_path.n, 0);
    assert_int_equal(q->sequences, 4);
    assert_int_equal(q->threads, 0);
    assert_int_equal(r->type, SG_MODEL_VLLM);
    is_json(w, &r->parameters, "{\"temperature\":0.15,\"max_tokens\":128000}");
}

static void test_samplers_lambdas_and_edges(void **state) {
    struct world *w = *state;
    put("t/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    q:\n"
        "      node_type: weighted_sampler\n"
        "      attributes:\n"
        "        a: {values: [x, 2, [3]], weights: [1, 0.5, 0]}\n"
        "        b: {values: [no]}\n"
        "    r: {node_type: lambda, lambda: {jq: .}, params: {deep: [1.50, no]}, output_keys: out}\n"
        "    s: {node_type: lambda, node_state: idle, lambda: a.b.c, output_keys: [x]}\n"
        "  edges:\n"
        "    - {from: START, to: [q]}\n"
        "    - {from: [q, r], to: __end__}\n"
        "    - {from: q, condition: {jq: .x}, path_map: {__end__: SYGRA_END, no: r, 1: r, text: END}}\n");
    load(w, "t");
    const struct sg_node_spec *q = node(&w->t.graph, "q"), *r = node(&w->t.graph, "r"), *s = node(&w->t.graph, "s");
    assert_int_equal(q->n_attributes, 2);
    is_text(q->attributes[0].name.text, "a");
    is_json(w, &q->attributes[0].values[2], "[3]");
    assert_true(q->attributes[0].weights[1] == 0.5 && q->attributes[1].weights[0] == 1);
    is_json(w, &r->config,
            "{\"node_type\":\"lambda\",\"lambda\":{\"jq\":\".\"},\"params\":{\"deep\":[1.5,false]},\"output_keys\":"
            "\"out\"}");
    assert_true(s->idle && s->n_output_keys == 1);
    const struct sg_edge_spec *e = w->t.graph.edges;
    assert_true(e[1].n_from == 2 && e[1].n_to == 1);
    is_text(e[1].to[0].text, "END");
    assert_int_equal(e[2].n_paths, 4);
    is_text(e[2].paths[0].key, "END");
    is_text(e[2].paths[0].target.text, "END");
    is_text(e[2].paths[1].key, "false");
    is_text(e[2].paths[2].key, "1");
    is_text(e[2].condition.path, "graph_config.edges[2].condition");
}

static void test_output_values_follow_their_paths(void **state) {
    struct world *w = *state;
    put("t/graph_config.yaml",
        "graph_config:\n"
        "  nodes: {q: {node_type: lambda, lambda: {jq: .}, notes: [a, {b: $task_name}]}}\n" EDGES "task_name: T\n"
        "output_config:\n"
        "  output_map:\n"
        "    no: {from: x}\n"
        "    a: {value: '$graph_config.nodes.q.notes[1]'}\n"
        "    b: {value: {k: [$task_name, 1.10, plain $task_name]}, transform: {jq: .}}\n"
        "    c: {value: null}\n");
    load(w, "t");
    const struct sg_output_field *f = w->t.output.fields;
    assert_true(w->t.output.has_map && w->t.output.n_fields == 4);
    is_text(f[0].name.text, "false");
    is_text(f[0].from.text, "x");
    assert_true(f[1].is_value);
    is_json(w, &f[1].value, "{\"b\":\"$task_name\"}"); /* taken as it stands */
    is_json(w, &f[2].value, "{\"k\":[\"T\",1.1,\"plain $task_name\"]}");
    assert_int_equal(f[2].transform.kind, SG_HOOK_JQ);
    assert_true(f[3].is_value && f[3].value.type == SG_JSON_NULL);
}

static void put_subgraphs(void) {
    put("models.yaml", "m: {model_type: vllm, url: 'http://h:1/v1'}\n");
    put("tasks/leaf/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    q:\n"
        "      node_type: llm\n"
        "      model: {name: m, parameters: {a: leaf, b: leaf, c: leaf}}\n"
        "      prompt: [{system: 'do {p} and {{p}}'}, {user: [{type: text, text: '{p} {r}'}]}]\n"
        "      output_keys: leaf\n" EDGES);
    put("tasks/middle/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    q:\n"
        "      node_type: subgraph\n"
        "      subgraph: leaf\n"
        "      node_config_map:\n"
        "        q: {model: {parameters: {b: middle, c: middle}}, prompt_placeholder_map: {p: x, r: s}}\n" EDGES);
    put("t/graph_config.yaml", "graph_config:\n"
                               "  nodes:\n"
                               "    q:\n"
                               "      node_type: subgraph\n"
                               "      subgraph: middle\n"
                               "      node_config_map:\n"
                               "        q:\n"
                               "          node_config_map:\n"
                               "            q:\n"
                               "              output_keys: top\n"
                               "              model: {parameters: {c: top}}\n"
                               "              prompt_placeholder_map: {p: y, x: z}\n"
                               "    r: {node_type: subgraph, subgraph: leaf}\n" EDGES);
}

static void test_overrides_are_laid_on_from_the_inside_out(void **state) {
    struct world *w = *state;
    put_subgraphs();
    load(w, "t");
    const struct sg_node_spec *middle = node(&w->t.graph, "q"),
                              *leaf = node(node(middle->subgraph, "q")->subgraph, "q");
    is_json(w, &leaf->model->parameters, "{\"a\":\"leaf\",\"b\":\"middle\",\"c\":\"top\"}");
    is_text(leaf->output_keys[0].text, "top");
    /* {p} became {x} in the middle, and {x} became {z} on top; nothing was left for p: y. Doubled braces hold {p},
     * too. */
    is_text(leaf->prompt[0].parts[0].text.text, "do {z} and {{z}}");
    is_text(leaf->prompt[1].parts[0].text.text, "{z} {s}");
    const struct sg_node_spec *plain = node(node(&w->t.graph, "r")->subgraph, "q");
    is_json(w, &plain->model->parameters, "{\"a\":\"leaf\",\"b\":\"leaf\",\"c\":\"leaf\"}");
    is_text(plain->prompt[1].parts[0].text.text, "{p} {r}");
}

static void test_marks_point_into_the_file_of_the_text(void **state) {
    struct world *w = *state;
    put_subgraphs();
    load(w, "t");
    const struct sg_node_spec *leaf = node(node(node(&w->t.graph, "q")->subgraph, "q")->subgraph, "q");
    is_text(w->d.files[leaf->output_keys[0].mark.file - 1].path, "t/graph_config.yaml");
    assert_int_equal(leaf->output_keys[0].mark.line, 10);
    is_text(w->d.files[leaf->prompt[0].parts[0].text.mark.file - 1].path, "tasks/leaf/graph_config.yaml");
    assert_int_equal(leaf->prompt[0].parts[0].text.mark.line, 6);
}

static void test_origins_name_places_and_hold_no_secret(void **state) {
    struct world *w = *state;
    struct sg_buf b = SG_BUF_INIT(4096);
    put("t/data.json", "[]");
    put(".env", "SYGRA_M_URL=http://h:1/v1\nSYGRA_M_TOKEN=token-of-the-user\n");
    put("t/models.yaml", "m: {model_type: vllm}\n");
    put("t/graph_config.yaml", "data_config: {source: {type: disk, file_path: data.json}}\n"
                               "graph_config:\n"
                               "  nodes: {q: {node_type: llm, model: {name: m}, prompt: [{user: hi}]}}\n" EDGES);
    load(w, "t");
    sg_config_origins(&w->t, &b);
    is_text(sg_buf_view(&b), "task: t/graph_config.yaml\n"
                             "data_config.source.file_path: t/data.json\n"
                             "model m: entry from t/models.yaml\n"
                             "model m: url from .env (SYGRA_M_URL) = http://h:1/v1\n"
                             "model m: auth_token from .env (SYGRA_M_TOKEN)\n");
    sg_buf_fini(&b);
}

static void test_python_modules_are_found_without_python(void **state) {
    struct world *w = *state;
    char here[4096], expected[4200];
    put("elsewhere/tasks/mine/task_executor.py",
        "def f(config, state):\n    return {}\nclass TaskExecutor(Base):\n    pass\n");
    put("elsewhere/tasks/mine/own.py", "x = 1\n");
    put("package/deep/__init__.py", "");
    put("elsewhere/tasks/mine/graph_config.yaml",
        "graph_config:\n"
        "  nodes:\n"
        "    a: {node_type: lambda, lambda: tasks.mine.task_executor.f, once: true}\n"
        "    b: {node_type: lambda, lambda: own.x}\n"
        "    c: {node_type: lambda, lambda: package.deep.Class.method}\n"
        "    d: {node_type: lambda, lambda: installed.somewhere.f}\n"
        "  edges: [{from: START, to: [a, b, c, d]}, {from: [a, b, c, d], to: END}]\n");
    load(w, "elsewhere/tasks/mine");
    const struct sg_node_spec *n = w->t.graph.nodes;
    assert_int_equal(n[0].lambda.kind, SG_HOOK_PYTHON);
    is_text(n[0].lambda.file, "elsewhere/tasks/mine/task_executor.py");
    is_text(n[1].lambda.file, "elsewhere/tasks/mine/own.py");
    is_text(n[2].lambda.file, "package/deep/__init__.py");
    assert_string_equal(n[2].lambda.file_hash, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_int_equal(n[3].lambda.file.n, 0);
    assert_int_equal(n[3].lambda.file_hash[0], 0);
    assert_true(n[0].once && !n[1].once);
    assert_true(w->t.has_executor);
    /* The working directory, what holds `tasks`, and the task's folder, since a hook lies there; not what is between. */
    assert_int_equal(w->t.n_python_paths, 3);
    assert_non_null(getcwd(here, sizeof here));
    is_text(w->t.python_paths[0], here);
    snprintf(expected, sizeof expected, "%s/elsewhere", here);
    is_text(w->t.python_paths[1], expected);
    snprintf(expected, sizeof expected, "%s/elsewhere/tasks/mine", here);
    is_text(w->t.python_paths[2], expected);
}

static void test_what_python_code_may_be_given_is_read(void **state) {
    struct world *w = *state;
    put("models.yaml", "m: {model_type: vllm, url: \"http://h:1/v1\", post_process: a.b.Clean}\n");
    put("d.jsonl", "{}\n");
    put("t/graph_config.yaml",
        "data_config:\n"
        "  source: {type: disk, file_path: d.jsonl, streaming: true, transformations: [a.T, {transform: b.T, params: "
        "{n: 1}}]}\n"
        "graph_post_process: [{processor: a.P, params: {k: [2]}}]\n"
        "schema_config: {schema: a.Schema}\n"
        "graph_config:\n"
        "  graph_properties: {chat_conversation: singleturn, chat_history_window_size: 3}\n"
        "  nodes:\n"
        "    q: {node_type: llm, model: {name: m}, prompt: [{user: hi}], chat_history: true, tool_choice: required,\n"
        "        tools: [a.tools.search, nodot, {type: function, function: {name: f}}]}\n"
        "  edges: [{from: START, to: q}, {from: q, to: END}]\n"
        "output_config:\n"
        "  generator: a.Gen\n"
        "  output_map: {x: {from: y, transform: method}, z: {value: {v: $schema_config.schema}}}\n");
    load(w, "t");
    const struct sg_source_spec *source = w->t.data.source;
    assert_int_equal(source->n_transforms, 2);
    assert_true(source->streaming);
    is_text(source->transforms[1].hook.text, "b.T");
    assert_int_equal(source->transforms[0].params.type, SG_JSON_NULL);
    is_json(w, &source->transforms[1].params, "{\"n\":1}");
    assert_int_equal(w->t.n_post, 1);
    is_json(w, &w->t.post[0].params, "{\"k\":[2]}");
    is_text(w->t.schema.type.text, "a.Schema");
    assert_int_equal(w->t.graph.conversation, SG_CHAT_SINGLE);
    assert_int_equal(w->t.graph.history_window, 3);
    const struct sg_node_spec *q = w->t.graph.nodes;
    assert_true(q->chat_history);
    assert_int_equal(q->n_tools, 2);
    is_text(q->tools[0].hook.text, "a.tools.search");
    is_json(w, &q->tools[1].object, "{\"type\":\"function\",\"function\":{\"name\":\"f\"}}");
    is_json(w, &q->tool_choice, "\"required\"");
    is_text(q->model->post_process.text, "a.b.Clean");
    is_text(w->t.output.generator.text, "a.Gen");
    is_text(w->t.output.fields[0].transform.text, "method");
    is_json(w, &w->t.output.config,
            "{\"generator\":\"a.Gen\",\"output_map\":{\"x\":{\"from\":\"y\",\"transform\":\"method\"},"
            "\"z\":{\"value\":{\"v\":\"a.Schema\"}}}}");
}

static void test_no_such_task_is_an_io_error(void **state) {
    struct world *w = *state;
    struct sg_config_options o = {.task = SG_STR("nowhere"), .exe_dir = "."};
    assert_int_equal(sg_config_load(&w->a, &o, &w->d, &w->t), SG_E_IO);
    assert_int_equal(w->d.errors, 1);
    o.task = SG_STR("");
    assert_int_equal(sg_config_load(&w->a, &o, &w->d, &w->t), SG_E_IO);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_world, close_world)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_plain_task_gets_its_defaults),
        TEST(test_prompts_keep_their_forms),
        TEST(test_model_layers_are_file_then_environment_then_node),
        TEST(test_tokens_are_redacted_under_their_variables_name),
        TEST(test_a_token_stays_with_the_address_of_the_environment),
        TEST(test_the_built_in_aliases_are_there),
        TEST(test_samplers_lambdas_and_edges),
        TEST(test_output_values_follow_their_paths),
        TEST(test_overrides_are_laid_on_from_the_inside_out),
        TEST(test_marks_point_into_the_file_of_the_text),
        TEST(test_origins_name_places_and_hold_no_secret),
        TEST(test_python_modules_are_found_without_python),
        TEST(test_what_python_code_may_be_given_is_read),
        TEST(test_no_such_task_is_an_io_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
