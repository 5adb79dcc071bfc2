/* SPDX-License-Identifier: Apache-2.0 */
/* What a run is (docs/formats/run-folder.md, table meta): enough to run the same task again, and to see what has changed in it.
 *
 * The list of nodes is the plan's, by number, followed by those that stand for the rest of the task: what START leads to, the
 * output map, and if there are any the checks and the transformations of the input. */
#include "run/rows.h"

#include <limits.h>
#include <unistd.h>

static void member(struct sg_buf *b, const char *key, struct sg_str value) {
    if (b->n > 1) sg_buf_ch(b, ',');
    sg_json_write_string(b, sg_str(key));
    sg_buf_ch(b, ':');
    sg_json_write_string(b, value);
}

/* Of all values that samplers draw from files. */
static uint32_t columns_crc(const struct run *r) {
    uint32_t crc = 0;
    for (size_t i = 0; i < r->task.plan->n_columns; i++) {
        uint32_t of_column = sg_columns_get(r->columns, i)->crc;
        crc = sg_crc32c(crc, &of_column, sizeof of_column);
    }
    return crc;
}

/* {"s": "name@1"}: shipped subgraphs. What differs in a node shows in its hash; this tells where it comes from. */
static void add_recipes(const struct sg_plan *p, struct sg_buf *b) {
    if (p->n_recipes == 0) return;
    SG_BUF_LIT(b, ",\"recipes\":{");
    for (size_t i = 0; i < p->n_recipes; i++) {
        const struct sg_plan_recipe *r = &p->recipes[i];
        if (i) sg_buf_ch(b, ',');
        sg_json_write_string(b, r->node);
        sg_buf_printf(b, ":\"%.*s@%u\"", SG_ARG(r->is.name), r->is.version);
    }
    sg_buf_ch(b, '}');
}

static void note_file(struct sg_member *files, size_t *n, const struct sg_hook_spec *h) {
    for (size_t i = 0; i < *n; i++)
        if (sg_str_eq(files[i].key, h->file)) return;
    if (h->file.n) files[(*n)++] = (struct sg_member){h->file, sg_json_string((struct sg_str){h->file_hash, 16})};
}

/* {"tasks/mine/task_executor.py": the beginning of its SHA-256}: modules of hooks, for the same reason. */
static void add_files(struct run *r, struct sg_buf *b) {
    const struct sg_plan *p = r->task.plan;
    const struct sg_source_spec *s = r->task.spec.data.source;
    size_t n_transforms = s ? s->n_transforms : 0, n = 0;
    struct sg_member *files = SG_NEW_N(&r->task.arena, struct sg_member, p->n_hooks + n_transforms);
    for (size_t i = 0; i < p->n_hooks; i++) note_file(files, &n, p->hooks[i].spec);
    for (size_t i = 0; i < n_transforms; i++) note_file(files, &n, &s->transforms[i].hook);
    struct sg_json all = sg_json_object(files, n);
    if (n) SG_BUF_LIT(b, ",\"files\":"), sg_json_write(b, &all);
}

/* Trust is asked for anew, each time. */
static void put_hosts(struct sg_buf *b, const struct sg_run_hosts *hosts) {
    if (hosts->python.n) member(b, "python", hosts->python);
    if (hosts->env_names.n) member(b, "host_env", hosts->env_names);
    if (hosts->timeout_ms) sg_buf_printf(b, ",\"hook_timeout_ms\":%u", hosts->timeout_ms);
    if (hosts->memory_bytes) sg_buf_printf(b, ",\"host_memory_mb\":%u", (uint32_t)(hosts->memory_bytes >> 20));
}

static struct sg_str options_json(struct run *r) {
    const struct sg_run_options *o = r->o;
    char cwd[PATH_MAX];
    struct sg_buf b = SG_BUF_INIT(1 << 20);
    sg_buf_ch(&b, '{');
    member(&b, "task", o->config.task);
    member(&b, "models", o->config.models_file);
    if (o->config.graph_config.n) member(&b, "graph_config", o->config.graph_config);
    if (o->config.prices_file.n) member(&b, "prices", o->config.prices_file);
    if (o->run_name.n) member(&b, "run_name", o->run_name);
    if (o->output_dir.n) member(&b, "output_dir", o->output_dir);
    if (o->with_timestamp) SG_BUF_LIT(&b, ",\"timestamp\":true");
    if (o->no_metadata) sg_buf_printf(&b, ",\"metadata\":false");
    member(&b, "cwd", sg_str(getcwd(cwd, sizeof cwd) ? cwd : ""));
    sg_buf_printf(&b, ",\"in_flight\":%u,\"hosts\":%u,\"deterministic\":%s", o->in_flight, o->max_hosts,
                  o->deterministic ? "true" : "false");
    put_hosts(&b, &o->hosts);
    if (o->record.n) member(&b, "record", o->record);
    if (r->task.plan->n_columns) sg_buf_printf(&b, ",\"columns\":%u", columns_crc(r));
    add_recipes(r->task.plan, &b);
    add_files(r, &b);
    sg_buf_ch(&b, '}');
    struct sg_str json = sg_str_dup(&r->task.arena, sg_buf_view(&b));
    sg_buf_fini(&b);
    return json;
}

static struct sg_str text_member(const struct sg_json *v, const char *key) {
    const struct sg_json *m = sg_json_get(v, sg_str(key));
    return m && m->type == SG_JSON_STRING ? sg_json_text(m) : SG_STR_NONE;
}

static uint32_t count_member(const struct sg_json *v, const char *key, uint32_t otherwise) {
    const struct sg_json *m = sg_json_get(v, sg_str(key));
    int64_t n = 0;
    return m && sg_json_to_i64(m, &n) && n > 0 && n <= UINT32_MAX ? (uint32_t)n : otherwise;
}

