/* SPDX-License-Identifier: Apache-2.0 */
/* What of a plan is worth a look: names, kinds, models, what is drawn, which way conditions lead. */
#include "plan/draw.h"

#define SHORT 34 /* characters of a line in a box */
#define LABEL 40

/* --- text ------------------------------------------------------------------------------------------------------------------- */

double sg_text_width(struct sg_str s, double size) {
    double w = 0;
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        if (c >= 0x2E80) w += 1.05; /* East Asian, symbols: full width */
        else if (c < 0x80 && strchr("iljtfrI.,:;'|!()[]/ ", (int)c)) w += 0.39;
        else if (c < 0x80 && strchr("mwMW@%_", (int)c)) w += 0.92;
        else w += c >= 'A' && c <= 'Z' ? 0.73 : 0.63;
    }
    return w * size;
}

struct sg_str sg_text_short(struct sg_arena *a, struct sg_str s, size_t most) {
    struct sg_buf b = SG_BUF_INIT(0);
    size_t length = 0, n;
    uint32_t c;
    for (size_t i = 0; i < s.n; i += sg_utf8_decode(s, i, &c)) length++;
    size_t shown = length > most ? most - 3 : length;
    for (size_t i = 0; shown > 0; i += n, shown--) {
        n = sg_utf8_decode(s, i, &c);
        if (c <= ' ') sg_buf_ch(&b, ' ');
        else sg_buf_add(&b, s.p + i, n);
    }
    if (length > most) SG_BUF_LIT(&b, "...");
    struct sg_str out = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return out;
}

/* --- groups ----------------------------------------------------------------------------------------------------------------- */

static struct sg_str group_title(struct sg_drawing *d, const struct sg_plan *p, struct sg_str path, struct sg_str name) {
    for (size_t i = 0; i < p->n_recipes; i++)
        if (sg_str_eq(p->recipes[i].node, path))
            return sg_str_printf(d->arena, "%.*s: %.*s@%u", SG_ARG(name), SG_ARG(p->recipes[i].is.name),
                                 p->recipes[i].is.version);
    return name;
}

/* The group of the subgraph s.t is that of t in that of s; `at`: where t begins in `path`. */
static int group_in(struct sg_drawing *d, const struct sg_plan *p, int parent, struct sg_str path, size_t at) {
    struct sg_str name = {path.p + at, path.n - at};
    for (size_t i = 1; i < d->n_groups; i++)
        if (d->groups[i].parent == parent && sg_str_eq(d->groups[i].name, name)) return (int)i;
    *SG_PUSH(d->arena, d->groups, d->n_groups, d->cap_groups) =
        (struct sg_group){.name = name, .title = group_title(d, p, path, name), .parent = parent};
    return (int)d->n_groups - 1;
}

/* s.t.n is the node n in the subgraph t of s. A node's own name may hold a dot; a connector's does not. */
static int group_of(struct sg_drawing *d, const struct sg_plan *p, const struct sg_plan_node *n, struct sg_str *title) {
    struct sg_str name = n->name;
    size_t own = n->spec ? n->spec->name.text.n : 0, at = 0;
    while (!n->spec && own < name.n && name.p[name.n - own - 1] != '.') own++;
    int group = 0;
    while (at + own < name.n) {
        size_t dot = sg_str_find(name, '.', at);
        group = group_in(d, p, group, (struct sg_str){name.p, dot}, at);
        at = dot + 1;
    }
    *title = (struct sg_str){name.p + name.n - own, own};
    return group;
}

static int depth_of(const struct sg_drawing *d, int group) {
    int n = 0;
    for (; group; group = d->groups[group].parent) n++;
    return n;
}

static int common_group(const struct sg_drawing *d, int a, int b) {
    while (depth_of(d, a) > depth_of(d, b)) a = d->groups[a].parent;
    while (depth_of(d, b) > depth_of(d, a)) b = d->groups[b].parent;
    while (a != b) a = d->groups[a].parent, b = d->groups[b].parent;
    return a;
}

/* --- boxes ------------------------------------------------------------------------------------------------------------------ */

static int add_box(struct sg_drawing *d, enum sg_shape shape, struct sg_str name, int group) {
    struct sg_str title = sg_text_short(d->arena, name, LABEL);
    *SG_PUSH(d->arena, d->boxes, d->n_boxes, d->cap_boxes) =
        (struct sg_box){.shape = shape, .name = name, .title = title, .group = group};
    return (int)d->n_boxes - 1;
}

