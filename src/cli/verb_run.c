/* SPDX-License-Identifier: Apache-2.0 */
/* sygra run: the reference's flags, and ours. */
#include "cli/cli.h"

#define MAX_IN_FLIGHT 1000000u

enum {
    TASK,
    NUM_RECORDS,
    START_INDEX,
    BATCH_SIZE,
    RUN_NAME,
    OUTPUT_DIR,
    WITH_TS,
    GRAPH_CONFIG,
    MODELS,
    PRICES,
    SEED,
    DETERMINISTIC,
    JSON,
    DEBUG,
    CHECKPOINT_INTERVAL,
    CLEAR_LOGS,
    DISABLE_METADATA,
    RUN_ARGS,
    RESUME,
    OASST,
    QUALITY,
    DURABILITY,
    KEEP,
    NO_JOURNAL,
    ACCEPT_CHANGES,
    RECORD,
    REPLAY,
    HOSTS, /* and those behind it */
};

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `run`"},
    [NUM_RECORDS] = {"num_records", "n", SG_OPTION_NUMBER, "N", "records to take from the source (10); 0 takes all"},
    [START_INDEX] = {"start_index", "si", SG_OPTION_NUMBER, "N", "records to skip in front (0)"},
    [BATCH_SIZE] = {"batch_size", "b", SG_OPTION_NUMBER, "N", "records in flight at a time (25)"},
    [RUN_NAME] = {"run_name", "rn", SG_OPTION_TEXT, "NAME", "prefix of the output's name"},
    [OUTPUT_DIR] = {"output_dir", "od", SG_OPTION_TEXT, "DIR",
                    "folder of the output, made if missing (the task's folder)"},
    [WITH_TS] = {"output_with_ts", "owt", SG_OPTION_BOOL, "BOOL", "put the time into the output's name (True)"},
    [GRAPH_CONFIG] = {"graph_config", NULL, SG_OPTION_TEXT, "FILE",
                      "a file in place of the task's graph_config.yaml; the rest of the task stays"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [PRICES] = {"prices", NULL, SG_OPTION_TEXT, "FILE", "what models cost, in place of the built-in list prices"},
    [SEED] = {"seed", NULL, SG_OPTION_NUMBER, "N", "seed of all draws; drawn and shown when not given"},
    [DETERMINISTIC] = {"deterministic", NULL, SG_OPTION_FLAG, NULL, "embedded models decode one sequence at a time"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "events and summary as JSON lines on stdout, no panel"},
    [DEBUG] = {"debug", "d", SG_OPTION_BOOL, "BOOL", "log more (False)"},
    [CHECKPOINT_INTERVAL] = {"checkpoint_interval", "ci", SG_OPTION_ACCEPTED, "N",
                             "accepted, without effect: output is written as it comes"},
    [CLEAR_LOGS] = {"clear_logs", "cl", SG_OPTION_ACCEPTED, "BOOL",
                    "accepted, without effect: each run has a log of its own"},
    [DISABLE_METADATA] = {"disable_metadata", "dm", SG_OPTION_BOOL, "BOOL",
                          "write no metadata file beside the output (False)"},
    [RUN_ARGS] = {"run_args", "ra", SG_OPTION_ACCEPTED, "JSON", "accepted, without effect, as in the reference"},
    [RESUME] = {"resume", "r", SG_OPTION_BOOL, "BOOL",
                "go on with the newest unfinished run of this task, if there is one (data_config.resumable)"},
    [OASST] = {"oasst", "ost", SG_OPTION_NOT_YET, "BOOL", "map the output to OASST rows"},
    [QUALITY] = {"quality", "q", SG_OPTION_NOT_YET, "BOOL", "tag the output for quality"},
    [DURABILITY] = {"durability", NULL, SG_OPTION_TEXT, "WHEN",
                    "what a loss of power may take: 1s, nothing after commit, all before exit (1s)", "1s commit exit"},
    [KEEP] = {"keep", NULL, SG_OPTION_TEXT, "WHAT",
              "what the run folder keeps of finished records: all, calls, outputs (calls); outputs leaves no replies and no "
              "times for records, sql and why",
              "all calls outputs"},
    [NO_JOURNAL] = {"no_journal", NULL, SG_OPTION_FLAG, NULL,
                    "no run folder: a little faster, and nothing can be resumed"},
    [ACCEPT_CHANGES] = {"accept_changes", NULL, SG_OPTION_FLAG, NULL,
                        "a run that goes on: its task has changed, run again what that concerns"},
    [RECORD] = {"record", NULL, SG_OPTION_TEXT, "FILE",
                "write all calls to a file (in a folder: calls.jsonl) that tests are run from"},
    [REPLAY] = {"replay", NULL, SG_OPTION_TEXT, "FILE",
                "answer calls from such a file only, offline; no run folder is made"},
    SG_HOST_OPTIONS(HOSTS),
    {0},
};

static bool good_run_name(const char *name) {
    if (!strchr(name, '/') && strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strlen(name) < 200) return true;
    fprintf(stderr, "sygra run: --run_name becomes part of a file's name; \"%s\" cannot\n", name);
    return false;
}

