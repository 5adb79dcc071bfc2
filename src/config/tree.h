/* SPDX-License-Identifier: Apache-2.0 */
/* tree: new YAML trees from old ones. Nodes keep their marks, so messages point to where a text was written. */
#ifndef SG_CONFIG_TREE_H
#define SG_CONFIG_TREE_H

#include "config/yaml.h"

/* `over` laid over `base`: maps are merged `levels` deep, everything else is replaced. Keys of `base` keep their
 * places. */
const struct sg_yaml *sg_tree_merge(struct sg_arena *a, const struct sg_yaml *base, const struct sg_yaml *over,
                                    unsigned levels);
#define SG_TREE_ALL_LEVELS SG_YAML_MAX_DEPTH
/* The map without a key. */
const struct sg_yaml *sg_tree_without(struct sg_arena *a, const struct sg_yaml *map, const char *key);
/* Values that were written in no file. */
struct sg_yaml *sg_tree_text(struct sg_arena *a, struct sg_str text);
struct sg_yaml *sg_tree_map(struct sg_arena *a, size_t most_pairs);
/* Adds a pair to a map that sg_tree_map made. */
void sg_tree_add(struct sg_arena *a, struct sg_yaml *map, struct sg_str key, const struct sg_yaml *value);

#endif
