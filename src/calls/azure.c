/* SPDX-License-Identifier: Apache-2.0 */
/* Chat completions as Azure OpenAI serves them. The bodies are OpenAI's; what differs is
 *
 * the address:   https://NAME.openai.azure.com[/openai]                     the usual one; the deployment is `model`
 *                .../openai/deployments/DEPLOYMENT[/chat/completions]       as the portal shows it; its deployment counts
 *                .../openai/v1                                              the API without versions
 *                (of the first two the request goes to
 *                .../openai/deployments/DEPLOYMENT/chat/completions?api-version=VERSION)
 * the token:     header api-key
 * the filter:    a prompt that it refuses is a status of 400; an answer that it cut has the finish reason content_filter,
 *                and no other attempt makes it whole. */
#include "calls/provider.h"

#define DEPLOYMENTS "/openai/deployments/"

/* RFC 3986: what may stand in a segment of a path as it is. */
static struct sg_str path_segment(struct sg_arena *a, struct sg_str s) {
    struct sg_buf b = SG_BUF_INIT(3 * s.n + 1);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr("-._~", c));
        if (plain) sg_buf_ch(&b, (char)c);
        else sg_buf_printf(&b, "%%%02X", c);
    }
    struct sg_str out = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return out;
}

static struct sg_str without_end(struct sg_str s, struct sg_str end) {
    return sg_str_ends(s, end) ? (struct sg_str){s.p, s.n - end.n} : s;
}

/* No version: the API without versions. */
static struct sg_str url(struct sg_arena *a, const struct sg_model_spec *m, size_t i) {
    struct sg_str base = m->urls[i], version = m->api_versions[i];
    while (base.n && base.p[base.n - 1] == '/') base.n--;
    base = without_end(base, SG_STR("/chat/completions"));
    if (!version.n) return sg_str_join(a, base, SG_STR("/chat/completions"));
    if (!memmem(base.p, base.n, DEPLOYMENTS, sizeof DEPLOYMENTS - 1)) {
        base = without_end(base, SG_STR("/openai"));
        base = sg_str_printf(a, "%.*s" DEPLOYMENTS "%.*s", SG_ARG(base), SG_ARG(path_segment(a, m->wire_name)));
    }
    return sg_str_printf(a, "%.*s/chat/completions?api-version=%.*s", SG_ARG(base), SG_ARG(version));
}

static void headers(struct sg_buf *out, const struct sg_model_spec *m, struct sg_str token) {
    (void)m;
    if (token.n) sg_buf_printf(out, "api-key: %.*s\r\n", SG_ARG(token));
}

static void encode(struct sg_buf *out, const struct sg_model_spec *m, const struct sg_request *r) {
    sg_provider_openai.encode(out, m, r);
}

static int decode(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str body,
                  struct sg_completion *out, struct sg_err *err) {
    int rc = sg_provider_openai.decode(scratch, m, body, out, err);
    if (rc != 0 || !sg_str_eq(out->finish_reason, SG_STR("content_filter"))) return rc;
    struct sg_json reply;
    sg_json_parse(scratch, body, &reply, NULL, NULL); /* it was read once already */
    const struct sg_json *choice = &sg_json_get(&reply, SG_STR("choices"))->items[0];
    struct sg_str found = sg_filtered_text(scratch, sg_json_get(choice, SG_STR("content_filter_results")));
    return sg_fail(err, SG_E_STATUS, "the content filter cut the answer%s%.*s%s", found.n ? " (" : "", SG_ARG(found),
                   found.n ? ")" : "");
}

const struct sg_provider sg_provider_azure = {
    .name = "azure_openai", .url = url, .headers = headers, .encode = encode, .decode = decode};