static struct sg_run_hosts stored_hosts(struct sg_arena *a, const struct sg_json *v) {
    return (struct sg_run_hosts){.python = sg_str_dup(a, text_member(v, "python")),
                                 .env_names = sg_str_dup(a, text_member(v, "host_env")),
                                 .timeout_ms = count_member(v, "hook_timeout_ms", 0),
                                 .memory_bytes = (uint64_t)count_member(v, "host_memory_mb", 0) << 20};
}

struct sg_run_hosts sg_run_hosts_here(struct sg_arena *a, const struct sg_run_hosts *given) {
    struct sg_run_hosts here = *given;
    bool is_path = sg_str_find(here.python, '/', 0) < here.python.n;
    if (is_path) here.python = sg_run_absolute(a, here.python);
    return here;
}

void sg_run_override_hosts(struct sg_run_hosts *stored, const struct sg_run_hosts *given) {
    if (given->python.n) stored->python = given->python;
    if (given->env_names.n) stored->env_names = given->env_names;
    if (given->timeout_ms) stored->timeout_ms = given->timeout_ms;
    if (given->memory_bytes) stored->memory_bytes = given->memory_bytes;
    stored->trust = given->trust;
    stored->attached = given->attached;
    stored->attached_fd = given->attached_fd;
}

int sg_run_stored_options(struct sg_arena *a, struct sg_str json, struct sg_run_options *out, struct sg_str *cwd,
                          struct sg_err *err) {
    struct sg_json v;
    if (sg_json_parse(a, json, &v, NULL, NULL) != 0)
        return sg_fail(err, SG_E_SYNTAX, "run.db: its options are damaged");
    const struct sg_json *d = sg_json_get(&v, SG_STR("deterministic"));
    out->config.task = text_member(&v, "task");
    const struct sg_json *metadata = sg_json_get(&v, SG_STR("metadata"));
    out->config.models_file = text_member(&v, "models");
    out->config.graph_config = text_member(&v, "graph_config");
    out->record = sg_str_dup(a, text_member(&v, "record"));
    out->config.prices_file = text_member(&v, "prices");
    const struct sg_json *stamp = sg_json_get(&v, SG_STR("timestamp"));
    out->with_timestamp = stamp && stamp->type == SG_JSON_TRUE;
    out->run_name = text_member(&v, "run_name");
    out->output_dir = text_member(&v, "output_dir");
    out->no_metadata = metadata && metadata->type == SG_JSON_FALSE;
    *cwd = sg_str_dup(a, text_member(&v, "cwd"));
    out->in_flight = count_member(&v, "in_flight", out->in_flight);
    out->max_hosts = count_member(&v, "hosts", 0);
    out->hosts = stored_hosts(a, &v);
    out->deterministic = d && d->type == SG_JSON_TRUE;
    return 0;
}

bool sg_run_columns_differ(struct run *r) {
    struct sg_json was;
    if (!r->task.plan->n_columns || sg_json_parse(&r->task.arena, r->was.options, &was, NULL, NULL) != 0) return false;
    return count_member(&was, "columns", 0) != columns_crc(r);
}

static struct sg_run_node *nodes_of(struct run *r, size_t *n) {
    const struct sg_plan *p = r->task.plan;
    struct sg_run_node *nodes = SG_NEW_N(&r->task.arena, struct sg_run_node, p->n_nodes + 4);
    for (size_t i = 0; i < p->n_nodes; i++)
        nodes[i] = (struct sg_run_node){.name = p->nodes[i].name,
                                        .kind = sg_plan_kind_name(&p->nodes[i]),
                                        .hash = sg_str(p->nodes[i].hash),
                                        .request = sg_str(p->nodes[i].request_hash),
                                        .result = sg_str(p->nodes[i].result_hash)};
    nodes[p->n_nodes] =
        (struct sg_run_node){.name = SG_STR("START"), .kind = SG_STR("start"), .hash = sg_str(p->start_hash)};
    nodes[p->n_nodes + 1] = (struct sg_run_node){
        .name = SG_STR("output_config"), .kind = SG_STR("output"), .hash = sg_str(p->output_hash)};
    *n = p->n_nodes + 2;
    const struct sg_run_node schema = {
        .name = SG_STR("schema_config"), .kind = SG_STR("schema"), .hash = sg_str(p->schema_hash)};
    if (schema.hash.n) nodes[(*n)++] = schema;
    const struct sg_run_node data = {
        .name = SG_STR("transformations"), .kind = SG_STR("data"), .hash = sg_rows_hash(r)};
    if (data.hash.n) nodes[(*n)++] = data;
    return nodes;
}

static struct sg_str *key_names(struct run *r) {
    const struct sg_plan *p = r->task.plan;
    struct sg_str *names = SG_NEW_N(&r->task.arena, struct sg_str, p->n_keys);
    for (size_t i = 0; i < p->n_keys; i++) names[i] = p->keys[i].name;
    return names;
}

void sg_run_identify(struct run *r) {
    const struct sg_run_options *o = r->o;
    struct sg_run_identity *id = &r->identity;
    *id = (struct sg_run_identity){
        .program = SG_STR("sygra " SYGRA_VERSION),
        .task = r->task.spec.name,
        .folder = r->task.spec.folder,
        .stem = r->stem,
        .options = options_json(r),
        .durability = o->durability,
        .keep = o->keep,
        .seed = r->seed,
        .first = r->first,
        .count = r->count,
        .started_ms = r->started_wall_ns / 1000000,
        .keys = key_names(r),
        .n_keys = r->task.plan->n_keys,
    };
    id->nodes = nodes_of(r, &id->n_nodes);
    if (r->task.spec.data.source) id->source.path = r->task.spec.data.source->path;
}
