/* SPDX-License-Identifier: Apache-2.0 */
/* frame: the bytes between the engine and a hook host (docs/formats/hook-protocol.md), and nothing else: no sockets.
 *
 * A frame is u32 length (little-endian, of what follows), u8 kind, payload. Rare frames carry one JSON object; those
 * of every call have a fixed head, so that a call costs no second JSON text.
 * Memory: what the readers return are views into the bytes they were given.
 * Errors: a length of 0 is SG_E_SYNTAX, one over the reader's limit SG_E_LIMIT; both end the connection. */
#ifndef SG_HOOKS_FRAME_H
#define SG_HOOKS_FRAME_H

#include "base/base.h"

#define SG_HOOK_PROTOCOL 2

/* Capitals go to the host, small letters come from it. */
enum sg_frame_kind {
    SG_FRAME_HELLO = 'H',   /* JSON: sygra_hooks, result_bytes, now, paths, key, seed, trust */
    SG_FRAME_LOAD = 'L',    /* JSON: hook, language, role, text, config, variables, again, node */
    SG_FRAME_CALL = 'C',    /* u64 id, u32 hook, u64 seed, u32 bytes of input, input, state */
    SG_FRAME_CANCEL = 'X',  /* u64 id */
    SG_FRAME_FIGURES = 'F', /* JSON: the run's live figures, to hosts that asked for them */
    SG_FRAME_EVENT = 'E',   /* JSON: event, position, node, ..., the same */

    SG_FRAME_READY = 'h',   /* JSON: sygra_hooks, host, pid, serial, window, work, figures, events */
    SG_FRAME_LOADED = 'l',  /* JSON: hook, description */
    SG_FRAME_REFUSED = 'f', /* JSON: hook, message, line, column */
    SG_FRAME_RESULT = 'r',  /* u64 id, u32 bytes of outputs, outputs, effects */
    SG_FRAME_ERROR = 'e',   /* u64 id, u8 sg_frame_fault, u32 bytes of message, message, details */
    SG_FRAME_PRINT = 'p',   /* u64 id, text */
    SG_FRAME_MEMORY = 'm',  /* u64 resident bytes */
};

/* Why a call has no result. */
enum sg_frame_fault {
    SG_FAULT_RAISED = 1,  /* the user's code says so */
    SG_FAULT_LIMIT = 2,   /* the result is too large or too deep */
    SG_FAULT_REQUEST = 3, /* the engine's request makes no sense to the host */
    SG_FAULT_CANCELED = 4,
    SG_FAULT_RESULT = 5, /* what the user's code returned is no use */
};

/* The work page, shared by engine and host: which calls are at work, and what was said last before a crash. */
struct sg_work_page {
    uint64_t at_work[512]; /* ids; 0: none */
    char words[4096];      /* ends in NUL, or is full */
};

/* Exit status of a host that ran into its memory limit; other ends speak for themselves. */
#define SG_HOST_EXIT_MEMORY 3

struct sg_frame {
    uint8_t kind;
    struct sg_str payload;
};

/* --- reading a stream of bytes, in any pieces ------------------------------------------------------------------- */

struct sg_frames {
    struct sg_buf buf;
    size_t at;    /* first byte not taken yet */
    uint32_t max; /* of a frame's length field */
};

void sg_frames_init(struct sg_frames *f, uint32_t max);
void sg_frames_fini(struct sg_frames *f);
/* Ends the views that sg_frames_next gave. */
void sg_frames_feed(struct sg_frames *f, const char *p, size_t n);
/* 1: *out is the next frame; 0: more bytes are wanted; or SG_E_SYNTAX, SG_E_LIMIT. */
int sg_frames_next(struct sg_frames *f, struct sg_frame *out);

/* --- writing: the payload is appended between begin and end ----------------------------------------------------- */

size_t sg_frame_begin(struct sg_buf *b, enum sg_frame_kind kind);
void sg_frame_end(struct sg_buf *b, size_t begin);
/* Takes an unfinished frame back. */
void sg_frame_drop(struct sg_buf *b, size_t begin);

void sg_put_u32(struct sg_buf *b, uint32_t v);
void sg_put_u64(struct sg_buf *b, uint64_t v);
/* Over four bytes that were put before, for lengths known later. */
void sg_set_u32(struct sg_buf *b, size_t at, uint32_t v);

/* --- the payloads with a fixed head ----------------------------------------------------------------------------- */

struct sg_call_frame {
    uint64_t id, seed;
    uint32_t hook;
    struct sg_str input, state; /* state: empty when there is none */
};

struct sg_answer_frame { /* result, error, print; cancel has the id only, memory the bytes in its place */
    uint64_t id;
    uint8_t fault;       /* error */
    struct sg_str body;  /* outputs, message, text */
    struct sg_str extra; /* effects of a result, details of an error; empty when there are none */
};

/* False when the payload is too short. */
bool sg_frame_read_call(const struct sg_frame *f, struct sg_call_frame *out);
bool sg_frame_read_answer(const struct sg_frame *f, struct sg_answer_frame *out);

/* The payload of an answer up to its body; sg_frame_end_body tells where that ends, and extra may follow. */
size_t sg_frame_begin_answer(struct sg_buf *b, enum sg_frame_kind kind, uint64_t id, uint8_t fault);
void sg_frame_end_body(struct sg_buf *b, size_t begin);

#endif
