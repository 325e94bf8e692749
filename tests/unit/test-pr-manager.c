/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Persistent reservations by a helper: one of our own, which may answer anything, and Debian's. */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/pr-manager.h"
#include "qapi/qapi-events.h"
#include "qom/user-object.h"
#include "util/bytes.h"
#include "util/json.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

/* ---- the helper ---- */

enum { ANSWER = 104 };

typedef struct Helper {
    char *folder, *path;
    int server, sock;
    GThread *thread;
    GMutex mutex;
    /* under it: what is answered, and how often; then it hangs up */
    uint8_t answer[ANSWER + 64];
    size_t size;
    unsigned times;
    bool silent; /* not even greetings */
    /* and what came */
    uint8_t cdb[16], data[64];
    unsigned commands, connections;
    bool got_fd;
} Helper;

static bool read_all(int fd, void *buf, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (uint8_t *)buf + done, size - done);

        if (n <= 0) {
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

/* A command's CDB with its descriptor, which has the file of that place. */
static bool read_command(int sock, uint8_t *cdb, bool *got_fd)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { cdb, 16 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    int fd;

    if (recvmsg(sock, &msg, 0) != 16) {
        return false;
    }
    *got_fd = msg.msg_controllen >= CMSG_LEN(sizeof(int));
    if (*got_fd) {
        memcpy(&fd, CMSG_DATA(&control.align), sizeof(fd));
        close(fd);
    }
    return true;
}

static void serve(Helper *h, int sock)
{
    uint8_t cdb[16], features[4] = { 0 }, data[64];
    bool got_fd;

    if (h->silent) {
        return;
    }
    if (write(sock, features, 4) != 4 || !read_all(sock, features, 4)) {
        return;
    }
    while (read_command(sock, cdb, &got_fd)) {
        size_t size = cdb[0] == 0x5f ? bytes_get_be32(cdb + 5) : 0;
        bool again;

        g_assert_cmpuint(size, <=, sizeof(data));
        if (!read_all(sock, data, size)) {
            return;
        }
        g_mutex_lock(&h->mutex);
        memcpy(h->cdb, cdb, sizeof(cdb));
        memcpy(h->data, data, size);
        h->got_fd = got_fd;
        h->commands++;
        again = h->times && --h->times;
        if (send(sock, h->answer, h->size, MSG_NOSIGNAL) != (ssize_t)h->size) {
            again = false;
        }
        g_mutex_unlock(&h->mutex);
        if (!again) {
            return;
        }
    }
}

static gpointer helper_main(gpointer opaque)
{
    Helper *h = opaque;
    int sock;

    while ((sock = accept(h->server, NULL, NULL)) >= 0) {
        g_mutex_lock(&h->mutex);
        h->connections++;
        h->sock = sock;
        g_mutex_unlock(&h->mutex);
        serve(h, sock);
        g_mutex_lock(&h->mutex);
        h->sock = -1;
        g_mutex_unlock(&h->mutex);
        close(sock);
    }
    return NULL;
}

static void helper_listen(Helper *h)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    g_strlcpy(address.sun_path, h->path, sizeof(address.sun_path));
    h->server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(h->server, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(h->server, 4), ==, 0);
    h->thread = g_thread_new("helper", helper_main, h);
}

static Helper *helper_new(void)
{
    Helper *h = g_new0(Helper, 1);

    h->folder = g_dir_make_tmp(NULL, NULL);
    h->path = g_build_filename(h->folder, "socket", NULL);
    h->times = G_MAXUINT;
    h->size = ANSWER;
    h->sock = -1;
    helper_listen(h);
    return h;
}

static void helper_stop(Helper *h)
{
    g_mutex_lock(&h->mutex);
    if (h->sock >= 0) {
        shutdown(h->sock, SHUT_RDWR);
    }
    g_mutex_unlock(&h->mutex);
    shutdown(h->server, SHUT_RDWR);
    g_thread_join(h->thread);
    close(h->server);
    g_unlink(h->path);
}

