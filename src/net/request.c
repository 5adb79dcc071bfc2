/* SPDX-License-Identifier: Apache-2.0 */
/* request: the bytes of a request's head.
 *
 * Content-Length is the last line and its digits have a fixed width, padded on the left with blanks, which are optional white
 * space before a value (RFC 9110 5.5) and which, unlike leading zeros, no server takes for octal. So the body is appended
 * behind the head without being built elsewhere first. */
#include "net/net.h"

#define LENGTH_DIGITS 10
#define HEAD_END "\r\n\r\n"

/* "METHOD path HTTP/1.1", Host, and what every request says of us. */
static void start_head(struct sg_buf *out, struct sg_str method, const struct sg_url *url) {
    bool literal = sg_str_find(url->host, ':', 0) < url->host.n; /* IPv6 */
    sg_buf_str(out, method);
    sg_buf_ch(out, ' ');
    sg_buf_str(out, url->path);
    SG_BUF_LIT(out, " HTTP/1.1\r\nHost: ");
    if (literal) sg_buf_ch(out, '[');
    sg_buf_str(out, url->host);
    if (literal) sg_buf_ch(out, ']');
    if (url->port != (sg_url_is_https(url) ? 443 : 80)) {
        sg_buf_ch(out, ':');
        sg_buf_u64(out, url->port);
    }
    SG_BUF_LIT(out, "\r\nUser-Agent: sygra/" SYGRA_VERSION "\r\nAccept: application/json\r\n");
}

void sg_http_request_get(struct sg_buf *out, const struct sg_url *url, struct sg_str extra) {
    start_head(out, SG_STR("GET"), url);
    sg_buf_str(out, extra);
    SG_BUF_LIT(out, "\r\n");
}

size_t sg_http_request_head(struct sg_buf *out, const struct sg_url *url, struct sg_str extra) {
    start_head(out, SG_STR("POST"), url);
    SG_BUF_LIT(out, "Content-Type: application/json\r\n");
    sg_buf_str(out, extra);
    SG_BUF_LIT(out, "Content-Length: ");
    size_t mark = out->n;
    SG_BUF_LIT(out, "         0" HEAD_END);
    return mark;
}

void sg_http_request_end(struct sg_buf *out, size_t mark) {
    if (out->failed) return;
    size_t body = out->n - (mark + LENGTH_DIGITS + sizeof HEAD_END - 1);
    char *digit = out->p + mark + LENGTH_DIGITS;
    do *--digit = (char)('0' + body % 10);
    while ((body /= 10) > 0 && digit > out->p + mark);
    SG_ASSERT(body == 0);
}

bool sg_http_header_safe(struct sg_str value) {
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7F) return false;
    }
    return true;
}
