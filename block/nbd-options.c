/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The handshake of the NBD server: what clients ask before they choose an export. */
#include <string.h>

#include "block/nbd-connection.h"
#include "block/nbd-protocol.h"
#include "block/nbd-server.h"
#include "util/bytes.h"

#define HEADER      16  /* bytes of an option's */
#define REPLY       20  /* and of a reply's */
#define EXPORT_INFO 10  /* size and flags */
#define ZEROES      124 /* behind those, for old clients */
#define PREFERRED   4096

/* What came with an option, and is read from its beginning on. */
typedef struct Reader {
    const uint8_t *at;
    size_t left;
} Reader;

static void on_option(NbdConnection *c);

/* ---- contexts ---- */

static const char *const context_names[] = {
    [NBD_CONTEXT_ALLOCATION] = "base:allocation",
    [NBD_CONTEXT_DEPTH] = "qemu:allocation-depth",
};

/* NULL: @export has no such. */
static const char *context_name(const BlockExport *export, unsigned context)
{
    if (context >= NBD_CONTEXT_BITMAP) {
        context -= NBD_CONTEXT_BITMAP;
        return context < export->contexts->len ? export->contexts->pdata[context] : NULL;
    }
    return context != NBD_CONTEXT_DEPTH || export->depth ? context_names[context] : NULL;
}

/* Those of @export that @query, a name or (@list) the beginning of one up to a colon, means. */
static uint32_t match_contexts(const BlockExport *export, const char *query, bool list)
{
    bool begins = list && g_str_has_suffix(query, ":");
    uint32_t found = 0;

    for (unsigned i = 0; i < NBD_CONTEXT_MAX; i++) {
        const char *name = context_name(export, i);

        if (name && (strcmp(query, name) == 0 || (begins && g_str_has_prefix(name, query)))) {
            found |= UINT32_C(1) << i;
        }
    }
    return found;
}

/* ---- reading ---- */

static bool take_number(Reader *r, unsigned size, uint32_t *value)
{
    if (r->left < size) {
        return false;
    }
    *value = (uint32_t)bytes_get_be(r->at, size);
    r->at += size;
    r->left -= size;
    return true;
}

/* NULL: it is not there, or no name. g_free. */
static char *take_string(Reader *r, size_t len)
{
    char *text;

    if (len > NBD_MAX_STRING || len > r->left || memchr(r->at, 0, len)) {
        return NULL;
    }
    text = g_strndup((const char *)r->at, len);
    r->at += len;
    r->left -= len;
    return text;
}

static char *take_counted_string(Reader *r)
{
    uint32_t len;

    return take_number(r, 4, &len) ? take_string(r, len) : NULL;
}

/* ---- replies ---- */

static void reply(NbdConnection *c, uint32_t type, const void *data, size_t len)
{
    uint8_t *out = g_malloc(REPLY + len);

    bytes_put_be(out, NBD_REPLY_MAGIC, 8);
    bytes_put_be(out + 8, c->option_id, 4);
    bytes_put_be(out + 12, type, 4);
    bytes_put_be(out + 16, len, 4);
    if (len) {
        memcpy(out + REPLY, data, len);
    }
    nbd_connection_send(c, out, REPLY + len);
}

static void reply_error(NbdConnection *c, uint32_t type, const char *text)
{
    reply(c, type, text, strlen(text));
}

static uint16_t flags_of(const BlockExport *e)
{
    unsigned flags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
                     NBD_FLAG_SEND_DF | NBD_FLAG_SEND_CACHE;

    flags |= e->writable ? NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO
                         : NBD_FLAG_READ_ONLY;
    /* A flush is of the node, and so of what all connections have written. */
    flags |= nbd_server_max() > 1 ? NBD_FLAG_CAN_MULTI_CONN : 0;
    return (uint16_t)flags;
}

static void put_export(uint8_t out[EXPORT_INFO], NbdConnection *c, const BlockExport *e)
{
    c->size = e->size;
    bytes_put_be(out, c->size, 8);
    bytes_put_be(out + 8, flags_of(e), 2);
}

static void reply_info(NbdConnection *c, unsigned type, const void *data, size_t len)
{
    g_autofree uint8_t *out = g_malloc(2 + len);

    bytes_put_be(out, type, 2);
    if (len) {
        memcpy(out + 2, data, len);
    }
    reply(c, NBD_REP_INFO, out, 2 + len);
}

/* From here on the client may only use @e, whose reference this takes. */
static void enter(NbdConnection *c, BlockExport *e)
{
    if (c->contexts_of != e || !c->structured) {
        c->contexts = 0;
    }
    nbd_connection_enter(c, e);
}

/* ---- options ---- */

static void handle_abort(NbdConnection *c, Reader *r)
{
    reply(c, NBD_REP_ACK, NULL, 0);
    c->last = true;
}

