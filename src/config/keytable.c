/* SPDX-License-Identifier: Apache-2.0 */
/* The table, in the order of the reference page that is printed from it. To add a key, add a row. */
#include "config/keytable.h"

#include "config/config.h"

#define TEXT SG_KEY_TEXT
#define INT SG_KEY_INT
#define NUMBER (SG_KEY_INT | SG_KEY_NUMBER)
#define BOOL SG_KEY_BOOL
#define LIST SG_KEY_LIST
#define MAP SG_KEY_MAP
#define TEXTS SG_KEY_TEXTS
#define HOOK SG_KEY_HOOK
#define ANY SG_KEY_ANY
#define SCALAR (TEXT | NUMBER | BOOL)

#define WORKS SG_KEY_WORKS, 0, NULL
#define NOT_YET(issue, harmless) SG_KEY_NOT_YET, issue, harmless
#define NO_EFFECT SG_KEY_NO_EFFECT, 0, NULL
#define REFUSED SG_KEY_REFUSED, 0, NULL
#define LATER SG_KEY_LATER

/* section, key, kinds, default, status, doc line */
/* clang-format off: one row a line */
const struct sg_key_row sg_key_rows[] = {
    {SG_SECTION_TASK, "data_config", MAP, "no data: empty records", WORKS, "where records come from"},
    {SG_SECTION_TASK, "graph_config", MAP, "required", WORKS, "what is done with each record"},
    {SG_SECTION_TASK, "output_config", MAP, "the raw state is written", WORKS,
     "what is written of each finished record"},
    {SG_SECTION_TASK, "schema_config", MAP, "no checks", WORKS, "what a finished record has to be; else it is invalid"},
    {SG_SECTION_TASK, "graph_post_process", LIST, "[]", WORKS,
     "processors of the whole output: Python classes, or {processor: class, params: {...}}"},
    {SG_SECTION_TASK, "version", INT, "", WORKS, "of a shipped recipe: what `uses: name@version` asks for"},
    {SG_SECTION_TASK, "task_name", TEXT, "", NO_EFFECT, "a name for the Python library"},

    {SG_SECTION_DATA, "source", MAP | LIST, "no data: empty records", WORKS,
     "one source; a list of sources (joins) comes with issue 7"},
    {SG_SECTION_DATA, "sink", ANY, "", NOT_YET(7, "[]|{}"), "where the output is sent after the run"},
    {SG_SECTION_DATA, "id_column", TEXT, "", WORKS, "column that gives each record its id"},
    {SG_SECTION_DATA, "resumable", BOOL, "false", WORKS, "`sygra run` goes on with an unfinished run of the task"},

    {SG_SECTION_SOURCE, "type", TEXT, "required", WORKS, "`disk`; `hf` comes with issue 7, `servicenow` later"},
    {SG_SECTION_SOURCE, "file_path", TEXT, "required", WORKS,
     "a .jsonl, .json, .csv, .tsv (also with .gz or .zst) or .parquet file, or a pattern (parts/*.parquet), from the working "
     "directory or else from the task's folder"},
    {SG_SECTION_SOURCE, "file_format", TEXT, "", NO_EFFECT, "the file's suffix decides"},
    {SG_SECTION_SOURCE, "encoding", TEXT, "utf-8", WORKS, "utf-8 is the only one"},
    {SG_SECTION_SOURCE, "fields", TEXTS, "all columns", WORKS, "columns to keep; `id` is always kept"},
    {SG_SECTION_SOURCE, "transformations", LIST, "[]", WORKS,
     "changes to the rows before the run: {transform: Python class, params: {...}}, one after the other"},
    {SG_SECTION_SOURCE, "shard", MAP, "{}", WORKS, "several files of the folder of `file_path` as one source"},
    {SG_SECTION_SOURCE, "streaming", BOOL, "false", WORKS,
     "`transformations` get one row at a time, not the whole list; without them every source streams"},
    {SG_SECTION_SOURCE, "alias", TEXT, "", NO_EFFECT, "name of the source in a list of sources"},
    {SG_SECTION_SOURCE, "join_type", TEXT, "", NO_EFFECT, "only in a list of sources"},
    {SG_SECTION_SOURCE, "primary_key", TEXT, "", NO_EFFECT, "only in a list of sources"},
    {SG_SECTION_SOURCE, "join_key", TEXT, "", NO_EFFECT, "only in a list of sources"},
    {SG_SECTION_SOURCE, "repo_id", TEXT, "", NO_EFFECT, "only for type `hf`"},
    {SG_SECTION_SOURCE, "config_name", TEXT, "", NO_EFFECT, "only for type `hf`"},
    {SG_SECTION_SOURCE, "split", TEXT | TEXTS, "train", NO_EFFECT, "only for type `hf`"},
    {SG_SECTION_SOURCE, "token", TEXT, "", NO_EFFECT, "only for type `hf`"},
    {SG_SECTION_SOURCE, "instance", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "username", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "password", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "oauth_client_id", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "oauth_client_secret", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "table", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "query", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "filters", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "limit", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "order_by", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "order_desc", ANY, "false", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "display_value", ANY, "all", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "exclude_reference_link", ANY, "true", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "proxy", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "cert", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "verify_ssl", ANY, "", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "auto_retry", ANY, "true", NO_EFFECT, "only for type `servicenow`"},
    {SG_SECTION_SOURCE, "batch_size", INT, "100", NO_EFFECT, "only for type `servicenow`"},

    {SG_SECTION_SHARD, "regex", TEXT, "*", WORKS, "how the files' names begin, as a pattern: part-0*"},
    {SG_SECTION_SHARD, "index", LIST, "all", WORKS, "numbers of the files wanted, from 0, in the order of names"},

    {SG_SECTION_GRAPH, "nodes", MAP, "required", WORKS, "name of the node to its map"},
    {SG_SECTION_GRAPH, "edges", LIST, "required", WORKS, "what follows what"},
    {SG_SECTION_GRAPH, "graph_properties", MAP, "{}", WORKS, "settings of chat history"},
    {SG_SECTION_GRAPH, "graph_state", ANY, "", NO_EFFECT, "state keys are found without it"},

    {SG_SECTION_PROPERTIES, "chat_conversation", TEXT, "", WORKS,
     "how nodes with `chat_history: true` are told what was said before: `singleturn`, as one message, or `multiturn`, turn by turn"},
    {SG_SECTION_PROPERTIES, "chat_history_window_size", INT, "5", WORKS, "how many of the last entries; 0: all"},

    {SG_SECTION_NODE, "node_type", TEXT, "required", WORKS,
     "`llm`, `multi_llm`, `weighted_sampler`, `lambda`, `subgraph`; `agent` comes later"},
    {SG_SECTION_NODE, "node_state", TEXT, "active", WORKS, "`active`, or `idle`: the node is left out of the graph"},
    {SG_SECTION_NODE, "output_keys", TEXT | TEXTS, "llm: messages", WORKS,
     "state keys that the node writes; an llm node with a list of them needs `post_process`"},
    {SG_SECTION_NODE, "node_name", TEXT, "", NO_EFFECT, "a label of the Studio"},

    {SG_SECTION_LLM, "model", MAP, "required", WORKS,
     "`name` of an entry of models.yaml, and keys that differ from it"},
    {SG_SECTION_LLM, "prompt", LIST, "required", WORKS,
     "list of `role: text`; roles are system, user, assistant, tool"},
    {SG_SECTION_LLM, "input_key", TEXT, "messages", WORKS, "state key whose messages follow the prompt"},
    {SG_SECTION_LLM, "output_role", TEXT, "assistant", WORKS, "role of the message that goes into `messages`"},
    {SG_SECTION_LLM, "pre_process", HOOK, "", WORKS,
     "gets the state, returns the one object that this node sees instead"},
    {SG_SECTION_LLM, "post_process", HOOK, "", WORKS,
     "gets {response, state}, returns one object: the state keys to write"},
    {SG_SECTION_LLM, "chat_history", BOOL, "false", WORKS, "what the node asks and is answered is kept, and told to those that ask later"},
    {SG_SECTION_LLM, "tools", LIST, "[]", WORKS, "tools that are offered to the model: Python code, or maps as requests have them"},
    {SG_SECTION_LLM, "tool_choice", TEXT | MAP, "auto", WORKS, "with `tools`: `auto`, `none`, `required`, or a map"},
    {SG_SECTION_LLM, "once", BOOL, "false", WORKS, "its hooks are never run again for the same work, also not after a crash"},
    {SG_SECTION_LLM, "structured_output", ANY, "", NO_EFFECT, "has its place inside `model`"},
    {SG_SECTION_LLM, "output_vars", ANY, "", REFUSED, "use `output_keys`"},

    {SG_SECTION_MULTI_LLM, "models", MAP, "required", WORKS, "label to what an llm node has as `model`"},
    {SG_SECTION_MULTI_LLM, "strategy", TEXT, "ensemble", WORKS,
     "`ensemble`: all are asked at once; `balance`: one a visit, evenly; `fallback`: one after the other until one answers"},
    {SG_SECTION_MULTI_LLM, "multi_llm_post_process", HOOK, "one map of label to result", WORKS,
     "ensemble: gets {label: what its model gave}, returns one object: the state keys to write"},
    {SG_SECTION_MULTI_LLM, "prompt", LIST, "required", WORKS, "of each model, as in an llm node"},
    {SG_SECTION_MULTI_LLM, "input_key", TEXT, "messages", WORKS, "as in an llm node"},
    {SG_SECTION_MULTI_LLM, "output_role", TEXT, "assistant", WORKS, "as in an llm node"},
    {SG_SECTION_MULTI_LLM, "pre_process", HOOK, "", WORKS, "of each model, as in an llm node"},
    {SG_SECTION_MULTI_LLM, "post_process", HOOK, "", WORKS, "of each model, as in an llm node"},
    {SG_SECTION_MULTI_LLM, "chat_history", BOOL, "false", WORKS, "of each model, as in an llm node"},
    {SG_SECTION_MULTI_LLM, "tools", LIST, "[]", WORKS, "tools that are offered to the models, as in an llm node"},
    {SG_SECTION_MULTI_LLM, "tool_choice", TEXT | MAP, "auto", WORKS, "as in an llm node"},
    {SG_SECTION_MULTI_LLM, "once", BOOL, "false", WORKS, "as in an llm node"},
    {SG_SECTION_MULTI_LLM, "output_vars", ANY, "", REFUSED, "use `output_keys`"},

    {SG_SECTION_SAMPLER, "attributes", MAP, "required", WORKS, "state key to what is drawn for it"},
    {SG_SECTION_ATTRIBUTE, "values", LIST | MAP, "required", WORKS,
     "list of values, or a column of a source"},
    {SG_SECTION_ATTRIBUTE, "weights", LIST, "all 1", WORKS, "one number a value of a list, none negative, not all 0"},
    {SG_SECTION_DRAW, "source", MAP, "required", WORKS, "a source, with the keys of `data_config.source`"},
    {SG_SECTION_DRAW, "column", TEXT | TEXTS, "required", WORKS, "its column; of several, one is drawn each time"},
    {SG_SECTION_DRAW, "order", TEXT, "sequential", WORKS,
     "`sequential`: the next row for each record, from the first again behind the last; `random`: any"},

    {SG_SECTION_LAMBDA, "lambda", HOOK, "required", WORKS,
     "gets the state, returns one object: the state keys to write"},
    {SG_SECTION_LAMBDA, "once", BOOL, "false", WORKS, "it is never run again for the same work, also not after a crash"},

    {SG_SECTION_SUBGRAPH, "subgraph", TEXT, "required, or `uses`", WORKS,
     "name or path of a task folder; its `graph_config` counts"},
    {SG_SECTION_SUBGRAPH, "uses", TEXT, "", WORKS, "in its place: a shipped recipe, `name@version` or `name`"},
    {SG_SECTION_SUBGRAPH, "node_config_map", MAP, "{}", WORKS, "inner node to keys that are laid over its map"},
    {SG_SECTION_OVERRIDE, "prompt_placeholder_map", MAP, "{}", WORKS,
     "old: new; renames placeholders of the inner node's prompt"},

    {SG_SECTION_EDGE, "from", TEXT | TEXTS, "required", WORKS, "node or START; a list waits for all of its nodes"},
    {SG_SECTION_EDGE, "to", TEXT | TEXTS, "", WORKS, "node or END; a list starts all of them"},
    {SG_SECTION_EDGE, "condition", HOOK, "", WORKS, "gets the state, gives keys of `path_map`"},
    {SG_SECTION_EDGE, "path_map", MAP, "", WORKS, "result of the condition to a node or END"},

    {SG_SECTION_OUTPUT, "output_map", MAP, "the raw state is written", WORKS,
     "field of the output record to where it comes from"},
    {SG_SECTION_OUTPUT, "generator", HOOK, "", WORKS, "Python class that makes the output record"},
    {SG_SECTION_OUTPUT, "oasst_mapper", MAP, "", WORKS, "OASST rows; come with issue 8"},
    {SG_SECTION_OUTPUT, "data_quality", ANY, "", NOT_YET(8, ""), "quality tagging of the output"},

    {SG_SECTION_FIELD, "from", TEXT, "", WORKS, "state key"},
    {SG_SECTION_FIELD, "value", ANY, "", WORKS, "a constant; a text `$a.b[0]` is a path in graph_config.yaml"},
    {SG_SECTION_FIELD, "transform", HOOK, "", WORKS,
     "gets the value, and $state; its result is written. Beside `generator` also the name of a method of it"},

    {SG_SECTION_OASST, "required", TEXT | BOOL, "no", WORKS, "\"yes\" comes with issue 8"},
    {SG_SECTION_OASST, "type", TEXT, "", NO_EFFECT, "`sft` or `dpo`"},
    {SG_SECTION_OASST, "intermediate_writing", TEXT | BOOL, "", NO_EFFECT, "\"yes\" or \"no\""},

    {SG_SECTION_SCHEMA, "fields", LIST, "required without `schema`", WORKS, "the checks, a map for each field"},
    {SG_SECTION_SCHEMA, "against", TEXT, "output", WORKS,
     "`output`: what `output_map` makes of the field, or else the state; `state`: the state in any case"},
    {SG_SECTION_SCHEMA, "schema", HOOK, "", WORKS, "a pydantic class that is made of the state, in place of `fields`"},

    {SG_SECTION_CHECK, "name", TEXT, "required", WORKS, "field of the output record, or state key"},
    {SG_SECTION_CHECK, "type", TEXT, "required", WORKS,
     "`str`, `int`, `float`, `bool`, `none`, `any`, `list[T]`, `tuple[T]`, `set[T]`, `dict[K, V]`, `optional[T]`, `T | U`, as pydantic takes them"},
    {SG_SECTION_CHECK, "is_greater_than", SCALAR | LIST, "", WORKS, "the value is greater, as Python compares"},
    {SG_SECTION_CHECK, "is_less_than", SCALAR | LIST, "", WORKS, "the value is less, as Python compares"},
    {SG_SECTION_CHECK, "is_equal_to", ANY, "", WORKS, "the value is equal, as Python compares"},
    {SG_SECTION_CHECK, "is_not_empty", BOOL, "false", WORKS, "the value is no null and no empty text, list or map"},
    {SG_SECTION_CHECK, "description", ANY, "", NO_EFFECT, "a note"},

    {SG_SECTION_MODEL, "name", TEXT, "required in a node", WORKS, "the entry's key in models.yaml"},
    {SG_SECTION_MODEL, "model_type", TEXT, "required", WORKS,
     "`vllm`, `openai`, `azure_openai` or `llama`; others come with issue 6 and later"},
    {SG_SECTION_MODEL, "model", TEXT, "the entry's key", WORKS, "the model's name at the endpoint"},
    {SG_SECTION_MODEL, "model_serving_name", TEXT, "", WORKS, "vllm: beats `model`"},
    {SG_SECTION_MODEL, "url", TEXT | TEXTS, "required but for llama", WORKS,
     "base address such as http://host:8000/v1 (azure_openai: https://name.openai.azure.com); usually SYGRA_<NAME>_URL, several separated by |"},
    {SG_SECTION_MODEL, "auth_token", TEXT | TEXTS, "", WORKS,
     "usually SYGRA_<NAME>_TOKEN, parallel to the addresses"},
    {SG_SECTION_MODEL, "parameters", MAP, "{}", WORKS, "sent with each request as they stand"},
    {SG_SECTION_MODEL, "extra_headers", MAP, "{}", WORKS, "HTTP headers, as texts"},
    {SG_SECTION_MODEL, "timeout", NUMBER, "120", WORKS, "seconds for one attempt"},
    {SG_SECTION_MODEL, "retry_attempts", INT, "8", WORKS, "attempts in all"},
    {SG_SECTION_MODEL, "special_tokens", TEXTS, "[]", WORKS, "texts that are removed from the reply"},
    {SG_SECTION_MODEL, "model_path", TEXT, "the demo model", WORKS, "llama: a GGUF file"},
    {SG_SECTION_MODEL, "threads", INT, "1", WORKS, "llama: threads"},
    {SG_SECTION_MODEL, "sequences", INT, "4", WORKS, "llama: replies that are written side by side"},
    {SG_SECTION_MODEL, "context", INT, "2048", WORKS, "llama: tokens of prompt and reply"},
    {SG_SECTION_MODEL, "price", MAP, "", WORKS, "what its tokens cost; beats the built-in table, --prices beats it"},
    {SG_SECTION_MODEL, "load_balancing", TEXT, "least_requests", WORKS,
     "which of several addresses is asked: `least_requests` (the fewest calls in flight) or `round_robin` (in turn)"},
    {SG_SECTION_MODEL, "structured_output", MAP, "", NO_EFFECT, "a schema for the reply; calls carry it with issue 6"},
    {SG_SECTION_MODEL, "completions_api", BOOL, "false", NOT_YET(6, "false"),
     "the completions API with a chat template of our own"},
    {SG_SECTION_MODEL, "hf_chat_template_model_id", TEXT, "", NO_EFFECT, "only with `completions_api`"},
    {SG_SECTION_MODEL, "modify_tokenizer", BOOL, "false", NO_EFFECT, "only with `completions_api`"},
    {SG_SECTION_MODEL, "chat_template_params", ANY, "{}", NO_EFFECT, "only with `completions_api`"},
    {SG_SECTION_MODEL, "post_process", HOOK, "", WORKS, "gets the reply's text, gives another"},
    {SG_SECTION_MODEL, "input_type", TEXT, "text", NOT_YET(LATER, "text"), "audio in"},
    {SG_SECTION_MODEL, "output_type", TEXT, "text", NOT_YET(LATER, "text"), "audio or images out"},
    {SG_SECTION_MODEL, "backend", TEXT, "litellm", NO_EFFECT, "there is one back end"},
    {SG_SECTION_MODEL, "client_type", TEXT, "", NO_EFFECT, "there is one client"},
    {SG_SECTION_MODEL, "delay", NUMBER, "100", NO_EFFECT, "no attempt is delayed without need"},
    {SG_SECTION_MODEL, "max_retries", INT, "3", NO_EFFECT, "`retry_attempts` counts"},
    {SG_SECTION_MODEL, "stats_interval", INT, "10000", NO_EFFECT, "figures are in the closing summary"},
    {SG_SECTION_MODEL, "api_version", TEXT, "required for azure_openai", WORKS,
     "azure_openai: such as 2024-10-21; addresses that end in /openai/v1 need none"},
    {SG_SECTION_MODEL, "ssl_verify", BOOL, "true", WORKS, "https: false believes whoever answers"},
    {SG_SECTION_MODEL, "ssl_ca", TEXT, "the system's, or SSL_CERT_FILE and SSL_CERT_DIR", WORKS,
     "https: a file or folder of the only authorities to trust (PEM)"},
    {SG_SECTION_MODEL, "ssl_cert", TEXT, "", WORKS, "https: a file with this client's certificate and key (PEM)"},
    {SG_SECTION_MODEL, "follow_redirects", BOOL, "false", WORKS,
     "go where an answer of status 301, 302, 303, 307 or 308 points to; token and `extra_headers` are for the same origin only"},
    {SG_SECTION_MODEL, "http2", TEXT, "auto", WORKS,
     "`prior_knowledge`: speak HTTP/2 to http:// addresses; over https it is agreed on"},
    {SG_SECTION_MODEL, "headers", MAP, "{}", NO_EFFECT,
     "only for model types that are not built yet; see `extra_headers`"},
    {SG_SECTION_MODEL, "json_payload", BOOL, "false", NO_EFFECT, "requests are JSON"},
    {SG_SECTION_MODEL, "payload_key", TEXT, "default", NO_EFFECT, "only for triton"},
    {SG_SECTION_MODEL, "additional_params", ANY, "{}", NO_EFFECT, "only for claude_proxy"},
    {SG_SECTION_MODEL, "stop", ANY, "", NO_EFFECT, "has its place inside `parameters`"},
    {SG_SECTION_MODEL, "multi_modal", BOOL, "", NO_EFFECT, "a note"},
    {SG_SECTION_MODEL, "image_capabilities", ANY, "{}", NO_EFFECT, "only with output_type `image`"},
    {SG_SECTION_MODEL, "voice", ANY, "", NO_EFFECT, "only for speech"},
    {SG_SECTION_MODEL, "response_format", ANY, "", NO_EFFECT,
     "only for speech; for chat it has its place inside `parameters`"},
    {SG_SECTION_MODEL, "speed", ANY, "", NO_EFFECT, "only for speech"},
    {SG_SECTION_MODEL, "language", ANY, "", NO_EFFECT, "only for transcription"},
    {SG_SECTION_MODEL, "timestamp_granularities", ANY, "", NO_EFFECT, "only for transcription"},
    {SG_SECTION_MODEL, "aws_access_key_id", TEXT, "", NO_EFFECT, "only for bedrock"},
    {SG_SECTION_MODEL, "aws_secret_access_key", TEXT, "", NO_EFFECT, "only for bedrock"},
    {SG_SECTION_MODEL, "aws_region_name", TEXT, "", NO_EFFECT, "only for bedrock"},
    {SG_SECTION_MODEL, "vertex_project", TEXT, "", NO_EFFECT, "only for vertex_ai"},
    {SG_SECTION_MODEL, "vertex_location", TEXT, "", NO_EFFECT, "only for vertex_ai"},
    {SG_SECTION_MODEL, "vertex_credentials", ANY, "", NO_EFFECT, "only for vertex_ai"},

    {SG_SECTION_PARAMETERS, "temperature", NUMBER, "", WORKS, "any key may stand here; these are the usual ones"},
    {SG_SECTION_PARAMETERS, "max_tokens", INT, "", WORKS, "longest reply"},
    {SG_SECTION_PARAMETERS, "top_p", NUMBER, "", WORKS, "nucleus sampling"},
    {SG_SECTION_PARAMETERS, "top_k", INT, "", WORKS, "vllm, llama"},
    {SG_SECTION_PARAMETERS, "min_p", NUMBER, "", WORKS, "vllm, llama"},
    {SG_SECTION_PARAMETERS, "seed", INT, "", WORKS, "seed of the endpoint's draws"},
    {SG_SECTION_PARAMETERS, "frequency_penalty", NUMBER, "", WORKS, "against repetition"},
    {SG_SECTION_PARAMETERS, "presence_penalty", NUMBER, "", WORKS, "against repetition"},
    {SG_SECTION_PARAMETERS, "extra_body", MAP, "", WORKS, "its keys are laid over the request's"},

    {SG_SECTION_STRUCTURED, "schema", TEXT | MAP, "required", WORKS, "a pydantic class, module.Class, or a map with `fields`"},
    {SG_SECTION_STRUCTURED, "enabled", BOOL, "true", WORKS, "false: as if it were not there"},
    {SG_SECTION_STRUCTURED, "fallback_strategy", TEXT, "instruction", NO_EFFECT, "there is one"},
    {SG_SECTION_STRUCTURED, "retry_on_parse_error", BOOL, "true", NO_EFFECT, "none is retried"},
    {SG_SECTION_STRUCTURED, "max_parse_retries", INT, "2", NO_EFFECT, "none is retried"},
    {SG_SECTION_STRUCTURED_SCHEMA, "fields", MAP, "required", WORKS, "field of the reply to its map"},
    {SG_SECTION_STRUCTURED_SCHEMA, "name", TEXT, "DynamicModel", WORKS, "title of the schema"},
    {SG_SECTION_STRUCTURED_FIELD, "type", TEXT, "required", WORKS, "`str`, `int`, `float`, `bool`, `list` or `dict`"},
    {SG_SECTION_STRUCTURED_FIELD, "default", ANY, "", WORKS, "what the field is when the reply lacks it"},
    {SG_SECTION_STRUCTURED_FIELD, "description", TEXT, "", WORKS, "told to the model"},

    {SG_SECTION_PRICES, "date", TEXT, "required", WORKS, "when the prices held: 2026-11-28"},
    {SG_SECTION_PRICES, "source", TEXT, "", WORKS, "where they stand, for readers of the file"},
    {SG_SECTION_PRICES, "models", MAP, "required", WORKS, "a model's alias, or its name at the endpoint, to its price"},

    {SG_SECTION_PRICE, "input", NUMBER, "required", WORKS, "USD for 1,000,000 tokens of prompts"},
    {SG_SECTION_PRICE, "output", NUMBER, "required", WORKS, "USD for 1,000,000 tokens of replies"},
};

