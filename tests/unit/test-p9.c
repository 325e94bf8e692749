/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The 9P server, message by message, for a client that knows no manners. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fsdev/fsdev.h"
#include "tests/unit/p9-messages.h"

/* ---- a folder ---- */

static void run(const char *command, const char *path)
{
    g_autofree char *line = g_strdup_printf("%s '%s'", command, path);

    g_assert_cmpint(system(line), ==, 0);
}

static char *host_path(const Test *t, const char *name)
{
    return g_build_filename(t->folder, name, NULL);
}

static void host_write(const Test *t, const char *name, const char *text)
{
    g_autofree char *path = host_path(t, name);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

static char *host_read(const Test *t, const char *name)
{
    g_autofree char *path = host_path(t, name);
    char *text = NULL;

    g_file_get_contents(path, &text, NULL, NULL);
    return text;
}

/* A client that has attached fid 0; beside its folder is a file "secret". */
static Test *start(const char *options)
{
    Test *t = g_new0(Test, 1);
    g_autofree char *secret = NULL, *all = NULL;

    t->base = g_dir_make_tmp("p9-XXXXXX", NULL);
    t->folder = g_build_filename(t->base, "shared", NULL);
    g_assert_cmpint(g_mkdir(t->folder, 0755), ==, 0);
    secret = g_build_filename(t->base, "secret", NULL);
    g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
    all = g_strdup_printf("local,id=f,path=%s,%s", t->folder, options);
    g_autoptr(FsdevOptions) parsed = qapi_from_option(&FsdevOptions_type, all, "fsdriver", NULL);
    g_assert_nonnull(parsed);
    FsDev *dev = fsdev_add(parsed, NULL);
    if (!dev) {
        return t;
    }
    t->s = p9_server_new(dev, NULL);
    g_assert_nonnull(t->s);
    g_assert_cmpint(version(t, MSIZE, "9P2000.L"), ==, 0);
    g_assert_cmpuint(p9_get_u32(&t->in), ==, MSIZE);
    g_assert_cmpint(attach(t, 0, getuid()), ==, 0);
    return t;
}

static void quit(Test *t)
{
    p9_server_free(t->s);
    fsdev_remove_all();
    run("chmod -R u+rwX", t->base);
    run("rm -r", t->base);
    g_free(t->base);
    g_free(t->folder);
    g_free(t);
}

#define PASS "security_model=passthrough"
static const char *const models[] = { PASS, "security_model=none", "security_model=mapped-xattr",
                                      "security_model=mapped-file" };

static void for_models(void (*test)(Test *t))
{
    for (unsigned i = 0; i < G_N_ELEMENTS(models); i++) {
        Test *t = start(models[i]);

        if (t->s) {
            test(t);
        } else {
            g_test_message("%s: not on this file system", models[i]);
        }
        quit(t);
    }
}

/* ---- tests ---- */

static void test_session(void)
{
    Test *t = start(PASS);

    g_assert_true(p9_server_mounted(t->s));
    g_assert_cmpint(attach(t, 0, 0), ==, EBADF);
    g_assert_cmpint(attach(t, NOFID, 0), ==, EBADF);
    g_assert_cmpint(clunk(t, 1), ==, EBADF);
    g_assert_cmpint(clunk(t, 0), ==, 0);
    g_assert_false(p9_server_mounted(t->s));
    g_assert_cmpint(attach(t, 5, 0), ==, 0);
    g_assert_cmpint(version(t, 100, "9P2000.L"), ==, EMSGSIZE);
    g_assert_true(p9_server_mounted(t->s));
    g_assert_cmpint(version(t, 1u << 30, "9P2000.L"), ==, 0);
    g_assert_cmpuint(p9_get_u32(&t->in), ==, P9_MAX_MSIZE);
    g_assert_false(p9_server_mounted(t->s));
    g_assert_cmpint(version(t, MSIZE, "9P2000"), ==, 0);
    p9_get_u32(&t->in);
    g_autofree char *answer = p9_get_string(&t->in);
    g_assert_cmpstr(answer, ==, "unknown");
    g_assert_cmpint(attach(t, 0, 0), ==, EPROTO);
    p9_server_reset(t->s);
    g_assert_cmpint(attach(t, 0, 0), ==, EPROTO);
    begin(t, P9_TFLUSH);
    p9_put_u16(&t->out, 3);
    g_assert_cmpint(call(t), ==, 0);
    begin(t, P9_TAUTH);
    g_assert_cmpint(call(t), ==, EPROTO);
    quit(t);
}

static void check_files(Test *t)
{
    Attributes a;

    g_assert_cmpint(walk(t, 0, 1, "f"), ==, ENOENT);
    g_assert_cmpint(walk(t, 0, 1, "f") | clunk(t, 1), !=, 0);
    begin(t, P9_TWALK);
    p9_put_u32(&t->out, 0);
    p9_put_u32(&t->out, 1);
    p9_put_u16(&t->out, 0);
    g_assert_cmpint(call(t), ==, 0);
    g_assert_cmpint(lcreate(t, 1, "f", O_RDWR, 0640), ==, 0);
    g_assert_cmpint(write9(t, 1, 0, "hello world"), ==, 0);
    g_assert_cmpuint(p9_get_u32(&t->in), ==, 11);
    assert_reads(t, 1, 6, "world");
    assert_reads(t, 1, 100, "");
    a = getattr(t, 1);
    g_assert_cmphex(a.mode, ==, S_IFREG | 0640);
    g_assert_cmpuint(a.uid, ==, getuid());
    g_assert_cmpuint(a.size, ==, 11);
    g_assert_cmpint(setattr(t, 1, SET_MODE | SET_SIZE | SET_MTIME, 0600, 0, 5), ==, 0);
    g_assert_cmphex(getattr(t, 1).mode, ==, S_IFREG | 0600);
    assert_reads(t, 1, 0, "hello");
    begin(t, P9_TFSYNC);
    p9_put_u32(&t->out, 1);
    p9_put_u32(&t->out, 1);
    g_assert_cmpint(call(t), ==, 0);
    g_assert_cmpint(lopen(t, 1, O_RDONLY), ==, EBADF);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(read9(t, 2, 0, 1), ==, EBADF);
    g_assert_cmpint(lopen(t, 2, O_RDONLY), ==, 0);
    g_assert_cmpint(write9(t, 2, 0, "x"), ==, EBADF);
    g_assert_cmpint(read9(t, 2, UINT64_MAX, 1), ==, EINVAL);
    g_assert_cmpint(read9(t, 2, 0, MSIZE), ==, EMSGSIZE);
    g_assert_cmpint(read9(t, 2, 0, UINT32_MAX), ==, EMSGSIZE);
    g_assert_cmpint(unlinkat9(t, 0, "f", 0), ==, 0);
    assert_reads(t, 2, 0, "hello"); /* open, though it has no name any more */
    g_assert_cmpint(walk(t, 0, 3, "f"), ==, ENOENT);
    g_assert_cmpint(clunk(t, 1), ==, 0);
    g_assert_cmpint(clunk(t, 2), ==, 0);
}

static void test_files(void)
{
    for_models(check_files);
}

static void check_names(Test *t)
{
    g_assert_cmpint(mkdir9(t, 0, "d", 0755), ==, 0);
    g_assert_cmpint(mkdir9(t, 0, "d", 0755), ==, EEXIST);
    g_assert_cmpint(walk(t, 0, 1, "d"), ==, 0);
    g_assert_cmphex(getattr(t, 1).mode, ==, S_IFDIR | 0755);
    g_assert_cmpint(mkdir9(t, 1, "e", 0700), ==, 0);
    g_assert_cmpint(walk(t, 0, 2, "d/e"), ==, 0);
    g_assert_cmpint(lcreate(t, 2, "f", O_WRONLY, 0644), ==, 0);
    g_assert_cmpint(clunk(t, 2), ==, 0);
    g_assert_cmpint(unlinkat9(t, 0, "d", AT_REMOVEDIR), ==, ENOTEMPTY);
    g_assert_cmpint(unlinkat9(t, 0, "d", 0), ==, EISDIR);
    g_assert_cmpint(symlink9(t, 1, "l", "../../secret"), ==, 0);
    g_assert_cmpint(walk(t, 1, 3, "l"), ==, 0);
    g_assert_cmphex(getattr(t, 3).mode, ==, S_IFLNK | 0777);
    g_assert_cmpuint(getattr(t, 3).qid.type, ==, P9_QID_SYMLINK);
    g_assert_cmpint(by_fid(t, P9_TREADLINK, 3), ==, 0);
    g_autofree char *target = p9_get_string(&t->in);
    g_assert_cmpstr(target, ==, "../../secret");
    g_assert_cmpint(by_fid(t, P9_TREADLINK, 1), ==, EINVAL);
    g_assert_cmpint(mknod9(t, 1, "p", S_IFIFO | 0600), ==, 0);
    g_assert_cmpint(walk(t, 1, 4, "p"), ==, 0);
    g_assert_cmphex(getattr(t, 4).mode, ==, S_IFIFO | 0600);
    /* The fid below a folder that is renamed still works, and so do those that walk there. */
    g_assert_cmpint(walk(t, 1, 5, "e"), ==, 0);
    g_assert_cmpint(renameat9(t, 0, "d", 0, "d2"), ==, 0);
    g_assert_cmpint(walk(t, 5, 6, "f"), ==, 0);
    g_assert_cmpint(walk(t, 5, 7, "../../d2/e/f"), ==, 0);
    g_assert_cmpuint(getattr(t, 6).qid.path, ==, getattr(t, 7).qid.path);
    begin(t, P9_TLINK);
    p9_put_u32(&t->out, 0);
    p9_put_u32(&t->out, 6);
    p9_put_string(&t->out, "hard");
    g_assert_cmpint(call(t), ==, 0);
    g_assert_cmpuint(getattr(t, 6).nlink, ==, 2);
    g_assert_cmphex(getattr(t, 6).mode, ==, S_IFREG | 0644);
    g_assert_cmpint(walk(t, 0, 8, "hard"), ==, 0);
    g_assert_cmphex(getattr(t, 8).mode, ==, S_IFREG | 0644);
    begin(t, P9_TRENAME);
    p9_put_u32(&t->out, 8);
    p9_put_u32(&t->out, 1);
    p9_put_string(&t->out, "soft");
    g_assert_cmpint(call(t), ==, 0);
    g_assert_cmpint(walk(t, 1, 9, "soft"), ==, 0);
    g_assert_cmpint(by_fid(t, P9_TREMOVE, 8), ==, 0);
    g_assert_cmpint(walk(t, 1, 8, "soft"), ==, ENOENT);
    g_assert_cmpint(by_fid(t, P9_TREMOVE, 0), ==, EBUSY);
    g_assert_cmpint(attach(t, 0, 0), ==, 0);
    g_assert_cmpint(unlinkat9(t, 5, "f", 0), ==, 0);
    g_assert_cmpint(mkdir9(t, 0, "over", 0755), ==, 0);
    g_assert_cmpint(renameat9(t, 1, "e", 0, "over"), ==, 0);
    g_assert_cmpint(unlinkat9(t, 0, "over", AT_REMOVEDIR), ==, 0);
    g_assert_cmpint(unlinkat9(t, 1, "l", 0), ==, 0);
    g_assert_cmpint(unlinkat9(t, 1, "p", 0), ==, 0);
    g_assert_cmpint(unlinkat9(t, 0, "d2", AT_REMOVEDIR), ==, 0);
}

static void test_names(void)
{
    for_models(check_names);
}

/* All entries, with a count that has room for few of them at a time. */
static unsigned count_entries(Test *t, uint32_t fid, uint32_t count, GHashTable *names)
{
    uint64_t offset = 0;
    unsigned n = 0;

    for (;;) {
        begin(t, P9_TREADDIR);
        p9_put_u32(&t->out, fid);
        p9_put_u64(&t->out, offset);
        p9_put_u32(&t->out, count);
        g_assert_cmpint(call(t), ==, 0);
        uint32_t bytes = p9_get_u32(&t->in);
        g_assert_cmpuint(bytes, ==, t->in.left);
        g_assert_cmpuint(bytes, <=, count);
        if (!bytes) {
            return n;
        }
        while (t->in.left) {
            p9_get_u8(&t->in);
            p9_get_u32(&t->in);
            p9_get_u64(&t->in);
            offset = p9_get_u64(&t->in);
            p9_get_u8(&t->in);
            g_assert_true(g_hash_table_add(names, p9_get_string(&t->in)));
            n++;
        }
    }
}

static void check_readdir(Test *t)
{
    enum { FILES = 1000 };
    g_autoptr(GHashTable) once = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GHashTable) again = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    for (unsigned i = 0; i < FILES; i++) {
        g_autofree char *name = g_strdup_printf("file-%u", i);

        g_assert_cmpint(mknod9(t, 0, name, S_IFREG | 0644), ==, 0);
    }
    g_assert_cmpint(walk(t, 0, 1, ".."), ==, 0);
    g_assert_cmpint(lopen(t, 1, O_RDONLY), ==, 0);
    g_assert_cmpuint(count_entries(t, 1, 32768, once), ==, FILES + 2);
    g_assert_cmpuint(count_entries(t, 1, 60, again), ==, FILES + 2);
    begin(t, P9_TREADDIR);
    p9_put_u32(&t->out, 1);
    p9_put_u64(&t->out, 0);
    p9_put_u32(&t->out, 5);
    g_assert_cmpint(call(t), ==, EINVAL);
    g_assert_cmpint(read9(t, 1, 0, 100), ==, EBADF);
    g_assert_cmpint(lopen(t, 0, O_WRONLY), ==, EISDIR);
}

