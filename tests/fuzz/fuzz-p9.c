/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest asks of a shared folder: the first byte chooses how owners are kept, then come
 * messages of 9P without their size and tag: a byte that says how long, the type, what follows.
 * There are a file "f", a folder "d" and a link "l" that leads out; fid 0 is the shared folder.
 * Whatever is asked, each message is answered, and what is beside the folder stays as it is.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fsdev/fsdev.h"
#include "fsdev/p9-server.h"
#include "tests/fuzz/fuzz.h"

#define MSIZE  8192u
#define BUDGET 16

static char *base, *folder;

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    return remove(path);
}

static void remove_all(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void at_exit(void)
{
    remove_all(base);
}

static void make_base(void)
{
    g_autofree char *secret = NULL;

    base = g_dir_make_tmp("fuzz-p9-XXXXXX", NULL);
    folder = g_build_filename(base, "shared", NULL);
    secret = g_build_filename(base, "secret", NULL);
    g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
    atexit(at_exit);
}

static void make_folder(void)
{
    int dir;

    g_assert_cmpint(mkdir(folder, 0755), ==, 0);
    dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(openat(dir, "f", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    g_assert_cmpint(mkdirat(dir, "d", 0755), ==, 0);
    g_assert_cmpint(symlinkat("../secret", dir, "l"), ==, 0);
    close(dir);
}

/* The answer is whole, and is one to this message. */
static void ask(P9Server *s, uint8_t type, const uint8_t *body, size_t len)
{
    static uint8_t answer[MSIZE];
    uint8_t request[P9_HEADER_BYTES + 256];
    P9Writer out = { request, sizeof(request) };
    struct iovec from[2] = { { request, 9 }, { request + 9, 0 } }, to = { answer, sizeof(answer) };
    P9Reader in = { answer, sizeof(answer) };
    size_t n;
    uint8_t said;

    p9_put_u32(&out, (uint32_t)(P9_HEADER_BYTES + len));
    p9_put_u8(&out, type);
    p9_put_u16(&out, 1);
    memcpy(request + P9_HEADER_BYTES, body, len);
    from[0].iov_len = MIN(9, P9_HEADER_BYTES + len);
    from[1].iov_len = P9_HEADER_BYTES + len - from[0].iov_len;
    n = p9_server_handle(s, from, 2, &to, 1);
    g_assert_cmpuint(p9_get_u32(&in), ==, n);
    said = p9_get_u8(&in);
    g_assert_true(n <= sizeof(answer) && (said == P9_RLERROR || said == type + 1));
}

static void begin(P9Server *s)
{
    static const uint8_t version[] = "\0\x20\0\0\x8\0"
                                     "9P2000.L";
    static const uint8_t attach[] = "\0\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0";

    ask(s, P9_TVERSION, version, sizeof(version) - 1);
    ask(s, P9_TATTACH, attach, sizeof(attach));
}

static void check_outside(void)
{
    g_autofree char *secret = g_build_filename(base, "secret", NULL), *text = NULL;
    GDir *dir = g_dir_open(base, 0, NULL);
    unsigned count = 0;

    while (g_dir_read_name(dir)) {
        count++;
    }
    g_dir_close(dir);
    g_assert_cmpuint(count, ==, 2);
    g_assert_true(g_file_get_contents(secret, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "secret");
}

static void run(FsDev *dev, const uint8_t *data, size_t size)
{
    g_autoptr(P9Server) s = p9_server_new(dev, NULL);

    p9_server_set_budget(s, BUDGET);
    begin(s);
    while (size >= 2) {
        size_t len = MIN(data[0], size - 2);

        ask(s, data[1], data + 2, len);
        data += 2 + len;
        size -= 2 + len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const models[] = { "none", "mapped-file", "mapped-xattr",
                                          "none,multidevs=remap,writeout=immediate" };
    g_autofree char *text = NULL;

    if (!base) {
        make_base();
    }
    make_folder();
    text = g_strdup_printf("local,id=f,path=%s,security_model=%s", folder,
                           models[size ? data[0] % G_N_ELEMENTS(models) : 0]);
    g_autoptr(FsdevOptions) options = qapi_from_option(&FsdevOptions_type, text, "fsdriver", NULL);
    FsDev *dev = fsdev_add(options, NULL);
    if (dev && size) {
        run(dev, data + 1, size - 1);
    }
    fsdev_remove_all();
    check_outside();
    remove_all(folder);
    return 0;
}