/* clang-format on */

const size_t sg_key_n_rows = sizeof sg_key_rows / sizeof *sg_key_rows;

const struct sg_key_row *sg_key_find(const char *section, struct sg_str key) {
    for (size_t i = 0; i < sg_key_n_rows; i++)
        if (strcmp(sg_key_rows[i].section, section) == 0 && sg_str_eq(sg_str(sg_key_rows[i].key), key))
            return &sg_key_rows[i];
    return NULL;
}

const struct sg_key_row *sg_key_find_anywhere(struct sg_str key) {
    for (size_t i = 0; i < sg_key_n_rows; i++)
        if (sg_str_eq(sg_str(sg_key_rows[i].key), key)) return &sg_key_rows[i];
    return NULL;
}

const char *sg_key_issue_name(int issue) {
    static const char *const names[] = {
        "",      "main job", "run folder", "first use", "runs that explain themselves", "Python and compatibility",
        "calls", "data",     "quality"};
    SG_ASSERT(issue > 0 && issue < SG_KEY_LATER);
    return names[issue];
}

/* --- kinds ------------------------------------------------------------------------------------------------------ */

static const struct {
    unsigned kind;
    const char *name;
} kind_names[] = {{TEXT, "text"}, {SG_KEY_NUMBER, "a number"}, {INT, "a whole number"}, {BOOL, "true or false"},
                  {MAP, "a map"}, {TEXTS, "a list of texts"},  {LIST, "a list"},        {HOOK, "a dotted path of Python code or {jq: \"...\"}"}};