static bool parse_journal(const struct sg_args *a, struct sg_run_options *o) {
    const char *durability = sg_arg_text(a, DURABILITY, "1s"), *keep = sg_arg_text(a, KEEP, "calls");
    if (!sg_durability_parse(sg_str(durability), &o->durability))
        fprintf(stderr, "sygra run: --durability is commit, 1s or exit, not \"%s\"\n", durability);
    else if (!sg_keep_parse(sg_str(keep), &o->keep))
        fprintf(stderr, "sygra run: --keep is all, calls or outputs, not \"%s\"\n", keep);
    else return true;
    return false;
}

/* A folder means calls.jsonl in it. */
static struct sg_str recording_path(struct sg_arena *a, const char *given) {
    struct sg_file_info info;
    struct sg_str path = sg_str(given ? given : "");
    bool folder = path.n && (sg_str_ends(path, SG_STR("/")) || (sg_os->stat(path.p, &info) == 0 && info.is_dir));
    return folder ? sg_str_printf(a, "%s%scalls.jsonl", path.p, sg_str_ends(path, SG_STR("/")) ? "" : "/") : path;
}

/* What goes with what. */
static bool parse_recording(const struct sg_args *a, struct sg_arena *arena, struct sg_run_options *o) {
    const char *wrong = NULL;
    o->record = recording_path(arena, a->values[RECORD]);
    o->replay = recording_path(arena, a->values[REPLAY]);
    if (o->record.n && o->replay.n) wrong = "--record and --replay do not go together";
    else if (o->record.n && o->no_journal) wrong = "--record needs the run folder; leave --no_journal out";
    else if (o->record.n && a->values[KEEP] && o->keep != SG_KEEP_ALL) wrong = "--record needs --keep all";
    else if (o->replay.n && o->resume == SG_RUN_RESUME_OR_NEW) wrong = "--replay does not go on with a run; leave --resume out";
    if (wrong) fprintf(stderr, "sygra run: %s\n", wrong);
    if (o->record.n) o->keep = SG_KEEP_ALL;
    if (o->replay.n) o->config.offline = o->no_journal = true;
    return !wrong;
}

static int run(const struct sg_args *a) {
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "run");
    const char *run_name = sg_arg_text(a, RUN_NAME, "");
    if (!task || !good_run_name(run_name)) return SG_EXIT_USAGE;
    uint64_t in_flight = sg_arg_number(a, BATCH_SIZE, 25);
    if (in_flight == 0 || in_flight > MAX_IN_FLIGHT) {
        fprintf(stderr, "sygra run: --batch_size must be between 1 and %u\n", MAX_IN_FLIGHT);
        return SG_EXIT_USAGE;
    }
    struct sg_run_hosts hosts;
    uint32_t max_hosts;
    if (!sg_host_options(a, HOSTS, "run", &hosts, &max_hosts)) return SG_EXIT_USAGE;
    struct sg_run_options o = {
        .config = {.task = sg_str(task), .graph_config = sg_str(sg_arg_text(a, GRAPH_CONFIG, "")),
                   .closures = hosts.attached, .models_file = sg_str(sg_arg_text(a, MODELS, "")),
                   .prices_file = sg_str(sg_arg_text(a, PRICES, "")), .exe_dir = sg_exe_dir()},
        .exe = sg_exe_path(),
        .words = a->given,
        .run_name = sg_str(run_name),
        .output_dir = sg_str(sg_arg_text(a, OUTPUT_DIR, "")),
        .num_records = sg_arg_number(a, NUM_RECORDS, 10),
        .start_index = sg_arg_number(a, START_INDEX, 0),
        .in_flight = (uint32_t)in_flight,
        .hosts = hosts,
        .max_hosts = max_hosts,
        .with_timestamp = sg_arg_bool(a, WITH_TS, true),
        .has_seed = a->values[SEED] != NULL,
        .seed = sg_arg_number(a, SEED, 0),
        .deterministic = sg_arg_bool(a, DETERMINISTIC, false),
        .json = sg_arg_bool(a, JSON, false),
        .debug = sg_arg_bool(a, DEBUG, false),
        .no_journal = sg_arg_bool(a, NO_JOURNAL, false),
        .no_metadata = sg_arg_bool(a, DISABLE_METADATA, false),
        .has_count = a->values[NUM_RECORDS] != NULL,
        .accept_changes = a->values[ACCEPT_CHANGES] != NULL,
        .resume = !a->values[RESUME]              ? SG_RUN_BY_TASK
                  : sg_arg_bool(a, RESUME, false) ? SG_RUN_RESUME_OR_NEW
                                                  : SG_RUN_FRESH,
    };
    struct sg_arena arena;
    sg_arena_init(&arena, 0);
    bool fine = parse_journal(a, &o) && parse_recording(a, &arena, &o);
    int status = fine ? sg_run(&o) : SG_EXIT_USAGE;
    sg_arena_fini(&arena);
    return status;
}

const struct sg_verb sg_verb_run = {
    .name = "run",
    .words = "TASK [options]",
    .summary = "run a task's graph over its source and write the output",
    .details = "TASK is a folder with graph_config.yaml, or its dotted name (examples.evol_instruct).\n"
               "Exit status: 0 all records ok; 1 could not start or was aborted; 2 wrong usage;\n"
               "3 finished with failed records; 130 interrupted.\n",
    .options = options,
    .run = run,
};
