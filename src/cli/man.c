/* SPDX-License-Identifier: Apache-2.0 */
/* Man pages in roff, with the macros of man(7). */
#include "cli/cli.h"

/* A line of text: a backslash begins an escape, a hyphen would become a typographic one, and a point or quote at the start
 * of a line begins a request. */
static void roff(struct sg_buf *b, const char *text) {
    bool start = true;
    for (const char *c = text; *c; c++) {
        if (start && (*c == '.' || *c == '\'')) SG_BUF_LIT(b, "\\&");
        if (*c == '\\') SG_BUF_LIT(b, "\\e");
        else if (*c == '-') SG_BUF_LIT(b, "\\-");
        else if (*c == '`') SG_BUF_LIT(b, "\\(ga");
        else if (*c == '~') SG_BUF_LIT(b, "\\(ti");
        else sg_buf_ch(b, *c);
        start = *c == '\n';
    }
}

static void title(struct sg_buf *b, const char *name) {
    SG_BUF_LIT(b, ".TH ");
    for (const char *c = name; *c; c++) sg_buf_ch(b, (char)(*c >= 'a' && *c <= 'z' ? *c - 32 : *c));
    SG_BUF_LIT(b, " 1 \"\" \"sygra " SYGRA_VERSION "\" \"sygra\"\n.SH NAME\n");
    roff(b, name);
    SG_BUF_LIT(b, " \\- ");
}

static void option(struct sg_buf *b, const struct sg_option *o) {
    SG_BUF_LIT(b, ".TP\n");
    if (o->brief) sg_buf_printf(b, "\\fB\\-%s\\fR, ", o->brief);
    sg_buf_printf(b, "\\fB\\-\\-%s\\fR", o->name);
    if (o->value) sg_buf_printf(b, " \\fI%s\\fR", o->value);
    sg_buf_ch(b, '\n');
    roff(b, o->help);
    if (o->kind == SG_OPTION_NOT_YET) SG_BUF_LIT(b, " (not yet supported)");
    sg_buf_ch(b, '\n');
}

static void see_also(struct sg_buf *b, const struct sg_verb *but) {
    const char *comma = "";
    SG_BUF_LIT(b, ".SH SEE ALSO\n");
    if (but) SG_BUF_LIT(b, "\\fBsygra\\fR(1)"), comma = ", ";
    for (size_t i = 0; i < sg_n_verbs; i++) {
        if (sg_verbs[i] == but) continue;
        sg_buf_printf(b, "%s\\fBsygra\\-%s\\fR(1)", comma, sg_verbs[i]->name);
        comma = ",\n";
    }
    sg_buf_ch(b, '\n');
}

static void verb_page(struct sg_buf *b, const struct sg_verb *v) {
    char name[64];
    snprintf(name, sizeof name, "sygra-%s", v->name);
    title(b, name);
    roff(b, v->summary);
    sg_buf_printf(b, "\n.SH SYNOPSIS\n.B sygra %s\n", v->name);
    roff(b, v->words);
    if (v->details) {
        SG_BUF_LIT(b, "\n.SH DESCRIPTION\n");
        roff(b, v->details);
    } else {
        sg_buf_ch(b, '\n');
    }
    SG_BUF_LIT(b, ".SH OPTIONS\n");
    for (const struct sg_option *o = v->options; o->name; o++) option(b, o);
    SG_BUF_LIT(b, ".TP\n\\fB\\-\\-help\\fR\nsay what it does\n");
    see_also(b, v);
}

void sg_man_page(struct sg_buf *b, const struct sg_verb *verb) {
    if (verb) {
        verb_page(b, verb);
        return;
    }
    title(b, "sygra");
    SG_BUF_LIT(b, "synthetic data from graphs of model calls\n.SH SYNOPSIS\n.B sygra\n.I VERB\n[options]\n.SH DESCRIPTION\n"
                  "A task is a folder that describes a graph of model calls, samplers and programs;\n.B sygra run\n"
                  "sends every record of a data set through it.\n.SH VERBS\n");
    for (size_t i = 0; i < sg_n_verbs; i++) {
        sg_buf_printf(b, ".TP\n\\fB%s\\fR\n", sg_verbs[i]->name);
        roff(b, sg_verbs[i]->summary);
        sg_buf_ch(b, '\n');
    }
    see_also(b, NULL);
}