static struct sg_str program_text(const struct sg_plan *p, int hook) {
    return p->hooks[hook].spec->text;
}

/* The end of a dotted path, module and name, tells functions of one task apart. */
static struct sg_str program_short(struct sg_arena *a, const struct sg_hook_spec *h) {
    struct sg_str text = h->text;
    size_t dots = 0, at = text.n;
    while (h->kind == SG_HOOK_PYTHON && at && dots < 2) dots += text.p[--at] == '.';
    if (dots == 2) text = (struct sg_str){text.p + at + 1, text.n - at - 1};
    return sg_text_short(a, text, SHORT);
}

static void describe_model(struct sg_arena *a, const struct sg_plan *p, const struct sg_plan_node *n, struct sg_box *b) {
    struct sg_str kind = sg_plan_kind_name(n);
    struct sg_str text = sg_str_printf(a, "%.*s:", SG_ARG(kind));
    if (n->model >= 0) text = sg_str_printf(a, "%.*s %.*s", SG_ARG(text), SG_ARG(p->models[n->model]->alias));
    for (size_t i = 0; i < n->n_children; i++)
        text = sg_str_printf(a, "%.*s%s %.*s", SG_ARG(text), i ? "," : "",
                             SG_ARG(p->models[n->children[i].model]->alias));
    b->lines[0] = sg_text_short(a, text, SHORT);
    if (n->pre_hook >= 0 && n->post_hook >= 0) b->lines[1] = SG_STR("pre_process, post_process");
    else if (n->pre_hook >= 0) b->lines[1] = SG_STR("pre_process");
    else if (n->post_hook >= 0) b->lines[1] = SG_STR("post_process");
}

static void describe_sampler(struct sg_arena *a, const struct sg_plan *p, const struct sg_plan_node *n,
                             struct sg_box *b) {
    struct sg_str keys = SG_STR("");
    for (size_t i = 0; i < n->n_attributes; i++)
        keys = sg_str_printf(a, "%.*s%s%.*s", SG_ARG(keys), i ? ", " : "", SG_ARG(p->keys[n->attributes[i].key].name));
    b->lines[0] = sg_plan_kind_name(n);
    b->lines[1] = sg_text_short(a, sg_str_printf(a, "draws %.*s", SG_ARG(keys)), SHORT);
}

static void describe(struct sg_arena *a, const struct sg_plan *p, const struct sg_plan_node *n, struct sg_box *b) {
    if (b->shape == SG_SHAPE_MODEL) describe_model(a, p, n, b);
    if (b->shape == SG_SHAPE_DRAW) describe_sampler(a, p, n, b);
    if (b->shape == SG_SHAPE_PROGRAM) {
        b->lines[0] = sg_plan_kind_name(n);
        if (n->lambda_hook >= 0) b->lines[1] = program_short(a, p->hooks[n->lambda_hook].spec);
    }
}

static enum sg_shape shape_of(const struct sg_plan_node *n) {
    if (n->kind == SG_NODE_SAMPLER) return SG_SHAPE_DRAW;
    if (n->kind == SG_NODE_LAMBDA) return SG_SHAPE_PROGRAM;
    return n->kind == SG_NODE_CONNECTOR ? SG_SHAPE_POINT : SG_SHAPE_MODEL;
}

/* --- arrows ----------------------------------------------------------------------------------------------------------------- */

struct making {
    struct sg_drawing *d;
    const struct sg_plan *p;
    int end;          /* the box END */
    const int *boxes; /* of nodes */
    const int *joins; /* of joins */
};

/* Two conditions may use the same key. */
static bool has_label(struct sg_str all, struct sg_str label) {
    for (size_t at = 0; at + label.n <= all.n; at++) {
        bool starts = at == 0 || (at > 1 && memcmp(all.p + at - 2, ", ", 2) == 0);
        bool ends = at + label.n == all.n || all.p[at + label.n] == ',';
        if (starts && ends && memcmp(all.p + at, label.p, label.n) == 0) return true;
    }
    return false;
}