static void test_readdir(void)
{
    for_models(check_readdir);
}

/* Whatever a guest does to names and links, it stays in its folder. */
static void check_escapes(Test *t)
{
    static const char *const bad[] = { "", ".", "..", "a/b", "/", "/etc" };
    char name[300];

    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_cmpint(mkdir9(t, 0, bad[i], 0755), ==, EINVAL);
        g_assert_cmpint(symlink9(t, 0, bad[i], "x"), ==, EINVAL);
        g_assert_cmpint(unlinkat9(t, 0, bad[i], 0), ==, EINVAL);
        g_assert_cmpint(renameat9(t, 0, "x", 0, bad[i]), ==, EINVAL);
        g_assert_cmpint(renameat9(t, 0, bad[i], 0, "x"), ==, EINVAL);
    }
    memset(name, 'n', sizeof(name));
    name[256] = 0;
    g_assert_cmpint(mkdir9(t, 0, name, 0755), ==, ENAMETOOLONG);
    name[255] = 0;
    g_assert_cmpint(mkdir9(t, 0, name, 0755), ==, 0);
    uint64_t root = getattr(t, 0).qid.path;
    g_assert_cmpint(walk(t, 0, 1, "../../.."), ==, 0);
    g_assert_cmpuint(getattr(t, 1).qid.path, ==, root);

    /* A real link, as only the host can make it in mapped models. */
    g_autofree char *link = host_path(t, "out"), *secret = host_path(t, "to-secret");
    g_assert_cmpint(symlink("..", link), ==, 0);
    g_assert_cmpint(symlink("../secret", secret), ==, 0);
    g_assert_cmpint(walk(t, 0, 2, "out/secret"), ==, 0);
    g_assert_cmpuint(p9_get_u16(&t->in), ==, 1); /* no further than the link */
    g_assert_cmpint(walk(t, 0, 2, "to-secret"), ==, 0);
    g_assert_cmpint(lopen(t, 2, O_RDONLY), ==, ENXIO);
    g_assert_cmpint(lopen(t, 2, O_RDWR | O_TRUNC), ==, ENXIO);
    g_assert_cmpint(setattr(t, 2, SET_SIZE, 0, 0, 0), !=, 0);
    walk(t, 0, 3, "out");
    g_assert_cmpint(mkdir9(t, 3, "x", 0755), ==, ENOTDIR);
    walk(t, 0, 4, "..");
    g_assert_cmpint(lcreate(t, 4, "to-secret", O_RDWR | O_TRUNC, 0644), ==, ENXIO);
    g_assert_cmpint(lcreate(t, 4, "to-secret", O_RDWR | O_EXCL, 0644), ==, EEXIST);
    g_autofree char *text = host_read(t, "../secret");
    g_assert_cmpstr(text, ==, "secret");
}

