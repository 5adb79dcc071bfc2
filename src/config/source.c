/* SPDX-License-Identifier: Apache-2.0 */
/* Files. `file_path` is a file, or a pattern (data/part-*.parquet) whose files are read in the order of their names,
 * as one sequence of rows. A file whose own name has brackets or stars in it is that file.
 *
 * With `shard`, the files are those in the folder of `file_path` whose names are `regex` (a pattern, by the
 * reference's name), then anything, then a suffix: that of `file_path` when it has one, else any. `index` picks some
 * of the sorted ones.
 *
 * The suffix says what a file holds, as in the reference; file_format does not. */
#include "config/source.h"

#include "config/glob.h"
#include "config/hook.h"

#include <strings.h>

static const struct suffix {
    const char *text;
    enum sg_format format;
    bool may_be_packed;
} suffixes[] = {
    {".jsonl", SG_FORMAT_LINES, true}, {".json", SG_FORMAT_ARRAY, true},       {".csv", SG_FORMAT_CSV, true},
    {".tsv", SG_FORMAT_TSV, true},     {".parquet", SG_FORMAT_PARQUET, false},
};
#define KNOWN_SUFFIXES                                                                                               \
    "it can be .jsonl (an object a line), .json (an array of objects), .csv, .tsv, each also with .gz or .zst, or "  \
    ".parquet"

static struct sg_str without(struct sg_str name, const char *end) {
    return (struct sg_str){name.p, name.n - strlen(end)};
}

static bool read_suffix(struct sg_str name, struct sg_data_file *out) {
    bool gzip = sg_str_ends(name, SG_STR(".gz")), zstd = sg_str_ends(name, SG_STR(".zst"));
    out->packing = gzip ? SG_PACKED_GZIP : zstd ? SG_PACKED_ZSTD : SG_PACKED_NOT;
    if (gzip || zstd) name = without(name, gzip ? ".gz" : ".zst");
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        if (!sg_str_ends(name, sg_str(suffixes[i].text)) || (out->packing && !suffixes[i].may_be_packed)) continue;
        out->format = suffixes[i].format;
        return true;
    }
    return false;
}

/* --- which files ------------------------------------------------------------------------------------------------ */

struct place {
    const struct sg_yaml *node; /* file_path */
    struct sg_str path;         /* of that key */
};

static bool is_there(struct sg_str path, struct sg_file_info *info) {
    return sg_os->stat(path.p, info) == 0;
}

static bool is_plain_name(struct sg_cfg *c, struct sg_str name) {
    struct sg_file_info info;
    if (!sg_glob_is_pattern(name) || memchr(name.p, 0, name.n)) return true;
    return is_there(sg_str_dup(c->a, name), &info) ||
           is_there(sg_str_printf(c->a, "%.*s/%.*s", SG_ARG(c->folder), SG_ARG(name)), &info);
}

/* The working directory first, then the task's folder. */
static struct sg_glob match(struct sg_cfg *c, struct sg_str pattern) {
    struct sg_glob found = {0};
    sg_glob_add(c->a, SG_STR_NONE, pattern, &found);
    if (!found.n) sg_glob_add(c->a, c->folder, pattern, &found);
    return found;
}

static struct sg_glob match_some(struct sg_cfg *c, const struct place *at, struct sg_str pattern) {
    struct sg_glob found = match(c, pattern);
    if (found.too_many)
        sg_error_at(c->d, at->node->mark, at->path, "put them into fewer files", "more than %u files match %.*s",
                    SG_GLOB_MAX, SG_ARG(pattern));
    else if (!found.n)
        sg_error_at(c->d, at->node->mark, at->path,
                    "patterns start in the working directory, or else in the task's folder", "no file matches %.*s",
                    SG_ARG(pattern));
    return found;
}

/* --- shard ------------------------------------------------------------------------------------------------------ */