static void add_label(struct sg_arena *a, struct sg_arrow *to, struct sg_str label) {
    if (label.n == 0 || has_label(to->label, label)) return;
    const char *comma = to->label.n ? ", " : "";
    struct sg_str both = sg_str_printf(a, "%.*s%s%.*s", SG_ARG(to->label), comma, SG_ARG(label));
    to->label = sg_text_short(a, both, LABEL);
}

/* Paths of one condition to the same place are one arrow, and so are all that lead from a box to itself. */
static void add_arrow(struct making *m, int from, int to, struct sg_str label, struct sg_str program) {
    struct sg_drawing *d = m->d;
    for (size_t i = 0; (label.n || from == to) && i < d->n_arrows; i++) {
        struct sg_arrow *same = &d->arrows[i];
        if (same->from != from || same->to != to) continue;
        if (from != to && !sg_str_eq(same->program, program)) continue;
        add_label(d->arena, same, label);
        return;
    }
    *SG_PUSH(d->arena, d->arrows, d->n_arrows, d->cap_arrows) =
        (struct sg_arrow){.from = from, .to = to, .label = label, .program = program};
}

static void add_targets(struct making *m, int from, const int *targets, size_t n, struct sg_str label,
                        struct sg_str program) {
    for (size_t i = 0; i < n; i++) add_arrow(m, from, m->boxes[targets[i]], label, program);
    if (n == 0) add_arrow(m, from, m->end, label, program);
}

static struct sg_str shown_key(struct sg_arena *a, struct sg_str key) {
    return key.n ? sg_text_short(a, key, LABEL) : SG_STR("\"\"");
}

static void add_out(struct making *m, int from, const struct sg_plan_out *o) {
    if (o->n_targets || (o->n_branches == 0 && o->n_joins == 0))
        add_targets(m, from, o->targets, o->n_targets, SG_STR_NONE, SG_STR_NONE);
    for (size_t i = 0; i < o->n_branches; i++)
        for (size_t k = 0; k < o->branches[i].n_paths; k++) {
            const struct sg_plan_path *path = &o->branches[i].paths[k];
            add_targets(m, from, path->targets, path->n_targets, shown_key(m->d->arena, path->key),
                        program_text(m->p, o->branches[i].hook));
        }
    for (size_t i = 0; i < o->n_joins; i++) add_arrow(m, from, m->joins[o->joins[i]], SG_STR_NONE, SG_STR_NONE);
}

static int add_join(struct making *m, const struct sg_plan_join *j) {
    struct sg_drawing *d = m->d;
    int group = d->boxes[m->boxes[j->sources[0]]].group;
    for (size_t i = 1; i < j->n_sources; i++)
        group = common_group(d, group, d->boxes[m->boxes[j->sources[i]]].group);
    return add_box(d, SG_SHAPE_JOIN, sg_str_printf(d->arena, "all of %zu", j->n_sources), group);
}

void sg_draw_plan(struct sg_arena *a, const struct sg_plan *p, struct sg_drawing *d) {
    *d = (struct sg_drawing){.arena = a};
    *SG_PUSH(a, d->groups, d->n_groups, d->cap_groups) = (struct sg_group){.parent = -1};
    int start = add_box(d, SG_SHAPE_START, SG_STR("START"), 0);
    int *boxes = SG_NEW_N(a, int, p->n_nodes), *joins = SG_NEW_N(a, int, p->n_joins);
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct sg_str title;
        int group = group_of(d, p, &p->nodes[i], &title);
        boxes[i] = add_box(d, shape_of(&p->nodes[i]), p->nodes[i].name, group);
        d->boxes[boxes[i]].title = sg_text_short(a, title, LABEL);
        describe(a, p, &p->nodes[i], &d->boxes[boxes[i]]);
    }
    struct making m = {.d = d, .p = p, .boxes = boxes, .joins = joins};
    for (size_t i = 0; i < p->n_joins; i++) joins[i] = add_join(&m, &p->joins[i]);
    m.end = add_box(d, SG_SHAPE_END, SG_STR("END"), 0);
    add_out(&m, start, &p->start);
    for (size_t i = 0; i < p->n_nodes; i++) add_out(&m, boxes[i], &p->nodes[i].out);
    for (size_t i = 0; i < p->n_joins; i++)
        add_targets(&m, joins[i], p->joins[i].targets, p->joins[i].n_targets, SG_STR_NONE, SG_STR_NONE);
}