static void test_escapes(void)
{
    for_models(check_escapes);
}

/* A device of the host, or a FIFO, is never opened. */
static void test_devices(void)
{
    Test *t = start(PASS);
    g_autofree char *fifo = host_path(t, "fifo");

    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(walk(t, 0, 1, "fifo"), ==, 0);
    g_assert_cmpint(lopen(t, 1, O_RDONLY), ==, ENXIO);
    g_assert_cmpint(lopen(t, 1, O_WRONLY), ==, ENXIO);
    if (mknod9(t, 0, "null", S_IFCHR | 0600) == 0) {
        g_assert_cmpint(walk(t, 0, 2, "null"), ==, 0);
        g_assert_cmphex(getattr(t, 2).rdev, ==, 0x440);
        g_assert_cmpint(lopen(t, 2, O_RDWR), ==, ENXIO);
    }
    quit(t);
}

/* Folders that the host moves meanwhile: ".." is where the client came from. */
static void test_moved_by_host(void)
{
    Test *t = start(PASS);
    g_autofree char *d = host_path(t, "a/b"), *a = host_path(t, "a"), *out = host_path(t, "../b");

    g_assert_cmpint(g_mkdir_with_parents(d, 0755), ==, 0);
    g_assert_cmpint(walk(t, 0, 1, "a/b"), ==, 0);
    g_assert_cmpint(rename(d, out), ==, 0);
    g_assert_cmpint(walk(t, 1, 2, "../../../secret"), ==, 0);
    g_assert_cmpuint(p9_get_u16(&t->in), ==, 3);
    g_assert_cmpint(walk(t, 1, 2, ".."), ==, 0);
    g_assert_cmpint(walk(t, 2, 3, "b"), ==, ENOENT);
    /* Two folders that change places: no chain of names goes in a circle. */
    g_assert_cmpint(rename(out, d), ==, 0);
    g_assert_cmpint(clunk(t, 1), ==, 0);
    g_assert_cmpint(walk(t, 0, 1, "a/b"), ==, 0);
    g_assert_cmpint(rename(d, out), ==, 0);
    g_autofree char *b = host_path(t, "b");
    g_assert_cmpint(rename(out, b), ==, 0);
    g_assert_cmpint(renameat9(t, 0, "a", 1, "a"), ==, 0);
    g_assert_cmpint(walk(t, 1, 4, "a"), ==, 0);
    quit(t);
}

