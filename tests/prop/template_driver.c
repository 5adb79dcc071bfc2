/* SPDX-License-Identifier: Apache-2.0 */
/* template_driver: renders templates for template_vs_python.py. One JSON object a line on stdin, {"template", "state"},
 * one on stdout: {"ok": text} or {"error": name}. */
#include "base/json.h"
#include "plan/template.h"

#include <stdio.h>
#include <stdlib.h>

struct state {
    const struct sg_template *t;
    const struct sg_json *values;
};

static const struct sg_json *find_value(void *ud, size_t i) {
    const struct state *s = ud;
    return sg_json_get(s->values, s->t->placeholders[i].key);
}

static int render_case(struct sg_arena *a, struct sg_str line, struct sg_buf *out) {
    struct sg_json input;
    struct sg_template *t;
    int rc = sg_json_parse(a, line, &input, NULL, NULL);
    SG_ASSERT(rc == 0);
    const struct sg_json *text = sg_json_get(&input, SG_STR("template"));
    if ((rc = sg_template_compile(a, sg_json_text(text), &t, NULL, NULL)) < 0) return rc;
    struct state s = {t, sg_json_get(&input, SG_STR("state"))};
    return sg_template_render(t, find_value, &s, out, NULL);
}

static void answer(struct sg_arena *a, struct sg_str line) {
    struct sg_buf text = SG_BUF_INIT(0), out = SG_BUF_INIT(0);
    int rc = render_case(a, line, &text);
    struct sg_member m = {SG_STR("ok"), sg_json_string(sg_buf_view(&text))};
    if (rc < 0) m = (struct sg_member){SG_STR("error"), sg_json_string(sg_str(sg_error_name(rc)))};
    struct sg_json reply = sg_json_object(&m, 1);
    sg_json_write(&out, &reply);
    sg_buf_ch(&out, '\n');
    fwrite(out.p, 1, out.n, stdout);
    sg_buf_fini(&text);
    sg_buf_fini(&out);
}

int main(void) {
    struct sg_arena a;
    sg_arena_init(&a, 0);
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0; sg_arena_reset(&a))
        answer(&a, (struct sg_str){line, (size_t)n});
    free(line);
    sg_arena_fini(&a);
    return 0;
}
