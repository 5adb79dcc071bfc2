/* SPDX-License-Identifier: Apache-2.0 */
/* screen: text that others wrote, made fit for a terminal: nothing in it steers the terminal, and its width is known.
 *
 * Control characters become spaces; characters that reorder or hide their neighbours (directional overrides, joiners,
 * variation selectors) are left out; bytes that are no UTF-8, and on a screen without UTF-8 all beyond ASCII, become `?`.
 * Thread: any. */
#ifndef SG_BASE_SCREEN_H
#define SG_BASE_SCREEN_H

#include "base/str.h"

/* Columns that a code point takes: 0 (controls, combining marks), 1, or 2 (East Asian wide characters, emoji). */
unsigned sg_screen_width(uint32_t code);
/* Columns of a text as sg_screen_text shows it on a screen with UTF-8. */
size_t sg_screen_columns(struct sg_str s);
/* Appends what fits into `columns`; a text that is cut ends in an ellipsis. Returns the columns used. */
size_t sg_screen_text(struct sg_buf *b, struct sg_str s, size_t columns, bool utf8);

#endif
