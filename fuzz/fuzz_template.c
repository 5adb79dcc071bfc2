/* SPDX-License-Identifier: Apache-2.0 */
/* template: a prompt's template, and behind the line `===` the state as JSON. (Python's own str.format is compared by
 * tests/prop/template_vs_python.py; here no text may break anything.)
 *
 * Always: a mistake is inside the text; a text without braces renders as itself, and any text does with its braces doubled;
 * a template renders the same twice; a limit of bytes holds. */
#include "fuzz.h"

#include "plan/template.h"

static struct sg_arena arena;

struct values {
    const struct sg_template *t;
    struct sg_json state;
};

static const struct sg_json *look_up(void *ud, size_t i) {
    const struct values *v = ud;
    return sg_json_get(&v->state, v->t->placeholders[i].key);
}

static const struct sg_json *nothing(void *ud, size_t i) {
    (void)ud, (void)i;
    return NULL;
}

static void split(struct sg_str all, struct sg_str *template, struct sg_json *state) {
    static const char line[] = "\n===\n";
    const char *at = memmem(all.p, all.n, line, sizeof line - 1);
    *template = (struct sg_str){all.p, at ? (size_t)(at - all.p) : all.n};
    *state = sg_json_object(NULL, 0);
    if (!at) return;
    struct sg_str rest = {at + sizeof line - 1, all.n - template->n - (sizeof line - 1)};
    struct sg_json v;
    if (sg_json_parse(&arena, rest, &v, NULL, NULL) == 0 && v.type == SG_JSON_OBJECT) *state = v;
}

static void doubled_braces_are_text(struct sg_str text) {
    struct sg_buf doubled = SG_BUF_INIT(SIZE_MAX), out = SG_BUF_INIT(SIZE_MAX);
    struct sg_template *t;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '{' || text.p[i] == '}') sg_buf_ch(&doubled, text.p[i]);
        sg_buf_ch(&doubled, text.p[i]);
    }
    SG_ASSERT(sg_template_compile(&arena, sg_buf_view(&doubled), &t, NULL, NULL) == 0 && t->n == 0);
    SG_ASSERT(sg_template_render(t, nothing, NULL, &out, NULL) == 0);
    SG_ASSERT(sg_str_eq(sg_buf_view(&out), text));
    sg_buf_fini(&doubled);
    sg_buf_fini(&out);
}

static void check_parts(const struct sg_template *t, struct sg_str text) {
    size_t from = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct sg_placeholder *p = &t->placeholders[i];
        SG_ASSERT(p->offset >= from && p->offset < text.n && text.p[p->offset] == '{');
        SG_ASSERT(p->raw.n >= p->key.n + p->spec.n);
        from = p->offset + 1;
    }
}

static void check_renders(const struct sg_template *t, struct values *v) {
    struct sg_buf one = SG_BUF_INIT(1 << 20), two = SG_BUF_INIT(1 << 20), small = SG_BUF_INIT(16);
    struct sg_err err = {0};
    int rc = sg_template_render(t, look_up, v, &one, &err);
    SG_ASSERT(rc == 0 || (err.code == rc && err.text[0]));
    SG_ASSERT(sg_template_render(t, look_up, v, &two, NULL) == rc);
    if (rc == 0) SG_ASSERT(sg_str_eq(sg_buf_view(&one), sg_buf_view(&two)));
    int tight = sg_template_render(t, look_up, v, &small, NULL);
    SG_ASSERT(small.n <= 16 && (tight < 0 || rc == 0));
    if (tight == 0) SG_ASSERT(one.n <= 16); /* what fits may need more room on the way: {x!r:.0} */
    sg_buf_fini(&one);
    sg_buf_fini(&two);
    sg_buf_fini(&small);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct values v;
    struct sg_str text;
    struct sg_template *t;
    struct sg_err err = {0};
    size_t at = SIZE_MAX;
    sg_arena_init(&arena, 0);
    split(fuzz_text(data, size), &text, &v.state);
    if (sg_template_compile(&arena, text, &t, &at, &err) == 0) {
        v.t = t;
        check_parts(t, text);
        check_renders(t, &v);
    } else {
        SG_ASSERT(err.code == SG_E_SYNTAX && err.text[0] && at < text.n);
    }
    doubled_braces_are_text(text);
    sg_arena_fini(&arena);
    return 0;
}
