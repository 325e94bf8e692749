/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/p9-messages.h"

#include <errno.h>
#include <string.h>

void begin(Test *t, uint8_t type)
{
    t->out = (P9Writer){ t->request, sizeof(t->request) };
    p9_put_u32(&t->out, 0);
    p9_put_u8(&t->out, type);
    p9_put_u16(&t->out, TAG);
}

/* Send @size bytes in pieces of @piece; the answer's type. */
uint8_t exchange(Test *t, size_t size, size_t piece)
{
    g_autoptr(GArray) out = g_array_new(FALSE, FALSE, sizeof(struct iovec));
    struct iovec in[2] = { { t->answer, 11 }, { t->answer + 11, sizeof(t->answer) - 11 } };
    uint8_t type;
    size_t len;

    for (size_t at = 0; at < size; at += piece) {
        struct iovec iov = { t->request + at, MIN(piece, size - at) };

        g_array_append_val(out, iov);
    }
    len = p9_server_handle(t->s, (struct iovec *)(void *)out->data, out->len, in, 2);
    t->in = (P9Reader){ t->answer, len };
    g_assert_cmpuint(p9_get_u32(&t->in), ==, len);
    type = p9_get_u8(&t->in);
    g_assert_cmpuint(p9_get_u16(&t->in), ==, TAG);
    return type;
}

/* The errno of the answer; 0: it is the right one. */
int call(Test *t)
{
    uint8_t type;
    P9Writer size = { t->request, 4 };

    p9_put_u32(&size, (uint32_t)t->out.used);
    type = exchange(t, t->out.used, 4096);
    if (type == P9_RLERROR) {
        return (int)p9_get_u32(&t->in);
    }
    g_assert_cmpuint(type, ==, t->request[4] + 1);
    return 0;
}

int version(Test *t, uint32_t msize, const char *text)
{
    begin(t, P9_TVERSION);
    p9_put_u32(&t->out, msize);
    p9_put_string(&t->out, text);
    return call(t);
}

int attach(Test *t, uint32_t fid, uint32_t uid)
{
    begin(t, P9_TATTACH);
    p9_put_u32(&t->out, fid);
    p9_put_u32(&t->out, NOFID);
    p9_put_string(&t->out, "user");
    p9_put_string(&t->out, "");
    p9_put_u32(&t->out, uid);
    return call(t);
}

/* By the names in @path, with one slash between them; how many were there is @t->in's next. */
int walk(Test *t, uint32_t fid, uint32_t to, const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);

    begin(t, P9_TWALK);
    p9_put_u32(&t->out, fid);
    p9_put_u32(&t->out, to);
    p9_put_u16(&t->out, (uint16_t)g_strv_length(names));
    for (unsigned i = 0; names[i]; i++) {
        p9_put_string(&t->out, names[i]);
    }
    return call(t);
}

int by_fid(Test *t, uint8_t type, uint32_t fid)
{
    begin(t, type);
    p9_put_u32(&t->out, fid);
    return call(t);
}

int clunk(Test *t, uint32_t fid)
{
    return by_fid(t, P9_TCLUNK, fid);
}

int lopen(Test *t, uint32_t fid, int flags)
{
    begin(t, P9_TLOPEN);
    p9_put_u32(&t->out, fid);
    p9_put_u32(&t->out, (uint32_t)flags);
    return call(t);
}

int lcreate(Test *t, uint32_t fid, const char *name, int flags, uint32_t mode)
{
    begin(t, P9_TLCREATE);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_u32(&t->out, (uint32_t)flags);
    p9_put_u32(&t->out, mode);
    p9_put_u32(&t->out, getgid());
    return call(t);
}

int mkdir9(Test *t, uint32_t fid, const char *name, uint32_t mode)
{
    begin(t, P9_TMKDIR);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_u32(&t->out, mode);
    p9_put_u32(&t->out, getgid());
    return call(t);
}

int mknod9(Test *t, uint32_t fid, const char *name, uint32_t mode)
{
    begin(t, P9_TMKNOD);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_u32(&t->out, mode);
    p9_put_u32(&t->out, 4);
    p9_put_u32(&t->out, 64);
    p9_put_u32(&t->out, getgid());
    return call(t);
}

int symlink9(Test *t, uint32_t fid, const char *name, const char *target)
{
    begin(t, P9_TSYMLINK);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_string(&t->out, target);
    p9_put_u32(&t->out, getgid());
    return call(t);
}

