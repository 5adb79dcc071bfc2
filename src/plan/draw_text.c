/* SPDX-License-Identifier: Apache-2.0 */
/* The drawing in the languages of two other programs: Graphviz's dot, and Mermaid flowcharts. Boxes and groups are numbered,
 * names are labels only, so that no name can be taken for syntax. */
#include "plan/draw.h"

/* --- dot -------------------------------------------------------------------------------------------------------------------- */

/* In a quoted string a backslash begins an escape of Graphviz's own. */
static void dot_text(struct sg_buf *b, struct sg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\') sg_buf_ch(b, '\\');
        if (c < ' ' && c != '\n') sg_buf_ch(b, ' ');
        else sg_buf_ch(b, s.p[i]);
    }
}

static void dot_string(struct sg_buf *b, const char *key, struct sg_str s) {
    sg_buf_printf(b, "%s=\"", key);
    dot_text(b, s);
    sg_buf_ch(b, '"');
}

static void dot_box(struct sg_buf *b, const struct sg_box *k, size_t number) {
    static const char *const shapes[] = {
        [SG_SHAPE_START] = "shape=oval",
        [SG_SHAPE_END] = "shape=oval",
        [SG_SHAPE_MODEL] = "shape=box, style=rounded",
        [SG_SHAPE_DRAW] = "shape=hexagon",
        [SG_SHAPE_PROGRAM] = "shape=box, peripheries=2",
        [SG_SHAPE_POINT] = "shape=point, width=0.15",
        [SG_SHAPE_JOIN] = "shape=box, penwidth=3, height=0.2",
    };
    sg_buf_printf(b, "n%zu [%s, label=\"", number, shapes[k->shape]);
    dot_text(b, k->title);
    for (int i = 0; i < SG_BOX_LINES; i++) {
        if (!k->lines[i].n) continue;
        SG_BUF_LIT(b, "\\n");
        dot_text(b, k->lines[i]);
    }
    SG_BUF_LIT(b, "\", ");
    dot_string(b, "tooltip", k->name);
    SG_BUF_LIT(b, "];\n");
}

static void dot_group(struct sg_buf *b, const struct sg_drawing *d, size_t group) {
    if (group) {
        sg_buf_printf(b, "subgraph cluster_%zu {\n", group);
        dot_string(b, "label", d->groups[group].title);
        SG_BUF_LIT(b, ";\n");
    }
    for (size_t i = 0; i < d->n_boxes; i++)
        if (d->boxes[i].group == (int)group) dot_box(b, &d->boxes[i], i);
    for (size_t g = group + 1; g < d->n_groups; g++)
        if (d->groups[g].parent == (int)group) dot_group(b, d, g); /* as deep as the task's subgraphs */
    if (group) SG_BUF_LIT(b, "}\n");
}

void sg_plan_dot(const struct sg_plan *p, struct sg_str name, struct sg_buf *b) {
    struct sg_arena a;
    struct sg_drawing d;
    sg_arena_init(&a, 0);
    sg_draw_plan(&a, p, &d);
    SG_BUF_LIT(b, "digraph \"");
    dot_text(b, name);
    SG_BUF_LIT(b, "\" {\nnode [fontname=\"sans-serif\", fontsize=12];\nedge [fontname=\"sans-serif\", fontsize=11];\n");
    dot_group(b, &d, 0);
    for (size_t i = 0; i < d.n_arrows; i++) {
        const struct sg_arrow *k = &d.arrows[i];
        sg_buf_printf(b, "n%d -> n%d", k->from, k->to);
        if (k->label.n) {
            dot_string(b, " [style=dashed, label", k->label);
            dot_string(b, ", edgetooltip", k->program);
            sg_buf_ch(b, ']');
        }
        SG_BUF_LIT(b, ";\n");
    }
    SG_BUF_LIT(b, "}\n");
    sg_arena_fini(&a);
}

/* --- Mermaid ---------------------------------------------------------------------------------------------------------------- */

/* Inside quotes Mermaid still reads quotes, markup, Markdown and entities: everything but letters, digits and a few harmless
 * marks is written as #code; */
static void mermaid_text(struct sg_buf *b, struct sg_str s) {
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        bool word = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= 0xA0 && c != SG_UTF8_BAD);
        if (word || (c < 0x80 && strchr(" .,:?-_/()", (int)c) && c)) sg_buf_add(b, s.p + i, n);
        else if (c < ' ' || (c >= 0x7F && c < 0xA0) || c == SG_UTF8_BAD) sg_buf_ch(b, ' ');
        else sg_buf_printf(b, "#%u;", (unsigned)c);
    }
}

static void mermaid_box(struct sg_buf *b, const struct sg_box *k, size_t number) {
    static const char *const brackets[][2] = {
        [SG_SHAPE_START] = {"([", "])"}, [SG_SHAPE_END] = {"([", "])"},    [SG_SHAPE_MODEL] = {"(", ")"},
        [SG_SHAPE_DRAW] = {"{{", "}}"},  [SG_SHAPE_PROGRAM] = {"[[", "]]"}, [SG_SHAPE_POINT] = {"((", "))"},
        [SG_SHAPE_JOIN] = {"[", "]"},
    };
    sg_buf_printf(b, "n%zu%s\"", number, brackets[k->shape][0]);
    mermaid_text(b, k->shape == SG_SHAPE_POINT ? SG_STR(" ") : k->title);
    for (int i = 0; i < SG_BOX_LINES; i++) {
        if (!k->lines[i].n) continue;
        SG_BUF_LIT(b, "<br/>");
        mermaid_text(b, k->lines[i]);
    }
    sg_buf_printf(b, "\"%s\n", brackets[k->shape][1]);
}

static void mermaid_group(struct sg_buf *b, const struct sg_drawing *d, size_t group) {
    if (group) {
        sg_buf_printf(b, "subgraph g%zu[\"", group);
        mermaid_text(b, d->groups[group].title);
        SG_BUF_LIT(b, "\"]\n");
    }
    for (size_t i = 0; i < d->n_boxes; i++)
        if (d->boxes[i].group == (int)group) mermaid_box(b, &d->boxes[i], i);
    for (size_t g = group + 1; g < d->n_groups; g++)
        if (d->groups[g].parent == (int)group) mermaid_group(b, d, g);
    if (group) SG_BUF_LIT(b, "end\n");
}

void sg_plan_mermaid(const struct sg_plan *p, struct sg_str name, struct sg_buf *b) {
    struct sg_arena a;
    struct sg_drawing d;
    sg_arena_init(&a, 0);
    sg_draw_plan(&a, p, &d);
    SG_BUF_LIT(b, "---\ntitle: \"");
    mermaid_text(b, name);
    SG_BUF_LIT(b, "\"\n---\nflowchart TD\n");
    mermaid_group(b, &d, 0);
    for (size_t i = 0; i < d.n_arrows; i++) {
        const struct sg_arrow *k = &d.arrows[i];
        sg_buf_printf(b, "n%d %s", k->from, k->label.n ? "-.->|\"" : "--> ");
        if (k->label.n) mermaid_text(b, k->label), SG_BUF_LIT(b, "\"| ");
        sg_buf_printf(b, "n%d\n", k->to);
    }
    sg_arena_fini(&a);
}
