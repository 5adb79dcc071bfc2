/* SPDX-License-Identifier: Apache-2.0 */
/* keytable: every key of graph_config.yaml and models.yaml, once. Checks, defaults and the reference page come
 * from here.
 *
 * The rows follow the reference's files (spec-core 2 to 5, 8, 9; spec-models 1.3), so that a task folder written
 * for it is understood whole: also keys that need a later issue, or that have no effect here. */
#ifndef SG_CONFIG_KEYTABLE_H
#define SG_CONFIG_KEYTABLE_H

#include "config/yaml.h"

/* Kinds of value; a row may allow several. A null stands for an absent key everywhere. */
enum {
    SG_KEY_TEXT = 1,
    SG_KEY_INT = 2,
    SG_KEY_NUMBER = 4, /* whole or not */
    SG_KEY_BOOL = 8,
    SG_KEY_LIST = 16,
    SG_KEY_MAP = 32,
    SG_KEY_TEXTS = 64, /* a list of texts */
    SG_KEY_HOOK = 128, /* {jq: "..."}, the dotted path of Python code, or {closure: "..."} */
    SG_KEY_ANY = 255,
};

enum sg_key_status {
    SG_KEY_WORKS,
    SG_KEY_NOT_YET,   /* refused, unless its value is one of `harmless` */
    SG_KEY_NO_EFFECT, /* accepted: changes nothing in this program, or nothing at all */
    SG_KEY_REFUSED,   /* doc says what to write instead */
};

struct sg_key_row {
    const char *section, *key;
    unsigned kinds;
    const char *fallback; /* the default as text; "" none, "required" */
    enum sg_key_status status;
    int issue;            /* NOT_YET: number in the roadmap; SG_KEY_LATER behind its end */
    const char *harmless; /* NOT_YET: values that change nothing, separated by '|': [], {}, false, a word */
    const char *doc;
};

#define SG_KEY_LATER 9

/* Sections. */
#define SG_SECTION_TASK "graph_config.yaml"
#define SG_SECTION_DATA "data_config"
#define SG_SECTION_SOURCE "data_config.source"
#define SG_SECTION_SHARD "data_config.source.shard"
#define SG_SECTION_GRAPH "graph_config"
#define SG_SECTION_PROPERTIES "graph_config.graph_properties"
#define SG_SECTION_NODE "graph_config.nodes.*"
#define SG_SECTION_LLM "graph_config.nodes.* (llm)"
#define SG_SECTION_MULTI_LLM "graph_config.nodes.* (multi_llm)"
#define SG_SECTION_SAMPLER "graph_config.nodes.* (weighted_sampler)"
#define SG_SECTION_ATTRIBUTE "graph_config.nodes.*.attributes.* (weighted_sampler)"
#define SG_SECTION_DRAW "graph_config.nodes.*.attributes.*.values (weighted_sampler)"
#define SG_SECTION_LAMBDA "graph_config.nodes.* (lambda)"
#define SG_SECTION_SUBGRAPH "graph_config.nodes.* (subgraph)"
#define SG_SECTION_OVERRIDE "graph_config.nodes.*.node_config_map.* (subgraph)"
#define SG_SECTION_EDGE "graph_config.edges[]"
#define SG_SECTION_OUTPUT "output_config"
#define SG_SECTION_FIELD "output_config.output_map.*"
#define SG_SECTION_SCHEMA "schema_config"
#define SG_SECTION_CHECK "schema_config.fields[]"
#define SG_SECTION_OASST "output_config.oasst_mapper"
#define SG_SECTION_MODEL "models.yaml entry, and model of a node"
#define SG_SECTION_PARAMETERS "parameters of a model"
#define SG_SECTION_STRUCTURED "structured_output of a model"
#define SG_SECTION_STRUCTURED_SCHEMA "structured_output.schema of a model"
#define SG_SECTION_STRUCTURED_FIELD "structured_output.schema.fields.* of a model"
#define SG_SECTION_PRICES "prices.yaml (--prices)"
#define SG_SECTION_PRICE "price of a model, and models.* of prices.yaml"

extern const struct sg_key_row sg_key_rows[];
extern const size_t sg_key_n_rows;

const struct sg_key_row *sg_key_find(const char *section, struct sg_str key);
/* The first row of that key in any section, or NULL. */
const struct sg_key_row *sg_key_find_anywhere(struct sg_str key);
/* "calls": what the roadmap calls that issue. */
const char *sg_key_issue_name(int issue);
/* "text or a list of texts". */
struct sg_str sg_key_kinds_text(struct sg_arena *a, unsigned kinds);
/* The value is of an allowed kind. */
bool sg_key_kind_fits(unsigned kinds, const struct sg_yaml *value);
/* The value is one that changes nothing. */
bool sg_key_is_harmless(const struct sg_key_row *row, const struct sg_yaml *value);

#endif