int renameat9(Test *t, uint32_t from, const char *name, uint32_t to, const char *new_name)
{
    begin(t, P9_TRENAMEAT);
    p9_put_u32(&t->out, from);
    p9_put_string(&t->out, name);
    p9_put_u32(&t->out, to);
    p9_put_string(&t->out, new_name);
    return call(t);
}

int unlinkat9(Test *t, uint32_t fid, const char *name, uint32_t flags)
{
    begin(t, P9_TUNLINKAT);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_u32(&t->out, flags);
    return call(t);
}

int write9(Test *t, uint32_t fid, uint64_t offset, const char *text)
{
    begin(t, P9_TWRITE);
    p9_put_u32(&t->out, fid);
    p9_put_u64(&t->out, offset);
    p9_put_u32(&t->out, (uint32_t)strlen(text));
    memcpy(t->out.data + t->out.used, text, strlen(text));
    t->out.used += strlen(text);
    return call(t);
}

int read9(Test *t, uint32_t fid, uint64_t offset, uint32_t count)
{
    begin(t, P9_TREAD);
    p9_put_u32(&t->out, fid);
    p9_put_u64(&t->out, offset);
    p9_put_u32(&t->out, count);
    return call(t);
}

void assert_reads(Test *t, uint32_t fid, uint64_t offset, const char *text)
{
    g_assert_cmpint(read9(t, fid, offset, 4096), ==, 0);
    uint32_t count = p9_get_u32(&t->in);

    g_assert_cmpmem(t->in.data, t->in.left, text, strlen(text));
    g_assert_cmpuint(count, ==, strlen(text));
}

Attributes getattr(Test *t, uint32_t fid)
{
    Attributes a;

    begin(t, P9_TGETATTR);
    p9_put_u32(&t->out, fid);
    p9_put_u64(&t->out, 0x7ff);
    g_assert_cmpint(call(t), ==, 0);
    g_assert_cmphex(p9_get_u64(&t->in), ==, 0x7ff);
    a.qid.type = p9_get_u8(&t->in);
    a.qid.version = p9_get_u32(&t->in);
    a.qid.path = p9_get_u64(&t->in);
    a.mode = p9_get_u32(&t->in);
    a.uid = p9_get_u32(&t->in);
    a.gid = p9_get_u32(&t->in);
    a.nlink = p9_get_u64(&t->in);
    a.rdev = p9_get_u64(&t->in);
    a.size = p9_get_u64(&t->in);
    g_assert_cmpuint(t->in.left, ==, 96);
    return a;
}

int setattr(Test *t, uint32_t fid, uint32_t valid, uint32_t mode, uint32_t id, uint64_t size)
{
    begin(t, P9_TSETATTR);
    p9_put_u32(&t->out, fid);
    p9_put_u32(&t->out, valid);
    p9_put_u32(&t->out, mode);
    p9_put_u32(&t->out, id);
    p9_put_u32(&t->out, id + 1);
    p9_put_u64(&t->out, size);
    for (unsigned i = 0; i < 2; i++) {
        p9_put_u64(&t->out, 1000 + i);
        p9_put_u64(&t->out, 5);
    }
    return call(t);
}

int lock9(Test *t, uint8_t type, uint32_t fid, uint8_t kind, uint64_t start, uint64_t len,
          uint32_t process)
{
    begin(t, type);
    p9_put_u32(&t->out, fid);
    p9_put_u8(&t->out, kind);
    if (type == P9_TLOCK) {
        p9_put_u32(&t->out, 0);
    }
    p9_put_u64(&t->out, start);
    p9_put_u64(&t->out, len);
    p9_put_u32(&t->out, process);
    p9_put_string(&t->out, "guest");
    g_assert_cmpint(call(t), ==, 0);
    return p9_get_u8(&t->in);
}

int xattrwalk(Test *t, uint32_t fid, uint32_t to, const char *name)
{
    begin(t, P9_TXATTRWALK);
    p9_put_u32(&t->out, fid);
    p9_put_u32(&t->out, to);
    p9_put_string(&t->out, name);
    return call(t);
}

int xattrcreate(Test *t, uint32_t fid, const char *name, uint64_t size)
{
    begin(t, P9_TXATTRCREATE);
    p9_put_u32(&t->out, fid);
    p9_put_string(&t->out, name);
    p9_put_u64(&t->out, size);
    p9_put_u32(&t->out, 0);
    return call(t);
}
