/* SPDX-License-Identifier: Apache-2.0 */
/* llm: one call of one model (llm_steps.c), whose result is written. */
#include "exec/record.h"

static const struct step steps[] = {{"pre_process", sg_step_pre},
                                    {"call", sg_step_call},
                                    {"model post_process", sg_step_model_post},
                                    {"post_process", sg_step_post},
                                    {"write", sg_step_write},
                                    {"route", sg_step_route},
                                    {0}};
const struct node_kind sg_node_kind_llm = {.name = "llm", .steps = steps};
