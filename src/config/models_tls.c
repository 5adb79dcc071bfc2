/* SPDX-License-Identifier: Apache-2.0 */
/* What a model says of TLS, and the environment's SSL_CERT_FILE and SSL_CERT_DIR, which count for all models: as in Python's
 * libraries they stand in place of the system's authorities, and `ssl_ca` in place of them.
 *
 * Only that the files are there is looked at: they are read when the run begins. */
#include "config/locate.h"
#include "config/models.h"

/* Redirects may lead to https, and a proxy may be asked over it. */
static bool needs_trust(const struct sg_model_spec *s) {
    for (size_t i = 0; i < s->n_urls; i++) {
        const struct sg_proxy *p = s->route.via[i];
        if (sg_str_starts(s->urls[i], SG_STR("https://")) || (p && sg_str_starts(p->shown, SG_STR("https://")))) return true;
    }
    return s->route.follow_redirects;
}

static struct sg_mark mark_of(const struct sg_yaml *value, const struct sg_model_spec *s) {
    return value->mark.line ? value->mark : s->mark;
}

/* "None" is the reference's word for none. */
static struct sg_str file_of(struct sg_cfg *c, const struct sg_yaml *merged, const char *key, bool or_folder,
                             const struct sg_model_spec *s, struct sg_str path) {
    struct sg_str file = SG_STR_NONE;
    if (!sg_cfg_text(merged, key, &file) || file.n == 0 || sg_str_eq(file, SG_STR("None"))) return SG_STR_NONE;
    return sg_cfg_path(c, file, or_folder, mark_of(sg_yaml_get(merged, key), s), sg_cfg_key(c, path, sg_str(key)));
}

static struct sg_str from_environment(struct sg_cfg *c, const char *name, const struct sg_model_spec *s) {
    const struct sg_env_var *v = sg_env_find(&c->env, sg_str(name));
    struct sg_file_info info;
    if (!v || v->value.n == 0) return SG_STR_NONE;
    struct sg_str path = sg_str_dup(c->a, v->value);
    if (sg_os->stat(path.p, &info) != 0)
        sg_error_at(c->d, s->mark, SG_STR_NONE, "name the certificates of the authorities to trust, or take the variable away",
                    "%s, from %s, names %s, which is not there", name, sg_env_place(v), path.p);
    sg_cfg_origin(c, "model %.*s: authorities from %s (%s) = %s", SG_ARG(s->alias), sg_env_place(v), name, path.p);
    return path;
}

static bool is_unchecked(struct sg_cfg *c, const struct sg_yaml *merged, const struct sg_model_spec *s, struct sg_str path) {
    const struct sg_yaml *v = sg_cfg_get(merged, "ssl_verify", SG_YAML_BOOL);
    if (!v || sg_str_eq(v->text, SG_STR("true"))) return false;
    sg_warning_at(c->d, mark_of(v, s), sg_cfg_key(c, path, SG_STR("ssl_verify")),
                  "name the certificate of the server or its authority in `ssl_ca`, and nobody can come between",
                  "model `%.*s` believes whoever answers: who sits on the way can read its token and change its replies",
                  SG_ARG(s->alias));
    return true;
}

void sg_models_set_tls(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_model_spec *s, struct sg_str path) {
    struct sg_tls_spec *t = &s->tls;
    if (!needs_trust(s)) return;
    t->unchecked = is_unchecked(c, merged, s, path);
    t->ca = file_of(c, merged, "ssl_ca", true, s, path);
    t->cert = file_of(c, merged, "ssl_cert", false, s, path);
    if (t->unchecked || t->ca.n) return;
    t->system_file = from_environment(c, "SSL_CERT_FILE", s);
    t->system_dir = from_environment(c, "SSL_CERT_DIR", s);
}
