/* SPDX-License-Identifier: Apache-2.0 */
/* Trees are never changed in place, since aliases and files read once share nodes; what differs is copied on the
 * way. */
#include "config/tree.h"

static struct sg_yaml *copy_of(struct sg_arena *a, const struct sg_yaml *node) {
    struct sg_yaml *out = SG_NEW(a, struct sg_yaml);
    *out = *node;
    return out;
}

static const struct sg_yaml *merge_maps(struct sg_arena *a, const struct sg_yaml *base, const struct sg_yaml *over,
                                        unsigned levels) {
    struct sg_yaml *out = copy_of(a, base);
    struct sg_yaml_pair *pairs = SG_NEW_N(a, struct sg_yaml_pair, base->n + over->n);
    out->n = 0;
    for (size_t i = 0; i < base->n; i++) {
        const struct sg_yaml_pair *other = sg_yaml_find(over, base->pairs[i].key);
        pairs[out->n] = other ? *other : base->pairs[i];
        if (other) pairs[out->n].value = sg_tree_merge(a, base->pairs[i].value, other->value, levels - 1);
        out->n++;
    }
    for (size_t i = 0; i < over->n; i++)
        if (!sg_yaml_find(base, over->pairs[i].key)) pairs[out->n++] = over->pairs[i];
    out->pairs = pairs;
    return out;
}

const struct sg_yaml *sg_tree_merge(struct sg_arena *a, const struct sg_yaml *base, const struct sg_yaml *over,
                                    unsigned levels) {
    if (levels == 0 || base->kind != SG_YAML_MAP || over->kind != SG_YAML_MAP) return over;
    return merge_maps(a, base, over, levels);
}

const struct sg_yaml *sg_tree_without(struct sg_arena *a, const struct sg_yaml *map, const char *key) {
    if (!sg_yaml_get(map, key)) return map;
    struct sg_yaml *out = copy_of(a, map);
    struct sg_yaml_pair *pairs = SG_NEW_N(a, struct sg_yaml_pair, map->n);
    out->n = 0;
    for (size_t i = 0; i < map->n; i++)
        if (!sg_str_eq(map->pairs[i].key, sg_str(key))) pairs[out->n++] = map->pairs[i];
    out->pairs = pairs;
    return out;
}

struct sg_yaml *sg_tree_text(struct sg_arena *a, struct sg_str text) {
    struct sg_yaml *out = SG_NEW(a, struct sg_yaml);
    out->kind = SG_YAML_TEXT;
    out->text = out->source = text;
    return out;
}

struct sg_yaml *sg_tree_map(struct sg_arena *a, size_t most_pairs) {
    struct sg_yaml *out = SG_NEW(a, struct sg_yaml);
    out->kind = SG_YAML_MAP;
    out->pairs = SG_NEW_N(a, struct sg_yaml_pair, most_pairs + 1);
    return out;
}

void sg_tree_add(struct sg_arena *a, struct sg_yaml *map, struct sg_str key, const struct sg_yaml *value) {
    struct sg_yaml_pair *pairs = (struct sg_yaml_pair *)map->pairs;
    pairs[map->n++] = (struct sg_yaml_pair){key, sg_tree_text(a, key), value};
}
