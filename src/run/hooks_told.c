/* SPDX-License-Identifier: Apache-2.0 */
/* The Python code that a task names, for people: each path with the file where it is found, and, when hosts were asked, what
 * they say of it. */
#include "run/parts.h"

void sg_run_note_hook(struct sg_task *t, const struct sg_hook_spec *spec, int hook) {
    if (spec->kind != SG_HOOK_PYTHON) return;
    for (size_t i = 0; i < t->n_told; i++)
        if (sg_str_eq(t->told[i].spec->text, spec->text)) return;
    *SG_PUSH(&t->arena, t->told, t->n_told, t->cap_told) = (struct sg_hook_told){.spec = spec, .hook = hook};
}

void sg_run_take_descriptions(struct sg_task *t, const struct sg_hooks *hooks) {
    for (size_t i = 0; i < t->n_told; i++) {
        const struct sg_json *d = t->told[i].hook < 0 ? NULL : sg_hooks_description(hooks, t->told[i].hook);
        if (!d) continue;
        t->told[i].description = SG_NEW(&t->arena, struct sg_json);
        *t->told[i].description = sg_json_copy(&t->arena, d);
    }
}

static struct sg_str text_of(const struct sg_json *description, const char *key) {
    const struct sg_json *v = description ? sg_json_get(description, sg_str(key)) : NULL;
    return v && v->type == SG_JSON_STRING ? sg_json_text(v) : SG_STR_NONE;
}

/* "async function, /home/me/tasks/mine/task_executor.py:12". */
static void put_description(struct sg_buf *b, const struct sg_json *d) {
    const struct sg_json *async = sg_json_get(d, SG_STR("async")), *line = sg_json_get(d, SG_STR("line"));
    struct sg_str kind = text_of(d, "kind"), file = text_of(d, "file");
    int64_t number = 0;
    if (async && async->type == SG_JSON_TRUE) SG_BUF_LIT(b, "async ");
    sg_buf_str(b, kind.n ? kind : SG_STR("found"));
    if (file.n) sg_buf_printf(b, ", %.*s", SG_ARG(file));
    if (file.n && line && sg_json_to_i64(line, &number) && number > 0) sg_buf_printf(b, ":%lld", (long long)number);
}

static void put_place(struct sg_buf *b, const struct sg_hook_spec *spec) {
    if (spec->file.n) sg_buf_str(b, spec->file);
    else if (sg_str_starts(spec->text, SG_STR("sygra."))) SG_BUF_LIT(b, "of the package that comes with this program");
    else SG_BUF_LIT(b, "in no folder of this task; `sygra check --hooks` asks the interpreter");
}

/* Which Python it is, and what it has stand-ins for in the place of packages that are not installed. */
static void put_interpreter(struct sg_buf *b, const struct sg_json *d) {
    const struct sg_json *stand_ins = sg_json_get(d, SG_STR("stand_ins"));
    sg_buf_printf(b, "  Python %.*s", SG_ARG(text_of(d, "python")));
    for (uint32_t i = 0; stand_ins && stand_ins->type == SG_JSON_ARRAY && i < stand_ins->n; i++)
        if (stand_ins->items[i].type == SG_JSON_STRING)
            sg_buf_printf(b, "%s%.*s", i ? ", " : ", with stand-ins for ", SG_ARG(sg_json_text(&stand_ins->items[i])));
    sg_buf_ch(b, '\n');
}

void sg_task_hooks(const struct sg_task *t, struct sg_buf *out) {
    const struct sg_json *any = NULL;
    for (size_t i = 0; i < t->n_told; i++) {
        const struct sg_hook_told *told = &t->told[i];
        sg_buf_printf(out, "  %.*s: ", SG_ARG(told->spec->text));
        if (told->description) put_description(out, any = told->description);
        else put_place(out, told->spec);
        sg_buf_ch(out, '\n');
    }
    if (any) put_interpreter(out, any);
}
