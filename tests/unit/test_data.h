/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of data and journal share: an input fed from memory in steps, a folder that goes away, whole files. */
#ifndef SG_TEST_DATA_H
#define SG_TEST_DATA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"

/* --- reads from memory: every descriptor is `feed` while feed_os is in place ------------------------------------ */

static struct {
    struct sg_str text;
    size_t at, step; /* step: most bytes a read gives */
} feed;

static inline ssize_t feed_read(int fd, void *p, size_t n) {
    (void)fd;
    size_t left = feed.text.n - feed.at;
    if (n > left) n = left;
    if (n > feed.step) n = feed.step;
    if (n) memcpy(p, feed.text.p + feed.at, n);
    feed.at += n;
    return (ssize_t)n;
}

static inline void feed_text(struct sg_str text, size_t step) {
    static struct sg_os feed_os;
    feed_os = sg_os_posix;
    feed_os.read = feed_read;
    sg_os = &feed_os;
    feed.text = text;
    feed.at = 0;
    feed.step = step;
}

/* --- folders and files ------------------------------------------------------------------------------------------ */

static char test_folder[64];

/* The path of a name in the test's folder; four can be in use at a time. */
static inline const char *in_folder(const char *name) {
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder, name);
    return path;
}

static inline int make_folder(void **state) {
    (void)state;
    /* In memory where that is possible: these tests sync thousands of times. */
    strcpy(test_folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/sygra-test-XXXXXX" : "/tmp/sygra-test-XXXXXX");
    return mkdtemp(test_folder) ? 0 : -1;
}

static inline int remove_folder(void **state) {
    (void)state;
    sg_os = &sg_os_posix;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", test_folder);
    return system(command);
}

static inline void put_file(const char *name, struct sg_str text) {
    FILE *f = fopen(in_folder(name), "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text.p, 1, text.n, f), text.n);
    fclose(f);
}

static inline bool file_exists(const char *name) {
    return access(in_folder(name), F_OK) == 0;
}

static inline struct sg_str get_file(struct sg_arena *a, const char *name) {
    const struct sg_os *now = sg_os;
    struct sg_str text = SG_STR_NONE;
    sg_os = &sg_os_posix;
    assert_int_equal(sg_os_read_file(a, in_folder(name), SIZE_MAX, &text, NULL), 0);
    sg_os = now;
    return text;
}

#define assert_text(got, expected)                                                                                   \
    do {                                                                                                             \
        struct sg_str got_ = (got), expected_ = (expected);                                                          \
        if (!sg_str_eq(got_, expected_)) fail_msg("got <%.*s>, expected <%.*s>", SG_ARG(got_), SG_ARG(expected_));   \
    } while (0)

#endif
