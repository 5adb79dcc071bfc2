/* SPDX-License-Identifier: Apache-2.0 */
/* reply: the text of an answer as it grows token by token. Knows nothing of models.
 *
 * A token's text may end inside a character and a stop text may span tokens, so both are looked at in the whole text.
 * Memory: the stop texts must live as long as the reply. */
#ifndef SG_LOCAL_REPLY_H
#define SG_LOCAL_REPLY_H

#include "base/base.h"

#define SG_REPLY_STOPS 16

struct sg_reply {
    struct sg_buf text;
    struct sg_str stops[SG_REPLY_STOPS];
    size_t n_stops;
};

/* `stop` is a text, an array of texts, null or NULL; empty texts do not count. Errors: SG_E_TYPE, SG_E_LIMIT. */
int sg_reply_init(struct sg_reply *r, const struct sg_json *stop, struct sg_err *err);
void sg_reply_fini(struct sg_reply *r);
/* True when a stop text is complete: the reply ends before it. */
bool sg_reply_add(struct sg_reply *r, struct sg_str piece);
/* Makes the text valid UTF-8: a character that is cut off at the end is dropped, any other bad byte becomes
 * U+FFFD. */
struct sg_str sg_reply_finish(struct sg_reply *r);

#endif
