/* SPDX-License-Identifier: Apache-2.0 */
/* resume: opening a run folder to go on with it (docs/formats/run-folder.md, "Opening"). On the writer's worker.
 *
 * Two deaths are told apart. Of a process that died everything written is there, so the last commit holds, and a file that is
 * shorter, or a row without its body, means that somebody has changed the folder: an error with its place. When the machine
 * was restarted since, what had not been synced may be missing. Then the files are read from the last state that was synced
 * up to the last commit; where they do not check, the run goes back to the synced state. Rows whose bodies are lost are
 * forgotten, and their records run again.
 *
 * Nothing is cut before the commit that says so: a death in between finds the same folder again. */
#include "data/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define CHECK_BYTES ((uint64_t)64 << 20)
#define COPY_BYTES ((size_t)1 << 20)

struct resume {
    struct sg_writer *w;
    struct sg_keeper *k;
    struct sg_progress now, synced;
    struct sg_progress base; /* what the run goes on from */
    struct sg_place end;     /* behind the last good frame */
    bool restarted;
    uint64_t *lost; /* positions whose rows are forgotten */
    size_t n_lost, cap_lost;
    struct sg_range *ranges;
    size_t n_ranges, cap_ranges;
    uint64_t *half_done; /* unfinished positions of which there are calls or steps, sorted */
    size_t n_half_done, cap_half_done;
    uint64_t n_again, n_answers, n_steps;
    uint64_t outcomes[4]; /* of records behind base.position */
    uint64_t checked;     /* bytes of bodies that were looked at */
    struct sg_buf body;
    int status;
    struct sg_err *err;
};

/* --- the output file -------------------------------------------------------------------------------------------- */

static int io_error(const char *path, int rc, const char *what, struct sg_err *err) {
    return sg_fail_sys(err, SG_E_IO, -rc, "%s: %s", path, what);
}

static int size_of(const char *path, uint64_t *out, struct sg_err *err) {
    struct sg_file_info info;
    int rc = sg_os->stat(path, &info);
    *out = rc == 0 ? info.size : 0;
    return rc == 0 || rc == -ENOENT ? 0 : io_error(path, rc, "cannot be read", err);
}

static int copy_file(const char *from, const char *to, uint64_t bytes) {
    int in = sg_os->open(from, O_RDONLY, 0), out = in < 0 ? in : sg_os->open(to, O_RDWR | O_CREAT | O_TRUNC, 0666);
    char *block = sg_xmalloc(COPY_BYTES);
    int rc = out < 0 ? out : 0;
    for (uint64_t at = 0; at < bytes && rc == 0;) {
        size_t n = bytes - at < COPY_BYTES ? (size_t)(bytes - at) : COPY_BYTES;
        rc = sg_os_pread_all(in, block, n, at);
        if (rc == 0) rc = sg_os_pwrite_all(out, block, n, at);
        at += n;
    }
    if (rc == 0) rc = sg_os->sync(out);
    free(block);
    if (in >= 0) sg_os->close(in);
    if (in >= 0 && out >= 0) sg_os->close(out);
    return rc;
}

/* A copy of a finished run's output becomes .part; the output itself stays until the run has ended again. */
static int copy_output(struct resume *r, const char *part) {
    const char *from = r->now.lines ? r->w->final_lines.p : r->w->final_json.p;
    struct sg_str copy = sg_str_printf(&r->k->arena, "%s.tmp", part);
    uint64_t size;
    int rc = size_of(from, &size, r->err);
    if (rc < 0) return rc;
    if (size != r->now.files[SG_RECORD_OK].bytes)
        return sg_fail(r->err, SG_E_CONFLICT, "%s: is not what the run wrote: it has %llu bytes instead of %llu",
                       from, (unsigned long long)size, (unsigned long long)r->now.files[SG_RECORD_OK].bytes);
    rc = copy_file(from, copy.p, size);
    if (rc == 0) rc = sg_os->rename(copy.p, part);
    r->w->replaced = sg_str(from);
    if (sg_rundb_meta(r->k->db, SG_STR("replaced"), r->w->replaced) < 0) return *r->err = *sg_rundb_error(r->k->db), r->err->code;
    return rc < 0 ? io_error(part, rc, "the output cannot be copied to it", r->err) : 0;
}

static int find_part(struct resume *r, bool finished) {
    const char *part = r->w->files[SG_RECORD_OK].path.p;
    const struct sg_file_mark *mark = &r->now.files[SG_RECORD_OK];
    uint64_t synced = r->restarted ? r->synced.files[SG_RECORD_OK].records : mark->records;
    if (sg_os_exists(part) || (synced == 0 && !finished)) return 0;
    if (finished) return copy_output(r, part);
    return sg_fail(r->err, SG_E_MISSING, "%s: is gone; it held the first %llu records of the output", part,
                   (unsigned long long)mark->records);
}