static void test_few_descriptors(void)
{
    enum { DEPTH = 100, FIDS = 300 };
    Test *t = start(PASS);

    p9_server_set_budget(t->s, 16);
    g_assert_cmpint(walk(t, 0, 1, ".."), ==, 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        g_assert_cmpint(mkdir9(t, 1 + i, "d", 0755), ==, 0);
        g_assert_cmpint(walk(t, 1 + i, 2 + i, "d"), ==, 0);
    }
    for (unsigned i = 0; i < FIDS; i++) {
        g_assert_cmpint(walk(t, 0, 1000 + i, "d/d/d"), ==, 0);
    }
    for (unsigned i = 0; i < FIDS; i += 7) {
        g_assert_cmpint(walk(t, 1000 + i, 5000, "d"), ==, 0);
        g_assert_cmpint(clunk(t, 5000), ==, 0);
    }
    g_assert_cmpint(renameat9(t, 0, "d", 0, "e"), ==, 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        g_assert_cmpint(walk(t, 1 + i, 5000, ".."), ==, 0);
        g_assert_cmpint(clunk(t, 5000), ==, 0);
    }
    g_assert_cmpint(mkdir9(t, 1 + DEPTH, "last", 0755), ==, 0);
    /* What the host has removed meanwhile, and replaced, is not taken for the same. */
    g_autofree char *top = host_path(t, "e");
    run("rm -r", top);
    g_assert_cmpint(g_mkdir(top, 0755), ==, 0);
    for (unsigned i = 0; i < 40; i++) {
        walk(t, 0, 6000 + i, "e");
    }
    g_assert_cmpint(walk(t, DEPTH, 5000, "d"), !=, 0);
    quit(t);
}

