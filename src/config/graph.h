/* SPDX-License-Identifier: Apache-2.0 */
/* graph: graph_config, with all the subgraphs that it names, as a spec. Whether edges lead anywhere is the plan's
 * to say. */
#ifndef SG_CONFIG_GRAPH_H
#define SG_CONFIG_GRAPH_H

#include "config/locate.h"

/* Reads the graph of a task's file into *out, as far as it goes. */
void sg_cfg_graph(struct sg_cfg *c, const struct sg_task_file *task, struct sg_graph_spec *out);

/* --- between graph.c and node.c --------------------------------------------------------------------------------- */

/* The keys that outer graphs lay over one inner node, from the inside out. */
struct sg_overrides {
    const struct sg_yaml **maps;
    size_t n;
};

/* A node as it stands after its overrides. */
struct sg_node_source {
    const struct sg_yaml *map;
    struct sg_mark mark;              /* of its name */
    struct sg_str path;               /* graph_config.nodes.q */
    struct sg_overrides placeholders; /* maps old: new, from the inside out */
};

/* The keys of all kinds, and those of the plain ones; the kind is known. */
void sg_cfg_node_common(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out);
void sg_cfg_node_llm(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out);
void sg_cfg_node_multi_llm(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out);
void sg_cfg_node_sampler(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out);
void sg_cfg_node_lambda(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out);

#endif