/* Offset behind the first n lines; SG_E_SYNTAX when there are fewer. */
static int find_line_end(const char *path, int fd, uint64_t n, uint64_t *out, struct sg_err *err) {
    char block[65536];
    uint64_t at = 0;
    while (n) {
        ssize_t got = sg_os->pread(fd, block, sizeof block, at);
        if (got < 0) return io_error(path, (int)got, "cannot be read", err);
        if (got == 0) return sg_fail(err, SG_E_SYNTAX, "%s: ends too early", path);
        const char *p = block, *end = block + got;
        while (n && p < end && (p = memchr(p, '\n', (size_t)(end - p)))) n--, p++;
        at += n || !p ? (uint64_t)got : (uint64_t)(p - block);
    }
    *out = at;
    return 0;
}

static int adopt_lines(const char *path, int fd, struct sg_progress *p, struct sg_err *err) {
    struct sg_file_mark *mark = &p->files[SG_RECORD_OK];
    int rc = find_line_end(path, fd, mark->records, &mark->bytes, err);
    mark->crc = 0;
    p->lines = true;
    return rc < 0 ? rc : sg_outfile_crc(path, 0, mark->bytes, &mark->crc, err);
}

/* An array that the process was about to make lines of: did it? An array begins with a bracket, lines do not. */
static int adopt_form(struct resume *r, struct sg_progress *p) {
    const char *path = r->w->files[SG_RECORD_OK].path.p;
    char first = 0;
    if (p->lines || p->files[SG_RECORD_OK].records == 0 || !sg_os_exists(path)) return 0;
    int fd = sg_os->open(path, O_RDONLY, 0);
    if (fd < 0) return io_error(path, fd, "cannot be opened", r->err);
    int rc = sg_os_pread_all(fd, &first, 1, 0);
    rc = rc == 0 && first == '{' ? adopt_lines(path, fd, p, r->err) : 0;
    sg_os->close(fd);
    return rc;
}

/* --- which state the files are in ------------------------------------------------------------------------------- */

static int check_sizes(struct resume *r, const struct sg_progress *p) {
    for (int i = 0; i < SG_OUTCOMES; i++) {
        const char *path = r->w->files[i].path.p;
        uint64_t size;
        int rc = size_of(path, &size, r->err);
        if (rc < 0) return rc;
        if (size < p->files[i].bytes)
            return sg_fail(r->err, SG_E_SYNTAX, "%s: byte %llu: the file ends here, but %llu bytes were written",
                           path, (unsigned long long)size, (unsigned long long)p->files[i].bytes);
    }
    return 0;
}

/* Without the closing bracket of an array. */
static uint64_t text_bytes(const struct sg_progress *p, int outcome) {
    uint64_t bytes = p->files[outcome].bytes;
    return outcome == SG_RECORD_OK && !p->lines && bytes ? bytes - 2 : bytes;
}

/* What came behind the synced state is what was written? */
static int check_texts(struct resume *r) {
    for (int i = 0; i < SG_OUTCOMES; i++) {
        bool same_form = i != SG_RECORD_OK || r->synced.lines == r->now.lines;
        uint64_t from = same_form ? text_bytes(&r->synced, i) : 0;
        uint32_t crc = same_form ? r->synced.files[i].crc : 0;
        const char *path = r->w->files[i].path.p;
        int rc = sg_outfile_crc(path, from, text_bytes(&r->now, i), &crc, r->err);
        if (rc < 0) return rc;
        if (crc != r->now.files[i].crc) return sg_fail(r->err, SG_E_SYNTAX, "%s: is damaged", path);
    }
    return 0;
}

/* All that was written, where that takes no time worth speaking of; `sygra fsck` looks at the rest. */
static int check_all(struct resume *r) {
    int rc = check_sizes(r, &r->now);
    uint64_t bytes = 0;
    for (int i = 0; i < SG_OUTCOMES; i++) bytes += r->now.files[i].bytes;
    for (int i = 0; i < SG_OUTCOMES && rc == 0 && bytes <= CHECK_BYTES; i++) {
        const char *path = r->w->files[i].path.p;
        uint32_t crc = 0;
        rc = sg_outfile_crc(path, 0, text_bytes(&r->now, i), &crc, r->err);
        if (rc == 0 && crc != r->now.files[i].crc)
            rc = sg_fail(r->err, SG_E_SYNTAX, "%s: something in its first %llu bytes was changed", path,
                         (unsigned long long)r->now.files[i].bytes);
    }
    return rc;
}

