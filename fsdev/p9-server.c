/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages come and go; those that begin and end the work with files. */
#include "fsdev/p9-server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "block/iov.h"
#include "fsdev/p9-internal.h"
#include "util/error.h"

#define VERSION     "9P2000.L"
#define MIN_BUDGET  16
#define MAX_BUDGET  16384
#define WRITE_BYTES 16 /* fid[4] offset[8] count[4] in front of the data of a Twrite */

/* ---- session ---- */

int p9_version(P9Call *call)
{
    P9Server *s = call->s;
    uint32_t msize = p9_get_u32(&call->in);
    g_autofree char *version = p9_get_string(&call->in);

    if (call->in.bad) {
        return EINVAL;
    }
    if (msize < P9_MIN_MSIZE) {
        return EMSGSIZE;
    }
    p9_fids_clear(s);
    s->msize = strcmp(version, VERSION) == 0 ? MIN(msize, P9_MAX_MSIZE) : 0;
    p9_put_u32(&call->out, MIN(msize, P9_MAX_MSIZE));
    p9_put_string(&call->out, s->msize ? VERSION : "unknown");
    return 0;
}

int p9_auth(P9Call *call)
{
    return EOPNOTSUPP;
}

int p9_attach(P9Call *call)
{
    P9Server *s = call->s;
    uint32_t fid = p9_get_u32(&call->in), auth = p9_get_u32(&call->in), uid;
    g_autofree char *user = p9_get_string(&call->in), *tree = p9_get_string(&call->in);
    struct stat st;
    P9Qid qid;
    int err;

    uid = p9_get_u32(&call->in);
    if (call->in.bad || auth != P9_NO_FID) {
        return EINVAL;
    }
    err = p9_fid_check_new(s, fid);
    if (err) {
        return err;
    }
    err = -local_stat(s->dev, &(LocalPlace){ s->root->fd, -1, "" }, &st);
    if (err || (err = p9_qid_make(s, &st, &qid))) {
        return err;
    }
    p9_fid_add(s, fid, p9_node_ref(s->root), uid);
    p9_put_qid(&call->out, &qid);
    return 0;
}

/* Everything that came before was answered. */
int p9_flush(P9Call *call)
{
    p9_get_u16(&call->in);
    return call->in.bad ? EINVAL : 0;
}

int p9_clunk(P9Call *call)
{
    uint32_t number = p9_get_u32(&call->in);
    P9Fid *fid = call->in.bad ? NULL : p9_fid_find(call->s, number);
    int err = 0;

    if (!fid) {
        return EBADF;
    }
    if (fid->kind == P9_FID_XATTR_WRITE) {
        err = p9_xattr_clunk(call->s, fid);
    }
    p9_fid_remove(call->s, number);
    return err;
}

/* ---- messages ---- */

static const struct Message {
    P9Handler *handle;
    bool early; /* before there was a Tversion, too */
} messages[UINT8_MAX + 1] = {
    [P9_TSTATFS] = { p9_statfs },
    [P9_TLOPEN] = { p9_lopen },
    [P9_TLCREATE] = { p9_lcreate },
    [P9_TSYMLINK] = { p9_symlink },
    [P9_TMKNOD] = { p9_mknod },
    [P9_TRENAME] = { p9_rename },
    [P9_TREADLINK] = { p9_readlink },
    [P9_TGETATTR] = { p9_getattr },
    [P9_TSETATTR] = { p9_setattr },
    [P9_TXATTRWALK] = { p9_xattrwalk },
    [P9_TXATTRCREATE] = { p9_xattrcreate },
    [P9_TREADDIR] = { p9_readdir },
    [P9_TFSYNC] = { p9_fsync },
    [P9_TLOCK] = { p9_lock },
    [P9_TGETLOCK] = { p9_getlock },
    [P9_TLINK] = { p9_link },
    [P9_TMKDIR] = { p9_mkdir },
    [P9_TRENAMEAT] = { p9_renameat },
    [P9_TUNLINKAT] = { p9_unlinkat },
    [P9_TVERSION] = { p9_version, .early = true },
    [P9_TAUTH] = { p9_auth },
    [P9_TATTACH] = { p9_attach },
    [P9_TFLUSH] = { p9_flush, .early = true },
    [P9_TWALK] = { p9_walk },
    [P9_TREAD] = { p9_read },
    [P9_TWRITE] = { p9_write },
    [P9_TCLUNK] = { p9_clunk },
    [P9_TREMOVE] = { p9_remove },
};

/* What of the message is copied, for others may change it meanwhile. */
static size_t copied_bytes(uint8_t type, size_t body)
{
    return type == P9_TWRITE ? MIN(body, WRITE_BYTES) : body;
}