static void helper_free(Helper *h)
{
    helper_stop(h);
    g_rmdir(h->folder);
    g_free(h->folder);
    g_free(h->path);
    g_free(h);
}

/* What it answers from now on, @times times. */
static void say(Helper *h, uint32_t status, uint32_t size, size_t bytes, unsigned times)
{
    g_mutex_lock(&h->mutex);
    bytes_put_be(h->answer, status, 4);
    bytes_put_be(h->answer + 4, size, 4);
    for (unsigned i = 8; i < sizeof(h->answer); i++) {
        h->answer[i] = (uint8_t)i;
    }
    h->size = bytes;
    h->times = times;
    g_mutex_unlock(&h->mutex);
}

/* ---- the manager ---- */

static PrManager *make(const char *path, GError **errp)
{
    struct json_object *props = json_object_new_object();
    Object *obj;

    if (path) {
        json_object_object_add(props, "path", json_object_new_string(path));
    }
    obj = user_object_add(TYPE_PR_MANAGER_HELPER, "pr0", props, errp);
    json_object_put(props);
    return obj ? PR_MANAGER(obj) : NULL;
}

static void drop(void)
{
    g_autoptr(GError) err = NULL;

    user_object_del("pr0", &err);
    g_assert_no_error(err);
}

static uint8_t data[64], sense[PR_MANAGER_SENSE];

static int run(PrManager *m, uint8_t code, size_t size)
{
    uint8_t cdb[PR_MANAGER_CDB] = { code };

    bytes_put_be(cdb + (code == 0x5f ? 5 : 7), size, code == 0x5f ? 4 : 2);
    return pr_manager_run(m, STDIN_FILENO, cdb, data, size, sense);
}

static int reserve_in(PrManager *m)
{
    return run(m, 0x5e, sizeof(data));
}

/* ---- tests ---- */

static void test_commands(void)
{
    Helper *h = helper_new();
    PrManager *m = make(h->path, NULL);

    g_assert_nonnull(m);
    g_assert_true(pr_manager_is_connected(m));
    say(h, 0, 8, ANSWER + 8, G_MAXUINT);
    g_assert_cmpint(reserve_in(m), ==, 0);
    g_assert_cmphex(data[7], ==, ANSWER + 7);
    g_assert_cmphex(sense[0], ==, 8);
    g_assert_cmphex(sense[95], ==, 103);
    g_assert_true(h->got_fd);
    say(h, 0x18, 0, ANSWER, G_MAXUINT); /* another one has reserved it */
    memset(data, 0x7b, sizeof(data));
    g_assert_cmpint(run(m, 0x5f, 24), ==, 0x18);
    g_assert_cmphex(h->cdb[8], ==, 24);
    g_assert_cmphex(h->data[23], ==, 0x7b);
    g_assert_cmpuint(h->connections, ==, 1);
    g_assert_cmpint(run(m, 0x5e, PR_MANAGER_DATA_MAX + 1), <, 0);
    drop();
    helper_free(h);
}

