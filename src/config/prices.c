/* SPDX-License-Identifier: Apache-2.0 */
/* A model's price is the first of: the file of --prices, `price` in its entry, the built-in table. That table holds list
 * prices of hosted models, so it counts for the types that name one (openai, azure_openai) and for no other; with --prices
 * it does not count at all, since a user's table is meant to be the whole truth. */
#include "config/prices.h"

#include "config/prices_builtin.h"

#include <stdlib.h>

struct sg_prices {
    struct sg_str path, date;
    struct sg_price_row {
        struct sg_str name;
        struct sg_price price;
    } *rows;
    size_t n;
};

static const struct {
    const char *name;
    double input, output;
} builtin[] = {
#define SG_X(name, input, output) {name, input, output},
    SG_PRICES_TABLE(SG_X)
#undef SG_X
};

/* --- reading -------------------------------------------------------------------------------------------------------- */

static bool read_amount(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, const char *key, double *out) {
    const struct sg_yaml *v = sg_yaml_get(map, key);
    if (!v || (v->kind != SG_YAML_INT && v->kind != SG_YAML_FLOAT)) return false; /* told by sg_cfg_keys or _require */
    char *end;
    *out = strtod(sg_str_dup(c->a, v->text).p, &end);
    if (*end == 0 && *out >= 0 && *out < 1e9) return true;
    sg_error_at(c->d, v->mark, sg_cfg_key(c, path, sg_str(key)), "write USD for 1,000,000 tokens, such as 0.15",
                "`%s` must be a price, not %s", key, sg_cfg_show(c, v));
    return false;
}

static bool read_price(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark, struct sg_str path,
                       struct sg_price *out) {
    static const char help[] = "write {input: 0.15, output: 0.6}: USD for 1,000,000 tokens";
    *out = (struct sg_price){0};
    if (!sg_cfg_keys(c, map, path, SG_SECTION_PRICE, NULL, false)) return false;
    bool whole = sg_cfg_require(c, map, mark, path, "input", help);
    whole = sg_cfg_require(c, map, mark, path, "output", help) && whole;
    whole = read_amount(c, map, path, "input", &out->input) && whole;
    whole = read_amount(c, map, path, "output", &out->output) && whole;
    return out->known = whole;
}

bool sg_prices_of_entry(struct sg_cfg *c, const struct sg_yaml *entry, struct sg_str path, struct sg_str from,
                        struct sg_price *out) {
    const struct sg_yaml *v = sg_yaml_get(entry, "price");
    if (!v || v->kind != SG_YAML_MAP) return false;
    if (!read_price(c, v, v->mark, sg_cfg_key(c, path, SG_STR("price")), out)) return false;
    out->from = from;
    return true;
}

static void read_rows(struct sg_cfg *c, const struct sg_yaml *models, struct sg_prices *p) {
    struct sg_str from = sg_str_printf(c->a, "%.*s (%.*s)", SG_ARG(p->path), SG_ARG(p->date));
    p->rows = SG_NEW_N(c->a, struct sg_price_row, models->n);
    for (size_t i = 0; i < models->n && !sg_cfg_enough(c); i++) {
        const struct sg_yaml_pair *pair = &models->pairs[i];
        struct sg_price_row *row = &p->rows[p->n];
        if (!read_price(c, pair->value, pair->key_node->mark, sg_cfg_key(c, SG_STR("models"), pair->key), &row->price))
            continue;
        row->name = pair->key;
        row->price.from = from;
        p->n++;
    }
}

static void read_table(struct sg_cfg *c, const struct sg_yaml *root, struct sg_mark top, struct sg_prices *p) {
    static const char help[] = "write models: {NAME: {input: 0.15, output: 0.6}}, in USD for 1,000,000 tokens";
    if (!root || root->kind != SG_YAML_MAP) {
        sg_error_at(c->d, root ? root->mark : top, SG_STR_NONE, help, "a price table is a map with `date` and `models`");
        return;
    }
    if (!sg_cfg_keys(c, root, SG_STR_NONE, SG_SECTION_PRICES, NULL, false)) return;
    bool dated = sg_cfg_require(c, root, root->mark, SG_STR_NONE, "date", "say when the prices held, such as 2026-11-28");
    if (dated) sg_cfg_text(root, "date", &p->date);
    if (!sg_cfg_require(c, root, root->mark, SG_STR_NONE, "models", help)) return;
    const struct sg_yaml *models = sg_cfg_get(root, "models", SG_YAML_MAP);
    if (models) read_rows(c, models, p);
}

int sg_prices_load(struct sg_arena *a, struct sg_diags *d, struct sg_str path, struct sg_prices **out) {
    struct sg_cfg c = {.a = a, .d = d};
    struct sg_err err = {0};
    struct sg_str text;
    const struct sg_yaml *root = NULL;
    size_t before = d->errors;
    struct sg_prices *p = *out = SG_NEW(a, struct sg_prices);
    p->path = sg_str_dup(a, path);
    if (sg_os_read_file(a, p->path.p, SG_YAML_MAX_BYTES, &text, &err) != 0)
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE, "name a price table that can be read", "%s", err.text);
    else if (sg_yaml_parse(a, d, p->path, text, &root) == 0) read_table(&c, root, (struct sg_mark){0}, p);
    return d->errors == before ? 0 : SG_E_SYNTAX;
}

/* --- finding -------------------------------------------------------------------------------------------------------- */

static bool find_row(const struct sg_prices *p, struct sg_str name, struct sg_price *out) {
    for (size_t i = 0; i < p->n; i++)
        if (sg_str_eq(p->rows[i].name, name)) return *out = p->rows[i].price, true;
    return false;
}

static bool find_builtin(struct sg_str name, struct sg_price *out) {
    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (!sg_str_eq(sg_str(builtin[i].name), name)) continue;
        *out = (struct sg_price){true, builtin[i].input, builtin[i].output, SG_STR("list prices of " SG_PRICES_DATE)};
        return true;
    }
    return false;
}

struct sg_price sg_prices_find(const struct sg_prices *p, struct sg_str alias, struct sg_str wire_name, bool hosted,
                               const struct sg_price *entry) {
    struct sg_price price = {0};
    if (p && (find_row(p, alias, &price) || find_row(p, wire_name, &price))) return price;
    if (entry && entry->known) return *entry;
    if (!p && hosted) find_builtin(wire_name, &price);
    return price;
}