struct sg_str sg_key_kinds_text(struct sg_arena *a, unsigned kinds) {
    struct sg_str out = SG_STR_NONE;
    if (kinds == ANY) return SG_STR("any value");
    if (kinds & SG_KEY_NUMBER) kinds &= ~(unsigned)INT; /* a number says it all */
    for (size_t i = 0; i < sizeof kind_names / sizeof *kind_names; i++) {
        if (!(kinds & kind_names[i].kind)) continue;
        kinds &= ~kind_names[i].kind;
        const char *joint = out.n == 0 ? "" : kinds ? ", " : " or ";
        out = sg_str_printf(a, "%.*s%s%s", SG_ARG(out), joint, kind_names[i].name);
    }
    return out;
}

static bool all_texts(const struct sg_yaml *list) {
    for (size_t i = 0; i < list->n; i++)
        if (list->items[i]->kind != SG_YAML_TEXT) return false;
    return true;
}

bool sg_key_kind_fits(unsigned kinds, const struct sg_yaml *value) {
    switch ((enum sg_yaml_kind)value->kind) {
    case SG_YAML_NULL:
        return true;
    case SG_YAML_BOOL:
        return kinds & BOOL;
    case SG_YAML_INT:
        return kinds & NUMBER;
    case SG_YAML_FLOAT:
        return kinds & SG_KEY_NUMBER;
    case SG_YAML_TEXT:
        return kinds & (TEXT | HOOK);
    case SG_YAML_LIST:
        return kinds & LIST || (kinds & TEXTS && all_texts(value));
    case SG_YAML_MAP:
        return kinds & (MAP | HOOK);
    }
    return false;
}