static void handle_list(NbdConnection *c, Reader *r)
{
    g_autoptr(GPtrArray) list = block_export_list();

    if (r->left) {
        reply_error(c, NBD_REP_ERR_INVALID, "LIST has no data");
        return;
    }
    for (unsigned i = 0; i < list->len; i++) {
        const BlockExport *e = list->pdata[i];
        size_t name = strlen(e->name), text = e->description ? strlen(e->description) : 0;
        g_autofree uint8_t *out = g_malloc(4 + name + text);

        bytes_put_be(out, name, 4);
        memcpy(out + 4, e->name, name);
        memcpy(out + 4 + name, e->description ? e->description : "", text);
        reply(c, NBD_REP_SERVER, out, 4 + name + text);
    }
    reply(c, NBD_REP_ACK, NULL, 0);
}

static void handle_structured(NbdConnection *c, Reader *r)
{
    if (r->left) {
        reply_error(c, NBD_REP_ERR_INVALID, "STRUCTURED_REPLY has no data");
        return;
    }
    c->structured = true;
    reply(c, NBD_REP_ACK, NULL, 0);
}

/* The export that is meant, a reference; NULL: the client has an answer. */
static BlockExport *named_export(NbdConnection *c, const char *name)
{
    BlockExport *e = name ? block_export_get(name) : NULL;

    if (!name) {
        reply_error(c, NBD_REP_ERR_INVALID, "the name of the export is not there, or is no name");
    } else if (!e) {
        g_autofree char *text = g_strdup_printf("there is no export '%s' here", name);

        reply_error(c, NBD_REP_ERR_UNKNOWN, text);
    }
    return e;
}

static void send_infos(NbdConnection *c, const BlockExport *e, const uint8_t *wanted,
                       unsigned count)
{
    uint8_t sizes[12], export[EXPORT_INFO];
    unsigned sent = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned type = bytes_get_be16(wanted + 2 * i);

        if (type > NBD_INFO_BLOCK_SIZE || sent & 1u << type) {
            continue; /* once is enough, whoever asks again and again */
        }
        sent |= 1u << type;
        if (type == NBD_INFO_NAME) {
            reply_info(c, type, e->name, strlen(e->name));
        } else if (type == NBD_INFO_DESCRIPTION && e->description) {
            reply_info(c, type, e->description, strlen(e->description));
        } else if (type == NBD_INFO_BLOCK_SIZE) {
            bytes_put_be(sizes, 1, 4);
            bytes_put_be(sizes + 4, PREFERRED, 4);
            bytes_put_be(sizes + 8, NBD_MAX_PAYLOAD, 4);
            reply_info(c, type, sizes, sizeof(sizes));
        }
    }
    put_export(export, c, e);
    reply_info(c, NBD_INFO_EXPORT, export, sizeof(export));
    reply(c, NBD_REP_ACK, NULL, 0);
}

static void handle_info(NbdConnection *c, Reader *r)
{
    g_autofree char *name = take_counted_string(r);
    BlockExport *e;
    uint32_t count = 0;

    if (name && (!take_number(r, 2, &count) || r->left != 2 * (size_t)count)) {
        reply_error(c, NBD_REP_ERR_INVALID, "what information is wanted is not said well");
        return;
    }
    e = named_export(c, name);
    if (!e) {
        return;
    }
    if (c->option_id == NBD_OPT_GO) {
        enter(c, e);
    }
    send_infos(c, e, r->at, count);
    if (c->option_id != NBD_OPT_GO) {
        block_export_unref(e);
    }
}

static void reply_context(NbdConnection *c, uint32_t id, const char *name)
{
    size_t len = strlen(name);
    g_autofree uint8_t *out = g_malloc(4 + len);

    bytes_put_be(out, id, 4);
    memcpy(out + 4, name, len);
    reply(c, NBD_REP_META_CONTEXT, out, 4 + len);
}

/* The queries of a list of contexts; NULL: they are not said well. */
static GPtrArray *take_queries(Reader *r)
{
    g_autoptr(GPtrArray) queries = g_ptr_array_new_with_free_func(g_free);
    uint32_t count;

    if (!take_number(r, 4, &count)) {
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        char *query = take_counted_string(r);

        if (!query) {
            return NULL;
        }
        g_ptr_array_add(queries, query);
    }
    return g_steal_pointer(&queries);
}

/* LIST_META_CONTEXT, SET_META_CONTEXT. */
static void handle_contexts(NbdConnection *c, Reader *r)
{
    bool list = c->option_id == NBD_OPT_LIST_META_CONTEXT;
    g_autofree char *name = take_counted_string(r);
    g_autoptr(GPtrArray) queries = c->structured && name ? take_queries(r) : NULL;
    uint32_t found;
    BlockExport *e;

    if (!queries) {
        reply_error(c, NBD_REP_ERR_INVALID,
                    c->structured ? "the contexts are not said well"
                                  : "contexts go with structured replies");
        return;
    }
    e = named_export(c, name);
    if (!e) {
        return;
    }
    found = list && !queries->len ? UINT32_MAX : 0;
    for (unsigned i = 0; i < queries->len; i++) {
        found |= match_contexts(e, queries->pdata[i], list);
    }
    for (unsigned i = 0; i < NBD_CONTEXT_MAX; i++) {
        const char *context = found & UINT32_C(1) << i ? context_name(e, i) : NULL;

        if (context) {
            reply_context(c, list ? 0 : i + 1, context);
        }
    }
    if (!list) {
        g_clear_pointer(&c->contexts_of, block_export_unref);
        c->contexts_of = e;
        c->contexts = found;
    } else {
        block_export_unref(e);
    }
    reply(c, NBD_REP_ACK, NULL, 0);
}