/* Each ends the connection, and the next command makes another. */
static void test_hostile(void)
{
    static const struct {
        uint32_t status, size;
        size_t bytes;
    } answers[] = {
        { 0, sizeof(data) + 1, ANSWER }, /* more than was asked for */
        { 0, UINT32_MAX, ANSWER },
        { 256, 0, ANSWER },
        { UINT32_MAX, 0, ANSWER },
        { 0, 8, ANSWER + 7 }, /* too little */
        { 0, 0, ANSWER - 1 },
        { 0, 0, 0 },
    };
    Helper *h = helper_new();
    PrManager *m = make(h->path, NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(answers); i++) {
        say(h, answers[i].status, answers[i].size, answers[i].bytes, 1);
        g_assert_cmpint(reserve_in(m), <, 0);
        g_assert_false(pr_manager_is_connected(m));
        say(h, 0, 0, ANSWER, G_MAXUINT);
        g_assert_cmpint(reserve_in(m), ==, 0);
        g_assert_true(pr_manager_is_connected(m));
        g_assert_cmpuint(h->connections, ==, i + 2);
        say(h, 0, 0, ANSWER, 1); /* it hangs up after an answer */
        g_assert_cmpint(reserve_in(m), ==, 0);
        while (pr_manager_is_connected(m)) {
            g_usleep(1000);
        }
        say(h, 0, 0, ANSWER, G_MAXUINT);
        g_assert_cmpint(reserve_in(m), ==, 0);
        h->connections--;
        say(h, 0, 0, ANSWER, G_MAXUINT);
    }
    /* What comes of a command that wrote is no data. */
    say(h, 0, 1, ANSWER + 1, 1);
    g_assert_cmpint(run(m, 0x5f, 24), <, 0);
    drop();
    helper_free(h);
}

static void test_again(void)
{
    Helper *h = helper_new();
    PrManager *m = make(h->path, NULL);

    helper_stop(h);
    say(h, 0, 0, ANSWER, G_MAXUINT);
    helper_listen(h);
    g_assert_cmpint(reserve_in(m), ==, 0); /* by the new one */
    drop();
    helper_free(h);
}

static void test_none(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *long_path = g_strnfill(200, 'x');
    Helper *h = helper_new();

    g_assert_null(make(NULL, &err));
    g_assert_nonnull(strstr(err->message, "'path' is missing"));
    g_clear_error(&err);
    g_assert_null(make("/nonexistent/socket", &err));
    g_assert_nonnull(strstr(err->message, "qemu-pr-helper"));
    g_clear_error(&err);
    g_assert_null(make(long_path, &err));
    g_assert_nonnull(strstr(err->message, "200 bytes"));
    g_clear_error(&err);
    h->silent = true;
    g_assert_null(make(h->path, &err));
    g_assert_nonnull(strstr(err->message, "says nothing"));
    g_clear_error(&err);
    g_assert_null(pr_manager_get("pr0", &err));
    g_assert_nonnull(strstr(err->message, "pr-manager-helper,id=pr0"));
    helper_free(h);
}

/* Debian's: the descriptor is no disk, which it says by sense data. */
static void test_debian(void)
{
    g_autofree char *program = g_find_program_in_path("qemu-pr-helper");
    g_autofree char *folder = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    g_autofree char *pid_file = g_build_filename(folder, "pid", NULL);
    const char *const argv[] = { program, "-k", path, "-f", pid_file, NULL };
    GPid pid;
    PrManager *m;

    if (!program || !g_spawn_async(NULL, (char **)(uintptr_t)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
                                   NULL, NULL, &pid, NULL)) {
        g_rmdir(folder);
        g_test_skip("there is no qemu-pr-helper (Debian's package qemu-system-common)");
        return;
    }
    while (!(m = make(path, NULL))) {
        g_usleep(1000);
    }
    g_assert_cmpint(reserve_in(m), ==, 2);
    g_assert_cmphex(sense[0], ==, 0x70);
    g_assert_cmphex(sense[2], ==, 0x0b);
    g_assert_cmpint(run(m, 0x5f, 24), ==, 2);
    drop();
    kill(pid, SIGTERM);
    g_spawn_close_pid(pid);
    while (g_access(path, F_OK) == 0 && kill(pid, 0) == 0 && waitpid(pid, NULL, WNOHANG) == 0) {
        g_usleep(1000);
    }
    g_unlink(path);
    g_unlink(pid_file);
    g_rmdir(folder);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    machine_lock();
    g_test_add_func("/pr-manager/commands", test_commands);
    g_test_add_func("/pr-manager/hostile", test_hostile);
    g_test_add_func("/pr-manager/again", test_again);
    g_test_add_func("/pr-manager/none", test_none);
    g_test_add_func("/pr-manager/debian", test_debian);
    return g_test_run();
}
