/* SPDX-License-Identifier: Apache-2.0 */
/* terminal: the descriptor that the panel is drawn on. Frames at the bottom, log lines above them. Private to run,
 * but for what kind of terminal it is.
 *
 * Until it is closed nothing here blocks: the terminal is written to through a description of our own that does not wait. While it takes nothing
 * (Ctrl-S), frames are dropped and log lines are kept up to a bound, then counted; when it is gone, all is dropped.
 * After each write the cursor is shown, on an empty line below the frame: whatever ends the process leaves the terminal in
 * order.
 * Thread: loop. */
#ifndef SG_RUN_TERMINAL_H
#define SG_RUN_TERMINAL_H

#include "base/base.h"

struct sg_terminal;

/* NULL when `fd` is no terminal on which a panel can be drawn. */
struct sg_terminal *sg_terminal_open(int fd);
/* The frame goes, what is kept is shown. Waits until the terminal takes it, or is gone: for after the run. */
void sg_terminal_close(struct sg_terminal *t);

/* What the environment says: characters beyond ASCII (LC_ALL, LC_CTYPE, LANG), colours (NO_COLOR, TERM). */
bool sg_terminal_utf8(void);
bool sg_terminal_color(void);
/* Of the terminal behind `fd`, now; 80 x 24 where it does not tell. False: it is no terminal. */
bool sg_terminal_size(int fd, size_t *columns, size_t *rows);

/* A line with its newline, shown above the frame at the next draw. */
void sg_terminal_line(struct sg_terminal *t, struct sg_str line);
/* Draws what has changed: the frame's lines each end in a newline and are shorter than the terminal is wide. */
void sg_terminal_draw(struct sg_terminal *t, struct sg_str frame);

#endif