static int carry_out(P9Call *call, uint8_t type, size_t size, size_t out_size)
{
    P9Server *s = call->s;
    const struct Message *message = &messages[type];
    size_t limit = s->msize ? s->msize : P9_MIN_MSIZE;

    if (!message->handle) {
        return EOPNOTSUPP;
    }
    if (!s->msize && !message->early) {
        return EPROTO;
    }
    if (size < P9_HEADER_BYTES || size > out_size) {
        return EINVAL;
    }
    if (size > limit) {
        return EMSGSIZE;
    }
    call->in.left = copied_bytes(type, size - P9_HEADER_BYTES);
    iov_to_buf(call->out_iov, call->out_count, P9_HEADER_BYTES, s->request, call->in.left);
    return message->handle(call);
}

/* All or nothing of the answer. */
static size_t finish(P9Call *call, uint8_t type, uint16_t tag, int err)
{
    P9Writer *out = &call->out;
    size_t used;

    if (!err && (out->full || out->used + call->direct > call->in_size)) {
        err = EMSGSIZE;
    }
    used = err ? P9_ERROR_BYTES : out->used;
    *out = (P9Writer){ call->s->answer, P9_MAX_MSIZE };
    p9_put_u32(out, (uint32_t)(used + (err ? 0 : call->direct)));
    p9_put_u8(out, err ? P9_RLERROR : type + 1);
    p9_put_u16(out, tag);
    if (err) {
        p9_put_u32(out, (uint32_t)err);
    }
    iov_from_buf(call->in_iov, call->in_count, 0, out->data, used);
    return used + (err ? 0 : call->direct);
}

size_t p9_server_handle(P9Server *s, const struct iovec *out, unsigned out_count,
                        const struct iovec *in, unsigned in_count)
{
    g_autofree struct iovec *pieces = g_new(struct iovec, MAX(out_count, in_count));
    uint8_t bytes[P9_HEADER_BYTES];
    P9Reader header = { bytes, sizeof(bytes) };
    P9Call call = {
        .s = s,
        .in.data = s->request,
        .out_iov = out,
        .in_iov = in,
        .out_count = out_count,
        .in_count = in_count,
        .out_size = iov_size(out, out_count),
        .in_size = iov_size(in, in_count),
        .pieces = pieces,
    };
    uint32_t size;
    uint16_t tag;
    uint8_t type;

    iov_to_buf(out, out_count, 0, bytes, sizeof(bytes));
    size = p9_get_u32(&header);
    type = p9_get_u8(&header);
    tag = p9_get_u16(&header);
    call.out = (P9Writer){ s->answer, MIN(call.in_size, s->msize ? s->msize : P9_MIN_MSIZE),
                           P9_HEADER_BYTES };
    return finish(&call, type, tag, carry_out(&call, type, size, call.out_size));
}

/* ---- life ---- */

/* Descriptors are the program's: other parts need some, too. */
static unsigned default_budget(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return MIN_BUDGET;
    }
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
            getrlimit(RLIMIT_NOFILE, &limit);
        }
    }
    return (unsigned)CLAMP(limit.rlim_cur / 16, MIN_BUDGET, MAX_BUDGET);
}

P9Server *p9_server_new(const FsDev *dev, GError **errp)
{
    P9Server *s;
    int fd = fcntl(dev->root, F_DUPFD_CLOEXEC, 0);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "the folder of -fsdev %s cannot be opened again", dev->id);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    s = g_new0(P9Server, 1);
    s->dev = dev;
    s->fids = g_hash_table_new(NULL, NULL);
    s->locks = p9_locks_new();
    s->qids = p9_qids_new();
    s->request = g_malloc(P9_MAX_MSIZE);
    s->answer = g_malloc(P9_MAX_MSIZE);
    s->budget = default_budget();
    g_queue_init(&s->nodes);
    s->root = p9_node_new(s, NULL, "", fd, &st);
    return s;
}

void p9_server_set_budget(P9Server *s, unsigned descriptors)
{
    s->budget = MAX(descriptors, MIN_BUDGET);
}

bool p9_server_mounted(const P9Server *s)
{
    return g_atomic_int_get(&s->mounted) > 0;
}

void p9_server_reset(P9Server *s)
{
    p9_fids_clear(s);
    s->msize = 0;
}

void p9_server_free(P9Server *s)
{
    if (!s) {
        return;
    }
    p9_server_reset(s);
    p9_node_unref(s, s->root);
    g_hash_table_unref(s->fids);
    p9_locks_free(s->locks);
    p9_qids_free(s->qids);
    g_free(s->request);
    g_free(s->answer);
    g_free(s);
}
