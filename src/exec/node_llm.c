/* SPDX-License-Identifier: Apache-2.0 */
/* llm: one call of one model (llm_steps.c), whose result is written. */
#include "exec/record.h"

static const struct step steps[] = {
    {"pre_process", sg_step_pre},       {"call", sg_step_call},         {"model post_process", sg_step_model_post},
    {"chat_entry", sg_step_chat_entry}, {"post_process", sg_step_post}, {"chat_history", sg_step_chat_add},
    {"write", sg_step_write},           {"route", sg_step_route},       {0}};
const struct node_kind sg_node_kind_llm = {.name = "llm", .steps = steps};