static struct sg_str folder_of(struct sg_cfg *c, struct sg_str file) {
    struct sg_file_info info;
    struct sg_str here = sg_str_dup(c->a, file),
                  there = sg_str_printf(c->a, "%.*s/%.*s", SG_ARG(c->folder), SG_ARG(file));
    bool is_folder = (is_there(here, &info) || is_there(there, &info)) && info.is_dir;
    size_t n = file.n;
    while (!is_folder && n && file.p[n - 1] != '/') n--;
    if (n == 0) return SG_STR("");
    return sg_str_join(c->a, (struct sg_str){file.p, n}, file.p[n - 1] == '/' ? SG_STR("") : SG_STR("/"));
}

/* Files of other suffixes go; of the same format and packing as `like`, if that has one. */
static void keep_known(struct sg_glob *found, struct sg_str like) {
    struct sg_data_file wanted, is;
    bool any = !read_suffix(like, &wanted);
    size_t n = 0;
    for (size_t i = 0; i < found->n; i++) {
        bool known = read_suffix(found->paths[i], &is);
        if (known && (any || (is.format == wanted.format && is.packing == wanted.packing)))
            found->paths[n++] = found->paths[i];
    }
    found->n = n;
}

static void pick(struct sg_cfg *c, const struct sg_yaml *index, struct sg_str path, struct sg_glob *found) {
    struct sg_str *picked = SG_NEW_N(c->a, struct sg_str, index->n);
    size_t n = 0;
    for (size_t i = 0; i < index->n; i++) {
        int64_t at = -1;
        struct sg_json number = sg_yaml_to_json(c->a, index->items[i]);
        bool fine = sg_json_to_i64(&number, &at) && at >= 0 && (size_t)at < found->n;
        if (!fine)
            sg_error_at(c->d, index->items[i]->mark, sg_cfg_item(c, path, i), "files are counted from 0, by name",
                        "files that match: %zu; none has the number %s", found->n, sg_cfg_show(c, index->items[i]));
        else picked[n++] = found->paths[at];
    }
    found->paths = picked;
    found->n = n;
}

static struct sg_glob shards(struct sg_cfg *c, const struct place *at, const struct sg_yaml *shard,
                             struct sg_str path) {
    struct sg_str regex = SG_STR("*");
    sg_cfg_keys(c, shard, path, SG_SECTION_SHARD, NULL, false);
    sg_cfg_text(shard, "regex", &regex);
    struct sg_str pattern = sg_str_printf(c->a, "%.*s%.*s*", SG_ARG(folder_of(c, at->node->text)), SG_ARG(regex));
    struct sg_glob found = match_some(c, at, pattern);
    size_t matched = found.n;
    keep_known(&found, at->node->text);
    if (matched && !found.n)
        sg_error_at(c->d, at->node->mark, at->path, KNOWN_SUFFIXES,
                    "of the files that match %.*s none has a fitting suffix", SG_ARG(pattern));
    const struct sg_yaml *index = sg_cfg_get(shard, "index", SG_YAML_LIST);
    if (index && index->n && found.n) pick(c, index, sg_cfg_key(c, path, SG_STR("index")), &found);
    return found;
}

/* --- disk ------------------------------------------------------------------------------------------------------- */

static void set_files(struct sg_cfg *c, const struct place *at, const struct sg_glob *found,
                      struct sg_source_spec *out) {
    struct sg_data_file *files = SG_NEW_N(c->a, struct sg_data_file, found->n);
    for (size_t i = 0; i < found->n; i++) {
        files[i].path = found->paths[i];
        if (!read_suffix(found->paths[i], &files[i])) {
            sg_error_at(c->d, at->node->mark, at->path, KNOWN_SUFFIXES,
                        "the suffix of %.*s says nothing about its format", SG_ARG(found->paths[i]));
            return;
        }
    }
    out->files = files;
    out->n_files = found->n;
}

