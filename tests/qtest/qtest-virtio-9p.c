/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-9p by a driver of our own: messages through the queue, buffers that are none, resets in
 * the middle, what may be saved when, plugs. The messages themselves: tests/unit/test-p9.c. */
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "fsdev/p9-message.h"
#include "tests/qtest/virtio.h"

#define DEVFN 0x20u /* slot 4 */
#define ROOM  8192u /* of each buffer */
#define NOFID UINT32_MAX
#define BOARD "-M pc -m 64M -fsdev local,id=f0,path=%s,security_model=none"
#define CARD  " -device virtio-9p-pci,id=p0,fsdev=f0,mount_tag=share,addr=4"

typedef struct Client {
    QTest *qt;
    QVirtio v;
    QVirtQueue q;
    uint64_t request, answer;
    uint8_t out[ROOM], in[ROOM];
    P9Writer w;
    P9Reader r; /* the answer, behind its header */
} Client;

static char *make_folder(void)
{
    char *path = g_dir_make_tmp("qtest-9p-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(path, "file", NULL);

    g_assert_true(g_file_set_contents(file, "contents", -1, NULL));
    return path;
}

static void remove_folder(const char *path)
{
    g_autofree char *file = g_build_filename(path, "file", NULL);

    unlink(file);
    g_assert_cmpint(rmdir(path), ==, 0);
}

static void drive(Client *c)
{
    qvirtio_open_one(&c->v, &c->q, c->qt, DEVFN, 1);
    c->request = qvirtio_alloc(&c->v, ROOM);
    c->answer = qvirtio_alloc(&c->v, ROOM);
}

static void begin(Client *c, uint8_t type, uint16_t tag)
{
    c->w = (P9Writer){ c->out, sizeof(c->out) };
    p9_put_u32(&c->w, 0);
    p9_put_u8(&c->w, type);
    p9_put_u16(&c->w, tag);
}

/* The request is in guest memory, with its size; nobody has been told. */
static void lay_out(Client *c)
{
    P9Writer size = { c->out, 4 };

    p9_put_u32(&size, (uint32_t)c->w.used);
    qtest_memwrite(c->qt, c->request, c->out, c->w.used);
}

/* The errno of the answer; 0: it is the right one. */
static int take(Client *c, uint32_t len)
{
    uint8_t type;

    g_assert_cmpuint(len, <=, ROOM);
    qtest_memread(c->qt, c->answer, c->in, len);
    c->r = (P9Reader){ c->in, len };
    g_assert_cmpuint(p9_get_u32(&c->r), ==, len);
    type = p9_get_u8(&c->r);
    g_assert_cmpuint(p9_get_u16(&c->r), ==, c->out[5] | c->out[6] << 8);
    g_assert_true(type == P9_RLERROR || type == c->out[4] + 1);
    return type == P9_RLERROR ? (int)p9_get_u32(&c->r) : 0;
}

static int call(Client *c)
{
    lay_out(c);
    return take(c, qvirtq_ask(&c->q, c->request, (uint32_t)c->w.used, c->answer, ROOM));
}

/* Up to a fid 0 of the folder. */
static void mount_it(Client *c)
{
    begin(c, P9_TVERSION, 0xffff);
    p9_put_u32(&c->w, ROOM);
    p9_put_string(&c->w, "9P2000.L");
    g_assert_cmpint(call(c), ==, 0);
    g_assert_cmpuint(p9_get_u32(&c->r), ==, ROOM);
    begin(c, P9_TATTACH, 1);
    p9_put_u32(&c->w, 0);
    p9_put_u32(&c->w, NOFID);
    p9_put_string(&c->w, "root");
    p9_put_string(&c->w, "");
    p9_put_u32(&c->w, 0);
    g_assert_cmpint(call(c), ==, 0);
}

static int clunk(Client *c, uint32_t fid)
{
    begin(c, P9_TCLUNK, 2);
    p9_put_u32(&c->w, fid);
    return call(c);
}

static void open_file(Client *c, uint32_t fid)
{
    begin(c, P9_TWALK, 3);
    p9_put_u32(&c->w, 0);
    p9_put_u32(&c->w, fid);
    p9_put_u16(&c->w, 1);
    p9_put_string(&c->w, "file");
    g_assert_cmpint(call(c), ==, 0);
    begin(c, P9_TLOPEN, 4);
    p9_put_u32(&c->w, fid);
    p9_put_u32(&c->w, 2);
    g_assert_cmpint(call(c), ==, 0);
}

static void ask_read(Client *c, uint32_t fid)
{
    begin(c, P9_TREAD, 5);
    p9_put_u32(&c->w, fid);
    p9_put_u64(&c->w, 0);
    p9_put_u32(&c->w, 4096);
}

static void assert_reads(Client *c, uint32_t fid, const char *text)
{
    ask_read(c, fid);
    g_assert_cmpint(call(c), ==, 0);
    g_assert_cmpuint(p9_get_u32(&c->r), ==, strlen(text));
    g_assert_cmpmem(c->r.data, c->r.left, text, strlen(text));
}

static Client *start(char **path, const char *more)
{
    Client *c = g_new0(Client, 1);

    *path = make_folder();
    c->qt = qtest_start(BOARD CARD "%s", *path, more);
    drive(c);
    return c;
}

static void quit(Client *c, char *path)
{
    qtest_quit(c->qt);
    remove_folder(path);
    g_free(path);
    g_free(c);
}

/* ---- tests ---- */

static void test_config(void)
{
    char *path, tag[6] = "";
    Client *c = start(&path, "");

    g_assert_cmphex(qpci_read(c->qt, DEVFN, 0, 4), ==, 0x10091af4);
    g_assert_cmphex(qpci_read(c->qt, DEVFN, 8, 4) >> 16, ==, 0x0002);
    g_assert_cmpuint(qvirtio_config(&c->v, 0, 2), ==, 5);
    for (unsigned i = 0; i < 5; i++) {
        tag[i] = (char)qvirtio_config(&c->v, 2 + i, 1);
    }
    g_assert_cmpstr(tag, ==, "share");
    g_assert_cmpuint(c->q.size, ==, 128);
    quit(c, path);
}

static void test_messages(void)
{
    g_autofree char *text = NULL, *file = NULL;
    char *path;
    Client *c = start(&path, "");

    mount_it(c);
    open_file(c, 1);
    assert_reads(c, 1, "contents");
    begin(c, P9_TWRITE, 6);
    p9_put_u32(&c->w, 1);
    p9_put_u64(&c->w, 8);
    p9_put_u32(&c->w, 5);
    memcpy(c->w.data + c->w.used, " more", 5);
    c->w.used += 5;
    g_assert_cmpint(call(c), ==, 0);
    assert_reads(c, 1, "contents more");
    g_assert_cmpint(clunk(c, 1), ==, 0);
    g_assert_cmpint(clunk(c, 1), ==, EBADF);
    begin(c, 99, 7);
    g_assert_cmpint(call(c), ==, EOPNOTSUPP);
    file = g_build_filename(path, "file", NULL);
    g_assert_true(g_file_get_contents(file, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "contents more");
    quit(c, path);
}

/* Sizes that do not fit their buffers are answered; a buffer in which no answer fits breaks the
 * queue, until the reset. */
static void test_sizes(void)
{
    char *path;
    Client *c = start(&path, "");

    mount_it(c);
    open_file(c, 1);
    ask_read(c, 1);
    lay_out(c);
    g_assert_cmpint(take(c, qvirtq_ask(&c->q, c->request, (uint32_t)c->w.used, c->answer, 100)), ==,
                    EMSGSIZE);
    g_assert_cmpint(take(c, qvirtq_ask(&c->q, c->request, 12, c->answer, ROOM)), ==, EINVAL);
    qtest_writel(c->qt, c->request, UINT32_MAX);
    memset(c->out, 0xff, 4);
    g_assert_cmpint(take(c, qvirtq_ask(&c->q, c->request, 23, c->answer, ROOM)), ==, EINVAL);
    begin(c, P9_TGETATTR, 8);
    p9_put_u32(&c->w, 0);
    p9_put_u64(&c->w, 0x7ff);
    lay_out(c);
    g_assert_cmpint(take(c, qvirtq_ask(&c->q, c->request, (uint32_t)c->w.used, c->answer, 11)), ==,
                    EMSGSIZE);
    qvirtq_add_pair(&c->q, c->request, (uint32_t)c->w.used, c->answer, 10);
    qvirtq_kick(&c->q);
    while (!(qvirtio_status(&c->v) & QVIRTIO_NEEDS_RESET)) {
        g_usleep(1000);
    }
    drive(c);
    mount_it(c);
    open_file(c, 1);
    assert_reads(c, 1, "contents");
    quit(c, path);
}

/* Many at once are answered in their order; and a Tflush when what it names was. */
static void test_many(void)
{
    enum { TIMES = 40 };
    char *path;
    Client *c = start(&path, "");
    uint16_t heads[TIMES];

    mount_it(c);
    open_file(c, 1);
    ask_read(c, 1);
    lay_out(c);
    for (unsigned i = 0; i < TIMES; i++) {
        heads[i] = qvirtq_add_pair(&c->q, c->request, (uint32_t)c->w.used, c->answer, ROOM);
    }
    qvirtq_kick(&c->q);
    for (unsigned i = 0; i < TIMES; i++) {
        g_assert_cmpuint(qvirtq_wait(&c->q, heads[i]), ==, 11 + 8);
    }
    begin(c, P9_TFLUSH, 9);
    p9_put_u16(&c->w, 5);
    g_assert_cmpint(call(c), ==, 0);
    quit(c, path);
}

/* A reset in the middle, of the device and of the machine: everything is closed. */
static void test_reset(void)
{
    char *path;
    Client *c = start(&path, "");

    for (unsigned round = 0; round < 20; round++) {
        mount_it(c);
        open_file(c, 1);
        ask_read(c, 1);
        lay_out(c);
        for (unsigned i = 0; i < 30; i++) {
            qvirtq_add_pair(&c->q, c->request, (uint32_t)c->w.used, c->answer, ROOM);
        }
        qvirtq_kick(&c->q);
        if (round % 2) {
            qtest_qmp_ok(c->qt, "system_reset", NULL);
            json_object_put(qtest_event(c->qt, "RESET"));
        }
        drive(c);
        g_assert_cmpint(clunk(c, 0), ==, EPROTO);
    }
    quit(c, path);
}

static void test_stop(void)
{
    char *path;
    Client *c = start(&path, "");

    mount_it(c);
    open_file(c, 1);
    qtest_qmp_ok(c->qt, "stop", NULL);
    ask_read(c, 1);
    lay_out(c);
    uint16_t head = qvirtq_add_pair(&c->q, c->request, (uint32_t)c->w.used, c->answer, ROOM);
    qvirtq_kick(&c->q);
    g_assert_false(qvirtq_has_used(&c->q));
    qtest_qmp_ok(c->qt, "cont", NULL);
    g_assert_cmpint(take(c, qvirtq_wait(&c->q, head)), ==, 0);
    quit(c, path);
}

/* What the guest has open cannot go elsewhere; a machine whose guest has nothing open can. */
static void test_save(void)
{
    char *path;
    Client *c = start(&path, ""), *to;
    g_autofree char *state = g_strconcat(path, "-state", NULL);
    g_autofree char *uri = g_strconcat("file:", state, NULL);
    json_object *err;

    mount_it(c);
    err = qtest_qmp_error(c->qt, "migrate", "{'uri': %s}", uri);
    g_assert_nonnull(strstr(qtest_get_str(err, "desc"), "the guest has mounted 'share'"));
    json_object_put(err);
    g_assert_cmpint(clunk(c, 0), ==, 0);
    qtest_save(c->qt, state);
    to = g_new0(Client, 1);
    *to = *c;
    to->qt = qtest_start(BOARD CARD " -incoming %s", path, uri);
    qtest_wait_running(to->qt);
    to->v.qt = to->qt;
    to->q.v = &to->v;
    begin(to, P9_TATTACH, 1);
    g_assert_cmpint(call(to), ==, EPROTO); /* its session is as new: the client begins again */
    mount_it(to);
    open_file(to, 1);
    assert_reads(to, 1, "contents");
    qtest_quit(to->qt);
    unlink(state);
    g_free(to);
    quit(c, path);
}

/* Two at once, of which one is unplugged while it is in use. */
static void test_plug(void)
{
    char *path;
    Client *c = start(&path, ""), *second = g_new0(Client, 1);

    mount_it(c);
    open_file(c, 1);
    for (unsigned round = 0; round < 3; round++) {
        qtest_qmp_ok(c->qt, "device_add",
                     "{'driver': 'virtio-9p-pci', 'id': 'p1', 'fsdev': 'f0', 'mount_tag': 'other', "
                     "'addr': '5'}");
        *second = (Client){ .qt = c->qt };
        qvirtio_open_one(&second->v, &second->q, second->qt, 0x28, 1);
        second->request = qvirtio_alloc(&second->v, ROOM);
        second->answer = qvirtio_alloc(&second->v, ROOM);
        mount_it(second);
        open_file(second, 1);
        assert_reads(second, 1, "contents");
        qtest_qmp_ok(c->qt, "device_del", "{'id': 'p1'}");
        qtest_outl(c->qt, 0xae08, 1u << 5); /* the guest ejects it */
        json_object_put(qtest_event(c->qt, "DEVICE_DELETED"));
    }
    json_object_put(qtest_qmp_error(
        c->qt, "device_add", "{'driver': 'virtio-9p-pci', 'fsdev': 'none', 'mount_tag': 'other'}"));
    json_object_put(
        qtest_qmp_error(c->qt, "device_add", "{'driver': 'virtio-9p-pci', 'fsdev': 'f0'}"));
    g_free(second);
    quit(c, path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio-9p/config", test_config);
    g_test_add_func("/virtio-9p/messages", test_messages);
    g_test_add_func("/virtio-9p/sizes", test_sizes);
    g_test_add_func("/virtio-9p/many", test_many);
    g_test_add_func("/virtio-9p/reset", test_reset);
    g_test_add_func("/virtio-9p/stop", test_stop);
    g_test_add_func("/virtio-9p/save", test_save);
    g_test_add_func("/virtio-9p/plug", test_plug);
    return g_test_run();
}