static void test_many_open(void)
{
    Test *t = start(PASS);
    int err = 0;

    p9_server_set_budget(t->s, 16);
    host_write(t, "f", "x");
    for (uint32_t i = 1; i < 40; i++) {
        g_assert_cmpint(walk(t, 0, i, "f"), ==, 0);
        err = lopen(t, i, O_RDONLY);
        g_assert_cmpint(err, ==, i <= 16 ? 0 : EMFILE);
    }
    g_assert_cmpint(clunk(t, 3), ==, 0);
    g_assert_cmpint(lopen(t, 20, O_RDONLY), ==, 0);
    quit(t);
}

static void check_xattr(Test *t)
{
    host_write(t, "f", "x");
    g_assert_cmpint(walk(t, 0, 1, "f"), ==, 0);
    g_autofree char *path = host_path(t, "f");
    if (setxattr(path, "user.virtfs.test", "1", 1, 0) < 0) {
        g_test_message("no extended attributes here");
        return;
    }
    bool hides = xattrwalk(t, 1, 9, "user.virtfs.test") != 0;
    if (!hides) {
        g_assert_cmpint(clunk(t, 9), ==, 0);
    }
    g_assert_cmpint(removexattr(path, "user.virtfs.test"), ==, 0);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(xattrcreate(t, 2, "user.color", 3), ==, 0);
    g_assert_cmpint(write9(t, 2, 1, "abc"), ==, ENOSPC);
    g_assert_cmpint(write9(t, 2, 0, "re"), ==, 0);
    g_assert_cmpint(write9(t, 2, 2, "d"), ==, 0);
    g_assert_cmpint(read9(t, 2, 0, 3), ==, EBADF);
    g_assert_cmpint(clunk(t, 2), ==, 0);
    char value[10];
    g_assert_cmpint(getxattr(path, "user.color", value, sizeof(value)), ==, 3);
    g_assert_cmpint(xattrwalk(t, 1, 2, "user.color"), ==, 0);
    g_assert_cmpuint(p9_get_u64(&t->in), ==, 3);
    assert_reads(t, 2, 1, "ed");
    g_assert_cmpint(write9(t, 2, 0, "x"), ==, EBADF);
    g_assert_cmpint(clunk(t, 2), ==, 0);
    g_assert_cmpint(xattrwalk(t, 1, 2, "user.none"), ==, ENODATA);
    g_assert_cmpint(xattrwalk(t, 1, 2, ""), ==, 0);
    g_assert_cmpuint(p9_get_u64(&t->in), ==, 11);
    g_assert_cmpint(clunk(t, 2), ==, 0);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(xattrcreate(t, 2, "user.color", UINT64_MAX), ==, ENOSPC);
    g_assert_cmpint(xattrcreate(t, 2, "user.color", 9), ==, 0);
    g_assert_cmpint(write9(t, 2, 0, "short"), ==, 0);
    g_assert_cmpint(clunk(t, 2), ==, EIO);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(xattrcreate(t, 2, "user.color", 0), ==, 0);
    g_assert_cmpint(clunk(t, 2), ==, 0);
    g_assert_cmpint(xattrwalk(t, 1, 2, "user.color"), ==, ENODATA);
    if (hides) {
        g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
        g_assert_cmpint(xattrcreate(t, 2, "user.virtfs.uid", 1), ==, 0);
        g_assert_cmpint(write9(t, 2, 0, "x"), ==, 0);
        g_assert_cmpint(clunk(t, 2), ==, EOPNOTSUPP);
        g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
        g_assert_cmpint(xattrcreate(t, 2, "security.capability", 1), ==, 0);
        g_assert_cmpint(write9(t, 2, 0, "x"), ==, 0);
        g_assert_cmpint(clunk(t, 2), ==, EOPNOTSUPP);
    }
}