/* The old way to choose one: there is no answer if that fails. */
static void handle_export_name(NbdConnection *c, Reader *r)
{
    g_autofree char *name = take_string(r, r->left);
    BlockExport *e = name ? block_export_get(name) : NULL;
    uint8_t *out;

    if (!e) {
        c->last = true;
        return;
    }
    out = g_malloc0(EXPORT_INFO + ZEROES);
    enter(c, e);
    put_export(out, c, e);
    nbd_connection_send(c, out, EXPORT_INFO + (c->no_zeroes ? 0 : ZEROES));
}

/* Nothing was agreed on before. */
static void handle_tls(NbdConnection *c, Reader *r)
{
    if (c->secure) {
        reply_error(c, NBD_REP_ERR_INVALID, "TLS is there already");
    } else if (!nbd_connection_needs_tls(c)) {
        reply_error(c, NBD_REP_ERR_POLICY, "there is no TLS here");
    } else if (r->left) {
        reply_error(c, NBD_REP_ERR_INVALID, "STARTTLS has no data");
    } else {
        reply(c, NBD_REP_ACK, NULL, 0);
        c->last = !nbd_connection_start_tls(c);
    }
}

typedef void Handler(NbdConnection *c, Reader *r);
static Handler *const handlers[] = {
    [NBD_OPT_EXPORT_NAME] = handle_export_name,
    [NBD_OPT_ABORT] = handle_abort,
    [NBD_OPT_LIST] = handle_list,
    [NBD_OPT_STARTTLS] = handle_tls,
    [NBD_OPT_INFO] = handle_info,
    [NBD_OPT_GO] = handle_info,
    [NBD_OPT_STRUCTURED_REPLY] = handle_structured,
    [NBD_OPT_LIST_META_CONTEXT] = handle_contexts,
    [NBD_OPT_SET_META_CONTEXT] = handle_contexts,
};

/* ---- steps ---- */

static void expect_option(NbdConnection *c)
{
    nbd_connection_expect(c, c->small, HEADER, on_option);
}

/* All of an option is there. */
static void handle(NbdConnection *c, const uint8_t *data, size_t len)
{
    Reader r = { data, len };
    Handler *handler = c->option_id < G_N_ELEMENTS(handlers) ? handlers[c->option_id] : NULL;

    if (nbd_connection_needs_tls(c) && c->option_id != NBD_OPT_STARTTLS &&
        c->option_id != NBD_OPT_ABORT) {
        c->last = c->option_id == NBD_OPT_EXPORT_NAME; /* which has no answer */
        if (!c->last) {
            reply_error(c, NBD_REP_ERR_TLS_REQD, "STARTTLS comes first");
        }
    } else if (handler) {
        handler(c, &r);
    } else {
        reply_error(c, NBD_REP_ERR_UNSUP, "this option is not known here");
    }
    if (!c->entered && !c->last) {
        expect_option(c);
    }
}

static void on_option_data(NbdConnection *c)
{
    g_autofree uint8_t *data = g_steal_pointer(&c->option);

    handle(c, data, c->have);
}

static void on_option(NbdConnection *c)
{
    uint32_t len = bytes_get_be32(c->small + 12);

    c->option_id = bytes_get_be32(c->small + 8);
    if (bytes_get_be64(c->small) != NBD_OPTION_MAGIC) {
        c->last = true;
    } else if (len > NBD_MAX_OPTION) {
        reply_error(c, NBD_REP_ERR_TOO_BIG, "this is more than any option here has");
        c->last = true;
    } else if (len) {
        c->option = g_malloc(len);
        nbd_connection_expect(c, c->option, len, on_option_data);
    } else {
        handle(c, NULL, 0);
    }
}

static void on_client_flags(NbdConnection *c)
{
    uint32_t flags = bytes_get_be32(c->small);

    c->no_zeroes = flags & NBD_FLAG_NO_ZEROES;
    if (flags & ~(uint32_t)(NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES)) {
        c->last = true;
    } else {
        expect_option(c);
    }
}

void nbd_options_begin(NbdConnection *c)
{
    uint8_t *out = g_malloc(18);

    bytes_put_be(out, NBD_MAGIC, 8);
    bytes_put_be(out + 8, NBD_OPTION_MAGIC, 8);
    bytes_put_be(out + 16, NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES, 2);
    nbd_connection_send(c, out, 18);
    nbd_connection_expect(c, c->small, 4, on_client_flags);
}