static int choose_base(struct resume *r) {
    int rc = adopt_form(r, &r->now);
    if (rc == 0) rc = r->restarted ? check_texts(r) : check_all(r);
    r->base = r->now;
    if (rc != SG_E_SYNTAX || !r->restarted) return rc;
    rc = adopt_form(r, &r->synced);
    if (rc == 0) rc = check_sizes(r, &r->synced);
    r->base = r->synced;
    r->base.pulled = r->now.pulled;
    r->base.read_bytes = r->now.read_bytes;
    r->base.read_crc = r->now.read_crc;
    r->base.totals = r->now.totals;
    return rc;
}

/* --- segments --------------------------------------------------------------------------------------------------- */

static int open_segments(struct resume *r) {
    struct sg_keeper *k = r->k;
    struct sg_place from = {.segment = r->synced.segment, .offset = r->synced.segment_bytes};
    struct sg_place to = {.segment = r->now.segment, .offset = r->now.segment_bytes};
    r->end = to;
    if (r->restarted) {
        int rc = sg_segments_verify(k->segments_folder.p, 0, from, to, &r->end, r->err);
        if (rc < 0 && rc != SG_E_SYNTAX) return rc;
        if (rc < 0) rc = sg_rundb_forget_bodies(k->db, r->end.segment, r->end.offset);
        if (rc < 0) return *r->err = *sg_rundb_error(k->db), rc;
    }
    int rc = sg_segments_reopen(k->segments_folder.p, 0, r->end.segment, r->end.offset, &k->segments, r->err);
    bool syncs = k->id.durability != SG_DURABILITY_EXIT; /* else all are synced at the end */
    return rc == 0 && syncs ? sg_segments_doubt(k->segments, r->synced.segment, r->err) : rc;
}

/* --- records that are finished, but not in the output yet ------------------------------------------------------- */

static void add_finished(struct resume *r, uint64_t position) {
    if (r->n_ranges && r->ranges[r->n_ranges - 1].to == position) r->ranges[r->n_ranges - 1].to++;
    else *SG_PUSH(&r->k->arena, r->ranges, r->n_ranges, r->cap_ranges) = (struct sg_range){position, position + 1};
}

/* A frame that is damaged is found here or, behind so many others, when its turn comes. */
static int look_at_body(struct resume *r, struct sg_place body) {
    uint32_t kind;
    r->checked += body.length;
    sg_buf_reset(&r->body, (size_t)1 << 20);
    return r->checked <= CHECK_BYTES ? sg_segments_read(r->k->segments, body, &kind, &r->body, r->err) : 0;
}

static int need_body(struct resume *r, struct sg_place body) {
    int rc = look_at_body(r, body);
    return rc == 0 ? sg_segments_need(r->k->segments, body, r->err) : rc;
}

static bool on_record(void *ud, const struct sg_record_row *row) {
    struct resume *r = ud;
    int rc = row->has_body ? need_body(r, row->body) : SG_E_SYNTAX;
    if (rc == 0) {
        sg_waiting_load(&r->w->waiting, row->position, row->body);
        add_finished(r, row->position);
        r->outcomes[row->outcome & 3]++;
    } else if (r->restarted && rc != SG_E_IO) {
        *SG_PUSH(&r->k->arena, r->lost, r->n_lost, r->cap_lost) = row->position;
    } else {
        if (!row->has_body)
            sg_fail(r->err, SG_E_SYNTAX, "%s/run.db: records: %llu is ahead of the output, but has no body",
                    r->k->folder.p, (unsigned long long)row->position);
        r->status = rc == SG_E_IO ? rc : SG_E_SYNTAX;
    }
    return r->status == 0;
}

static int load_records(struct resume *r) {
    struct sg_keeper *k = r->k;
    r->w->waiting.next = r->base.position;
    sg_waiting_use(&r->w->waiting, k->segments);
    if (r->base.position > k->id.first)
        *SG_PUSH(&k->arena, r->ranges, r->n_ranges, r->cap_ranges) = (struct sg_range){k->id.first, r->base.position};
    int rc = sg_rundb_records(k->db, r->base.position, -1, on_record, r);
    for (size_t i = 0; i < r->n_lost && rc == 0; i++)
        rc = sg_rundb_forget_records(k->db, r->lost[i], r->lost[i] + 1, false);
    if (rc < 0) *r->err = *sg_rundb_error(k->db);
    return rc == 0 ? r->status : rc;
}

/* --- calls and steps of unfinished records ---------------------------------------------------------------------- */