static void test_xattr(void)
{
    for_models(check_xattr);
}

/* What a client may keep open of them is bounded, and what it has closed does not count. */
static void test_xattr_memory(void)
{
    enum { VALUE = 65536, MOST = (16 << 20) / VALUE };
    Test *t = start("security_model=none");

    host_write(t, "f", "x");
    for (uint32_t round = 0; round < 2; round++) {
        for (uint32_t i = 1; i <= MOST + 1; i++) {
            g_assert_cmpint(walk(t, 0, i, "f"), ==, 0);
            g_assert_cmpint(xattrcreate(t, i, "user.x", VALUE), ==, i <= MOST ? 0 : ENOSPC);
        }
        for (uint32_t i = 1; i <= MOST + 1; i++) {
            g_assert_cmpint(clunk(t, i), ==, i <= MOST ? EIO : 0);
        }
    }
    quit(t);
}

static void test_locks(void)
{
    enum { READ = 0, WRITE = 1, UNLOCK = 2 };
    enum { SUCCESS = 0, BLOCKED = 1 };
    Test *t = start(PASS);

    host_write(t, "f", "x");
    g_assert_cmpint(walk(t, 0, 1, "f"), ==, 0);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(lock9(t, P9_TLOCK, 1, WRITE, 10, 10, 1), ==, SUCCESS);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, READ, 0, 11, 2), ==, BLOCKED);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, READ, 0, 10, 2), ==, SUCCESS);
    g_assert_cmpint(lock9(t, P9_TGETLOCK, 2, READ, 0, 0, 2), ==, WRITE);
    g_assert_cmpuint(p9_get_u64(&t->in), ==, 10);
    g_assert_cmpuint(p9_get_u64(&t->in), ==, 10);
    g_assert_cmpuint(p9_get_u32(&t->in), ==, 1);
    g_assert_cmpint(lock9(t, P9_TLOCK, 1, UNLOCK, 13, 2, 1), ==, SUCCESS);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, WRITE, 13, 2, 2), ==, SUCCESS);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, WRITE, 15, 1, 2), ==, BLOCKED);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, WRITE, 12, 1, 2), ==, BLOCKED);
    g_assert_cmpint(lock9(t, P9_TLOCK, 1, READ, 15, 5, 1), ==, SUCCESS);
    g_assert_cmpint(lock9(t, P9_TLOCK, 2, READ, 15, 5, 2), ==, SUCCESS);
    g_assert_cmpint(clunk(t, 1), ==, 0);
    g_assert_cmpint(lock9(t, P9_TGETLOCK, 2, WRITE, 0, 0, 2), ==, UNLOCK);
    begin(t, P9_TLOCK);
    p9_put_u32(&t->out, 2);
    p9_put_u8(&t->out, READ);
    p9_put_u32(&t->out, 0);
    p9_put_u64(&t->out, UINT64_MAX);
    p9_put_u64(&t->out, 2);
    p9_put_u32(&t->out, 1);
    p9_put_string(&t->out, "guest");
    g_assert_cmpint(call(t), ==, EINVAL);
    quit(t);
}