/* The value as it would stand in `harmless`; empty when it could not. */
static struct sg_str harmless_text(const struct sg_yaml *value) {
    const struct sg_yaml *enabled = sg_yaml_get(value, "enabled");
    if (enabled && enabled->kind == SG_YAML_BOOL && sg_str_eq(enabled->text, SG_STR("false")))
        return SG_STR("{enabled: false}");
    if (value->kind == SG_YAML_MAP) return value->n ? SG_STR_NONE : SG_STR("{}");
    if (value->kind == SG_YAML_LIST) return value->n ? SG_STR_NONE : SG_STR("[]");
    return value->text;
}

bool sg_key_is_harmless(const struct sg_key_row *row, const struct sg_yaml *value) {
    if (value->kind == SG_YAML_NULL) return true;
    struct sg_str list = sg_str(row->harmless), text = harmless_text(value);
    for (size_t at = 0; at < list.n && text.n; at = sg_str_find(list, '|', at) + 1) {
        size_t end = sg_str_find(list, '|', at);
        if (sg_str_eq((struct sg_str){list.p + at, end - at}, text)) return true;
    }
    return false;
}

/* --- the reference page ----------------------------------------------------------------------------------------- */

static void print_status(struct sg_buf *out, const struct sg_key_row *row) {
    switch (row->status) {
    case SG_KEY_WORKS:
        SG_BUF_LIT(out, "works");
        break;
    case SG_KEY_NOT_YET:
        if (row->issue == SG_KEY_LATER) SG_BUF_LIT(out, "not yet (later)");
        else sg_buf_printf(out, "not yet (issue %d)", row->issue);
        break;
    case SG_KEY_NO_EFFECT:
        SG_BUF_LIT(out, "accepted, no effect");
        break;
    case SG_KEY_REFUSED:
        SG_BUF_LIT(out, "refused");
        break;
    }
}

static void print_cell(struct sg_buf *out, struct sg_str text) {
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '|') sg_buf_ch(out, '\\');
        sg_buf_ch(out, text.p[i]);
    }
    SG_BUF_LIT(out, " | ");
}

void sg_config_reference(struct sg_buf *out) {
    const char *section = "";
    struct sg_arena a;
    sg_arena_init(&a, 0);
    SG_BUF_LIT(out, "# Keys of graph_config.yaml and models.yaml\n");
    for (size_t i = 0; i < sg_key_n_rows; i++) {
        const struct sg_key_row *row = &sg_key_rows[i];
        if (strcmp(section, row->section) != 0) {
            section = row->section;
            sg_buf_printf(
                out, "\n## %s\n\n| key | value | default | status | meaning |\n| --- | --- | --- | --- | --- |\n",
                section);
        }
        sg_buf_printf(out, "| `%s` | ", row->key);
        print_cell(out, sg_key_kinds_text(&a, row->kinds));
        print_cell(out, sg_str(row->fallback));
        print_status(out, row);
        SG_BUF_LIT(out, " | ");
        print_cell(out, sg_str(row->doc));
        out->n--; /* the blank behind the last bar */
        sg_buf_ch(out, '\n');
    }
    sg_arena_fini(&a);
}