/* Positions come in order, of calls and of steps. */
static void add_half_done(struct resume *r, uint64_t position) {
    if (r->n_half_done && r->half_done[r->n_half_done - 1] == position) return;
    *SG_PUSH(&r->k->arena, r->half_done, r->n_half_done, r->cap_half_done) = position;
}

static bool check_body(struct resume *r, bool has_body, struct sg_place body) {
    if (has_body) r->status = look_at_body(r, body);
    return r->status == 0;
}

static bool on_call(void *ud, const struct sg_call_row *c) {
    struct resume *r = ud;
    r->n_answers += c->state == SG_CALL_ANSWERED && c->has_body;
    r->n_again += c->state == SG_CALL_AGAIN;
    add_half_done(r, c->position);
    return check_body(r, c->has_body, c->body);
}

static bool on_step(void *ud, const struct sg_step_row *s) {
    struct resume *r = ud;
    r->n_steps += s->has_body;
    add_half_done(r, s->position);
    return check_body(r, s->has_body, s->body);
}

static int find_half_done(struct resume *r, uint64_t from, uint64_t to) {
    int rc = sg_rundb_calls(r->k->db, from, to, on_call, r);
    if (rc == 0 && r->status == 0) rc = sg_rundb_steps(r->k->db, from, to, on_step, r);
    return rc;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* A position may have been noted for its calls and for its steps. */
static void sort_half_done(struct resume *r) {
    size_t n = 0;
    if (r->n_half_done == 0) return;
    qsort(r->half_done, r->n_half_done, sizeof *r->half_done, by_number);
    for (size_t i = 0; i < r->n_half_done; i++)
        if (n == 0 || r->half_done[n - 1] != r->half_done[i]) r->half_done[n++] = r->half_done[i];
    r->n_half_done = n;
}

static int load_half_done(struct resume *r) {
    struct sg_keeper *k = r->k;
    uint64_t from = k->id.first;
    int rc = 0;
    for (size_t i = 0; i <= r->n_ranges && rc == 0 && r->status == 0; i++) {
        uint64_t to = i < r->n_ranges ? r->ranges[i].from : r->base.pulled;
        if (from < to) rc = find_half_done(r, from, to);
        if (i < r->n_ranges) from = r->ranges[i].to;
    }
    sort_half_done(r);
    k->has_calls = k->has_steps = true;
    if (rc < 0) *r->err = *sg_rundb_error(k->db);
    return rc == 0 ? r->status : rc;
}

static void need_bodies(void *ud, uint32_t segment, uint64_t bodies) {
    struct resume *r = ud;
    if (r->status == 0) r->status = sg_segments_need_frames(r->k->segments, segment, bodies, r->err);
}

/* What an earlier life would have forgotten with its next commit, or with what --keep was then, goes; with --keep outputs the
 * segments of what stays are needed. */
static int take_stock(struct resume *r) {
    struct sg_keeper *k = r->k;
    uint64_t safe = k->id.durability == SG_DURABILITY_EXIT ? r->base.position : r->synced.position;
    bool outputs = k->id.keep == SG_KEEP_OUTPUTS;
    int rc = k->id.keep != SG_KEEP_ALL ? sg_rundb_forget_steps(k->db, 0, safe) : 0;
    if (rc == 0 && outputs) rc = sg_rundb_forget_calls(k->db, 0, safe);
    if (rc == 0 && outputs) rc = sg_rundb_bodies(k->db, 0, INT64_MAX, need_bodies, r);
    if (rc < 0) *r->err = *sg_rundb_error(k->db);
    if (rc == 0) rc = r->status;
    if (rc == 0) sg_segments_begin(k->segments, !outputs);
    return rc;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* What is stored, but with what the options changed. */
static void merge_identity(struct sg_keeper *k, const struct sg_run_identity *stored) {
    struct sg_run_identity wanted = k->id;
    k->id = *stored;
    if (wanted.program.n == 0) return; /* no wishes */
    k->id.program = wanted.program;
    k->id.options = wanted.options;
    k->id.count = wanted.count;
    k->id.durability = wanted.durability;
    k->id.keep = wanted.keep;
}

static int open_database(struct resume *r, bool *finished) {
    struct sg_keeper *k = r->k;
    struct sg_run_identity stored;
    int rc = sg_rundb_open(k->folder.p, &k->arena, &stored, &k->db, r->err);
    if (rc < 0) return rc;
    merge_identity(k, &stored);
    r->restarted = sg_rundb_restarted(k->db);
    struct sg_str state = sg_rundb_get(k->db, &k->arena, SG_STR("state"));
    r->w->replaced = sg_rundb_get(k->db, &k->arena, SG_STR("replaced"));
    *finished = sg_str_eq(state, SG_STR("finished")) || sg_str_eq(state, SG_STR("ending"));
    rc = sg_rundb_progress(k->db, false, &r->now);
    if (rc == 0) rc = sg_rundb_progress(k->db, true, &r->synced);
    if (rc == 0) rc = sg_tallies_load(k->tallies, k->db);
    if (rc < 0) *r->err = *sg_rundb_error(k->db);
    return rc;
}

static void take_totals(struct resume *r) {
    for (int i = 0; i < SG_OUTCOMES; i++) r->base.totals.outcomes[i] = r->base.files[i].records + r->outcomes[i];
}

/* After a restart what was read back is on disk. */
static int commit(struct resume *r) {
    struct sg_keeper *k = r->k;
    take_totals(r);
    r->base.segment = r->end.segment;
    r->base.segment_bytes = r->end.offset;
    if (r->restarted) r->synced = r->base;
    int rc = sg_rundb_update(k->db, &k->id);
    if (rc == 0) rc = sg_rundb_commit(k->db, &r->base, r->restarted ? &r->synced : NULL);
    if (rc < 0) return *r->err = *sg_rundb_error(k->db), rc;
    k->now = r->base;
    k->synced = r->synced;
    k->forgotten_to = k->id.durability == SG_DURABILITY_EXIT ? r->base.position : r->synced.position;
    return r->restarted ? sg_rundb_sync(k->db, r->err) : 0;
}

/* A file without records is as good as none, whatever is in it. */
static int open_files(struct resume *r) {
    int rc = 0;
    for (int i = 0; i < SG_OUTCOMES && rc == 0; i++) {
        struct sg_file_mark *mark = &r->k->now.files[i];
        if (mark->records == 0) *mark = (struct sg_file_mark){0};
        bool array = i == SG_RECORD_OK && !r->base.lines;
        r->w->files[i].array = array;
        if (i == SG_RECORD_OK || mark->records) rc = sg_outfile_reopen(&r->w->files[i], mark, array, r->err);
    }
    return rc;
}

static uint64_t sum(const uint64_t v[4]) {
    return v[0] + v[1] + v[2] + v[3];
}

/* The loop looks at them while the worker goes on counting. */
static const struct sg_tally *copy_tallies(struct sg_keeper *k) {
    size_t n = k->tallies->n_tallies;
    struct sg_tally *copy = SG_NEW_N(&k->arena, struct sg_tally, n);
    if (n) memcpy(copy, k->tallies->tallies, n * sizeof *copy);
    return copy;
}

static void report(struct resume *r, struct sg_output_resumed *out) {
    struct sg_keeper *k = r->k;
    uint64_t were = sum(r->now.totals.outcomes), are = sum(k->now.totals.outcomes);
    *out = (struct sg_output_resumed){
        .from = {.row = r->base.row,
                 .line = r->base.line,
                 .offset = r->base.offset,
                 .finished = r->ranges,
                 .n_finished = r->n_ranges,
                 .was = &k->id.source,
                 .read_bytes = r->base.read_bytes,
                 .read_crc = r->base.read_crc},
        .position = r->base.position,
        .totals = k->now.totals,
        .half_done = r->half_done,
        .n_half_done = r->n_half_done,
        .n_again = r->n_again,
        .n_answers = r->n_answers,
        .n_steps = r->n_steps,
        .tallies = copy_tallies(k),
        .n_tallies = k->tallies->n_tallies,
        .restarted = r->restarted,
        .lost = were > are ? were - are : 0,
        .identity = k->id,
    };
}

static int resume(struct resume *r) {
    bool finished;
    int rc = open_database(r, &finished);
    if (rc == 0) rc = find_part(r, finished);
    if (rc == 0) rc = choose_base(r);
    if (rc == 0) rc = open_segments(r);
    if (rc == 0) rc = load_records(r);
    if (rc == 0) rc = load_half_done(r);
    if (rc == 0) rc = take_stock(r);
    if (rc == 0) rc = commit(r);
    return rc == 0 ? open_files(r) : rc;
}

void sg_writer_resume(struct sg_writer *w, struct sg_output_resumed *out) {
    struct resume r = {.w = w, .k = w->keeper, .err = &w->err, .body = SG_BUF_INIT(SIZE_MAX)};
    int rc = resume(&r);
    sg_buf_fini(&r.body);
    if (rc < 0) {
        w->failed = true;
        w->err.code = rc;
        return;
    }
    w->first = w->keeper->id.first;
    report(&r, out);
    sg_writer_emit_waiting(w);
}