static void test_readonly(void)
{
    Test *t = start("security_model=none,readonly=on");

    host_write(t, "f", "text");
    g_assert_cmpint(walk(t, 0, 1, "f"), ==, 0);
    g_assert_cmpint(lopen(t, 1, O_RDWR), ==, EROFS);
    g_assert_cmpint(lopen(t, 1, O_RDONLY | O_TRUNC), ==, EROFS);
    g_assert_cmpint(lopen(t, 1, O_RDONLY), ==, 0);
    assert_reads(t, 1, 0, "text");
    g_assert_cmpint(setattr(t, 1, SET_SIZE, 0, 0, 0), ==, EROFS);
    g_assert_cmpint(setattr(t, 1, SET_MODE, 0777, 0, 0), ==, EROFS);
    g_assert_cmpint(setattr(t, 1, SET_UID, 0, 1, 0), ==, EROFS);
    g_assert_cmpint(setattr(t, 1, SET_MTIME, 0, 0, 0), ==, EROFS);
    g_assert_cmpint(mkdir9(t, 0, "d", 0755), ==, EROFS);
    g_assert_cmpint(mknod9(t, 0, "d", S_IFREG | 0755), ==, EROFS);
    g_assert_cmpint(symlink9(t, 0, "d", "x"), ==, EROFS);
    g_assert_cmpint(unlinkat9(t, 0, "f", 0), ==, EROFS);
    g_assert_cmpint(renameat9(t, 0, "f", 0, "g"), ==, EROFS);
    g_assert_cmpint(walk(t, 0, 2, "f"), ==, 0);
    g_assert_cmpint(xattrcreate(t, 2, "user.x", 0), ==, 0);
    g_assert_cmpint(clunk(t, 2), ==, EROFS);
    g_assert_cmpint(walk(t, 0, 2, ".."), ==, 0);
    g_assert_cmpint(lcreate(t, 2, "n", O_RDWR, 0644), ==, EROFS);
    quit(t);
}

/* What other programs that share folders this way have on their disks. */
static void test_mapped_xattr(void)
{
    Test *t = start("security_model=mapped,fmode=0640,dmode=0750");
    struct stat st;
    uint32_t value;
    uint64_t rdev;

    if (!t->s) {
        g_test_skip("no extended attributes here");
        quit(t);
        return;
    }
    g_autofree char *dev = host_path(t, "dev"), *link = host_path(t, "link");
    g_assert_cmpint(mknod9(t, 0, "dev", S_IFCHR | 0660), ==, 0);
    g_assert_cmpint(stat(dev, &st), ==, 0);
    g_assert_true(S_ISREG(st.st_mode));
    g_assert_cmpint(getxattr(dev, "user.virtfs.mode", &value, 4), ==, 4);
    g_assert_cmphex(value, ==, S_IFCHR | 0660);
    g_assert_cmpint(getxattr(dev, "user.virtfs.rdev", &rdev, 8), ==, 8);
    g_assert_cmphex(rdev, ==, 0x440);
    g_assert_cmpint(walk(t, 0, 1, "dev"), ==, 0);
    g_assert_cmphex(getattr(t, 1).rdev, ==, 0x440);
    g_assert_cmpint(setattr(t, 1, SET_UID | SET_GID, 0, 12345, 0), ==, 0);
    g_assert_cmpint(getxattr(dev, "user.virtfs.uid", &value, 4), ==, 4);
    g_assert_cmpuint(value, ==, 12345);
    g_assert_cmpuint(getattr(t, 1).gid, ==, 12346);
    g_assert_cmpint(symlink9(t, 0, "link", "where/ever"), ==, 0);
    g_autofree char *text = host_read(t, "link");
    g_assert_cmpstr(text, ==, "where/ever");
    g_assert_cmpint(getxattr(link, "user.virtfs.mode", &value, 4), ==, 4);
    g_assert_cmphex(value, ==, S_IFLNK | 0777);
    quit(t);
}

static void test_mapped_file(void)
{
    Test *t = start("security_model=mapped-file");

    g_assert_cmpint(mknod9(t, 0, "f", S_IFREG | 0751), ==, 0);
    g_assert_cmpint(walk(t, 0, 1, "f"), ==, 0);
    g_assert_cmpint(setattr(t, 1, SET_UID | SET_GID, 0, 77, 0), ==, 0);
    g_autofree char *text = host_read(t, ".virtfs_metadata/f");
    g_assert_cmpstr(text, ==, "virtfs.uid=77\nvirtfs.gid=78\nvirtfs.mode=33257\n");
    g_assert_cmpint(walk(t, 0, 2, ".virtfs_metadata"), ==, EINVAL);
    g_assert_cmpint(mkdir9(t, 0, ".virtfs_metadata_root", 0700), ==, EINVAL);
    g_assert_cmpint(setattr(t, 0, SET_MODE, 0711, 0, 0), ==, 0);
    g_assert_cmphex(getattr(t, 0).mode, ==, S_IFDIR | 0711);
    g_autofree char *root = host_read(t, ".virtfs_metadata_root");
    g_assert_cmpstr(root, ==, "virtfs.mode=16841\n");
    g_assert_cmpint(renameat9(t, 0, "f", 0, "g"), ==, 0);
    g_assert_cmpuint(getattr(t, 1).uid, ==, 77);
    g_assert_cmpint(unlinkat9(t, 0, "g", 0), ==, 0);
    g_autofree char *gone = host_read(t, ".virtfs_metadata/g");
    g_assert_null(gone);
    quit(t);
}

