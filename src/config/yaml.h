/* SPDX-License-Identifier: Apache-2.0 */
/* yaml: a YAML text as a tree in which every node knows its place.
 *
 * Values mean what they mean to PyYAML's safe_load (YAML 1.1: `yes` is a boolean, 0777 is octal, 1:30 is 90, dates
 * are read as dates and kept as ISO text). Merge keys (`<<`) are resolved. Refused with their place: duplicate
 * keys, tags outside YAML's core, keys that are lists or maps, a second document, and whatever passes a limit
 * (protocols 6.4).
 * Memory: the tree lives in the caller's arena and is never changed; an alias shares its anchor's node.
 * Thread: any, one at a time. */
#ifndef SG_CONFIG_YAML_H
#define SG_CONFIG_YAML_H

#include "base/base.h"

#define SG_YAML_MAX_BYTES (16u << 20)
#define SG_YAML_MAX_DEPTH 128
#define SG_YAML_MAX_NODES 1000000u /* a node takes some 100 bytes: at most 100 MB for any file */
#define SG_YAML_MAX_ANCHORS 10000u
#define SG_YAML_MAX_ALIASES 1000u
#define SG_YAML_MAX_EXPANDED (10u << 20)

enum sg_yaml_kind {
    SG_YAML_NULL,
    SG_YAML_BOOL,
    SG_YAML_INT,
    SG_YAML_FLOAT,
    SG_YAML_TEXT,
    SG_YAML_LIST,
    SG_YAML_MAP,
};

struct sg_yaml_pair;

struct sg_yaml {
    uint8_t kind;        /* sg_yaml_kind */
    uint8_t depth;       /* levels below, to keep merged trees within SG_YAML_MAX_DEPTH */
    struct sg_mark mark; /* of its first line; of a quoted or block text the text's own first character */
    struct sg_str
        text; /* TEXT: its value; other scalars: as JSON (true, 1, 0.5, null; inf and nan have none: inf, nan) */
    struct sg_str source; /* a plain scalar as it was written; empty for quoted text */
    size_t n;             /* items or pairs */
    size_t expanded;      /* bytes that it stands for, aliases followed */
    union {
        const struct sg_yaml **items;
        const struct sg_yaml_pair *pairs;
    };
};

struct sg_yaml_pair {
    struct sg_str key; /* the key's text: `no:` is "false", as json.dumps would write it */
    const struct sg_yaml *key_node;
    const struct sg_yaml *value;
};

/* Registers the text in diags under `path` (values of keys that name secrets are blotted out there) and reads it.
 * Returns 0, or SG_E_SYNTAX or SG_E_LIMIT after reporting. An empty text gives a NULL node. */
int sg_yaml_parse(struct sg_arena *a, struct sg_diags *diags, struct sg_str path, struct sg_str text,
                  const struct sg_yaml **out);

/* NULL when absent, or when `map` is NULL or no map. */
const struct sg_yaml *sg_yaml_get(const struct sg_yaml *map, const char *key);
const struct sg_yaml_pair *sg_yaml_find(const struct sg_yaml *map, struct sg_str key);
/* Infinity and NaN become text, as JSON has no word for them. */
struct sg_json sg_yaml_to_json(struct sg_arena *a, const struct sg_yaml *node);
/* "text", "number", "list": for messages. */
const char *sg_yaml_kind_name(const struct sg_yaml *node);

/* --- between yaml.c and yaml_scalar.c --------------------------------------------------------------------------- */

/* What a plain scalar means: sets kind and text of `out`. */
void sg_yaml_resolve(struct sg_arena *a, struct sg_str source, struct sg_yaml *out);

#endif