static void read_files(struct sg_cfg *c, const struct sg_yaml *map, const struct place *at, struct sg_str path,
                       struct sg_source_spec *out) {
    const struct sg_yaml *shard = sg_cfg_get(map, "shard", SG_YAML_MAP);
    struct sg_str name = at->node->text;
    struct sg_glob found = {0};
    bool plain = !(shard && shard->n) && is_plain_name(c, name);
    out->path = sg_str_dup(c->a, name);
    if (shard && shard->n) {
        found = shards(c, at, shard, sg_cfg_key(c, path, SG_STR("shard")));
    } else if (!plain) {
        found = match_some(c, at, name);
    } else {
        out->path = sg_cfg_file(c, name, at->node->mark, at->path);
        *SG_PUSH(c->a, found.paths, found.n, found.cap) = out->path;
    }
    if (!plain && found.n)
        sg_cfg_origin(c, "%.*s: %.*s to %.*s (%zu)", SG_ARG(at->path), SG_ARG(found.paths[0]),
                      SG_ARG(found.paths[found.n - 1]), found.n);
    set_files(c, at, &found, out);
}

static void check_encoding(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path) {
    static const char *const names[] = {"utf-8", "utf8", "utf_8", "utf-8-sig", "ascii"};
    for (size_t i = 0; value && i < sizeof names / sizeof *names; i++)
        if (value->text.n == strlen(names[i]) && strncasecmp(value->text.p, names[i], value->text.n) == 0) return;
    if (value)
        sg_error_at(c->d, value->mark, path, "convert the file, for instance with: iconv -t utf-8",
                    "the encoding %s cannot be read, only utf-8", sg_cfg_show(c, value));
}

static void read_disk(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark, struct sg_str path,
                      struct sg_source_spec *out) {
    out->encoding = SG_STR("utf-8");
    check_encoding(c, sg_cfg_get(map, "encoding", SG_YAML_TEXT), sg_cfg_key(c, path, SG_STR("encoding")));
    out->fields = sg_cfg_names(c, sg_yaml_get(map, "fields"), &out->n_fields);
    out->transforms = sg_cfg_steps(c, sg_yaml_get(map, "transformations"), sg_cfg_key(c, path, SG_STR("transformations")),
                                   "transform", &out->n_transforms);
    const struct sg_yaml *streaming = sg_cfg_get(map, "streaming", SG_YAML_BOOL);
    out->streaming = streaming && sg_str_eq(streaming->text, SG_STR("true"));
    if (!sg_cfg_require(c, map, mark, path, "file_path", "name a file: data.jsonl, data.csv, parts/*.parquet"))
        return;
    struct place at = {sg_cfg_get(map, "file_path", SG_YAML_TEXT), sg_cfg_key(c, path, SG_STR("file_path"))};
    if (!at.node) return;
    out->mark = at.node->mark;
    read_files(c, map, &at, path, out);
}

struct sg_source_spec *sg_cfg_source(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark,
                                     struct sg_str path) {
    static const char *const types[] = {"disk", "hf", "servicenow"};
    static const int issues[] = {0, 7, SG_KEY_LATER};
    size_t type = 3;
    if (map->kind == SG_YAML_LIST) {
        sg_cfg_not_yet(c, mark, path, 7, "a list of sources");
        return NULL;
    }
    if (!sg_cfg_keys(c, map, path, SG_SECTION_SOURCE, NULL, false) ||
        !sg_cfg_require(c, map, mark, path, "type", "it can be disk") ||
        !sg_cfg_word(c, map, path, "type", types, 3, &type) || type == 3)
        return NULL;
    if (type > 0) {
        sg_cfg_not_yet(c, sg_yaml_get(map, "type")->mark, sg_cfg_key(c, path, SG_STR("type")), issues[type],
                       sg_str_printf(c->a, "source type %s", types[type]).p);
        return NULL;
    }
    struct sg_source_spec *out = SG_NEW(c->a, struct sg_source_spec);
    read_disk(c, map, mark, path, out);
    return out;
}