/* Each message, cut at each byte and with each byte changed, is answered. */
static void test_damage(void)
{
    Test *t = start("security_model=none");
    g_autoptr(GRand) rand = g_rand_new_with_seed(9);

    host_write(t, "f", "x");
    for (unsigned i = 0; i < 60000; i++) {
        size_t size = (size_t)g_rand_int_range(rand, P9_HEADER_BYTES, 80);
        uint8_t type = (uint8_t)g_rand_int_range(rand, 0, 130);
        bool named = g_rand_boolean(rand);

        for (size_t at = 0; at < size; at++) {
            t->request[at] =
                (uint8_t)(g_rand_int_range(rand, 0, 4) ? 0 : g_rand_int_range(rand, 0, 256));
        }
        P9Writer head = { t->request, P9_HEADER_BYTES };
        p9_put_u32(&head, (uint32_t)(g_rand_int_range(rand, 0, 8) ? size : size + 1));
        p9_put_u8(&head, type);
        p9_put_u16(&head, TAG);
        if (named) { /* a fid that there is, and a short name where most messages have it */
            t->request[7] = (uint8_t)g_rand_int_range(rand, 0, 3);
            memset(t->request + 8, 0, 3);
            memcpy(t->request + 11, "\1\0f", 3);
        }
        uint8_t answer = exchange(t, size, (size_t)g_rand_int_range(rand, 1, 40));
        g_assert_true(answer == P9_RLERROR || answer == type + 1);
        if (i % 500 == 0) {
            version(t, MSIZE, "9P2000.L");
            attach(t, 0, 0);
            walk(t, 0, 1, "f");
        }
    }
    g_autofree char *text = host_read(t, "../secret");
    g_assert_cmpstr(text, ==, "secret");
    quit(t);
}

static void test_options(void)
{
    static const char *const wrong[] = {
        "local,id=f",
        "local,id=f,path=/nonexistent-folder,security_model=none",
        "local,id=f,path=/",
        "local,id=f,path=/,security_model=none,fmode=0600",
        "local,id=f,path=/,security_model=mapped-file,fmode=9",
        "local,id=f,path=/,security_model=mapped-file,dmode=01777",
        "local,id=f,path=/,security_model=none,throttling.bps-total=1",
        "local,id=f,path=/dev/null,security_model=none",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;
        g_autoptr(FsdevOptions) options =
            qapi_from_option(&FsdevOptions_type, wrong[i], "fsdriver", &err);

        g_assert_no_error(err);
        g_assert_null(fsdev_add(options, &err));
        g_assert_nonnull(err);
    }
    Test *t = start("security_model=none");
    g_autoptr(FsdevOptions) twice = qapi_from_option(
        &FsdevOptions_type, "local,id=f,path=/,security_model=none", "fsdriver", NULL);
    g_assert_null(fsdev_add(twice, NULL));
    g_assert_nonnull(fsdev_find("f"));
    g_assert_null(fsdev_find("g"));
    quit(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    umask(022);
    g_test_add_func("/p9/options", test_options);
    g_test_add_func("/p9/session", test_session);
    g_test_add_func("/p9/files", test_files);
    g_test_add_func("/p9/names", test_names);
    g_test_add_func("/p9/readdir", test_readdir);
    g_test_add_func("/p9/escapes", test_escapes);
    g_test_add_func("/p9/devices", test_devices);
    g_test_add_func("/p9/moved-by-host", test_moved_by_host);
    g_test_add_func("/p9/few-descriptors", test_few_descriptors);
    g_test_add_func("/p9/many-open", test_many_open);
    g_test_add_func("/p9/xattr", test_xattr);
    g_test_add_func("/p9/xattr-memory", test_xattr_memory);
    g_test_add_func("/p9/locks", test_locks);
    g_test_add_func("/p9/readonly", test_readonly);
    g_test_add_func("/p9/mapped-xattr", test_mapped_xattr);
    g_test_add_func("/p9/mapped-file", test_mapped_file);
    g_test_add_func("/p9/damage", test_damage);
    return g_test_run();
}
