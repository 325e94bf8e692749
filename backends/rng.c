/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/rng-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "util/error.h"
#include "util/loop.h"

typedef struct Request {
    size_t len;
    RngReceive *receive;
    void *opaque;
} Request;

/* rng-builtin and rng-random. */
typedef struct RngFile {
    RngBackend parent;
    char *filename; /* property of rng-random */
    int fd;         /* of it; -1: the kernel's generator */
    bool ended;     /* the file has no more */
    GSource *watch; /* in the main loop while somebody waits and more can come; else NULL */
} RngFile;
OBJECT_CAST_DEFINE(RngFile, RNG_FILE, TYPE_RNG_FILE)

/* ---- requests ---- */

static const RngClass *class_of(RngBackend *rng)
{
    return object_ops(OBJECT(rng));
}

void rng_request(RngBackend *rng, size_t len, RngReceive *receive, void *opaque)
{
    Request *request = g_new(Request, 1);

    *request = (Request){ len, receive, opaque };
    g_queue_push_tail(rng->waiting, request);
    class_of(rng)->wanted(rng);
}

void rng_cancel(RngBackend *rng, void *opaque)
{
    for (GList *at = rng->waiting->head; at; at = at->next) {
        Request *request = at->data;

        if (request->opaque == opaque) {
            g_queue_delete_link(rng->waiting, at);
            g_free(request);
            break;
        }
    }
    if (class_of(rng)->unwanted && g_queue_is_empty(rng->waiting)) {
        class_of(rng)->unwanted(rng);
    }
}

size_t rng_wanted(const RngBackend *rng)
{
    const Request *request = g_queue_peek_head(rng->waiting);

    return request ? MIN(request->len, RNG_MAX_BYTES) : 0;
}

void rng_give(RngBackend *rng, uint8_t *data, size_t len)
{
    g_autofree Request *done = g_queue_pop_head(rng->waiting);

    if (done) {
        done->receive(done->opaque, data, MIN(len, done->len)); /* which may ask for more */
    }
    explicit_bzero(data, len);
}

/* ---- files, and the kernel ---- */

static void stop_watch(RngFile *rng)
{
    if (rng->watch) {
        g_source_destroy(rng->watch);
        g_clear_pointer(&rng->watch, g_source_unref);
    }
}

/* 0: nothing now. */
static size_t get_bytes(RngFile *rng, uint8_t *data, size_t len)
{
    ssize_t got = rng->fd < 0 ? getrandom(data, len, 0) : read(rng->fd, data, len);

    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
        error_warn("rng '%s': %s has no more random bytes: %s",
                   rng->parent.parent.name ? rng->parent.parent.name : "",
                   rng->fd < 0 ? "the host's kernel" : rng->filename,
                   got ? g_strerror(errno) : "its end is reached");
        rng->ended = true;
        return 0;
    }
    return got < 0 ? 0 : (size_t)got;
}

static gboolean serve(RngFile *rng)
{
    uint8_t data[RNG_MAX_BYTES];
    size_t len = get_bytes(rng, data, rng_wanted(&rng->parent));

    if (len) {
        rng_give(&rng->parent, data, len);
    }
    if (rng->ended || !rng_wanted(&rng->parent)) {
        stop_watch(rng);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    return serve(opaque);
}

static gboolean idle(gpointer opaque)
{
    return serve(opaque);
}

static void file_wanted(RngBackend *backend)
{
    RngFile *rng = RNG_FILE(backend);

    if (rng->watch || rng->ended) {
        return;
    }
    if (rng->fd < 0) {
        rng->watch = g_idle_source_new();
        g_source_set_priority(rng->watch, G_PRIORITY_DEFAULT);
        g_source_set_callback(rng->watch, idle, rng, NULL);
    } else {
        rng->watch = g_unix_fd_source_new(rng->fd, G_IO_IN | G_IO_HUP | G_IO_ERR);
        g_source_set_callback(rng->watch, G_SOURCE_FUNC(readable), rng, NULL);
    }
    loop_attach(loop_main(), rng->watch);
}

static void file_unwanted(RngBackend *rng)
{
    stop_watch(RNG_FILE(rng));
}

/* ---- the objects ---- */

static void rng_init(Object *obj)
{
    RNG_BACKEND(obj)->waiting = g_queue_new();
}

static void rng_finalize(Object *obj)
{
    g_queue_free_full(RNG_BACKEND(obj)->waiting, g_free);
}

static void file_init(Object *obj)
{
    RNG_FILE(obj)->fd = -1;
}

static void file_finalize(Object *obj)
{
    RngFile *rng = RNG_FILE(obj);

    stop_watch(rng);
    if (rng->fd >= 0) {
        close(rng->fd);
    }
}

static bool random_complete(Object *obj, GError **errp)
{
    RngFile *rng = RNG_FILE(obj);

    if (!rng->filename || !*rng->filename) {
        error_set(errp, "'filename' is empty: it must name a source of random bytes, such as "
                        "/dev/urandom");
        return false;
    }
    rng->fd = open(rng->filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (rng->fd < 0) {
        error_set_errno(errp, errno, "could not open %s", rng->filename);
        return false;
    }
    return true;
}

static const ObjectType rng_type = {
    .name = TYPE_RNG_BACKEND,
    .parent = "object",
    .description = "a source of random bytes",
    .instance_size = sizeof(RngBackend),
    .abstract = true,
    .init = rng_init,
    .finalize = rng_finalize,
};
OBJECT_TYPE_REGISTER(rng_type)

static const RngClass file_ops = { .wanted = file_wanted, .unwanted = file_unwanted };

static const ObjectType file_type = {
    .name = TYPE_RNG_FILE,
    .parent = TYPE_RNG_BACKEND,
    .description = "random bytes that are read",
    .instance_size = sizeof(RngFile),
    .abstract = true,
    .ops = &file_ops,
    .init = file_init,
    .finalize = file_finalize,
};
OBJECT_TYPE_REGISTER(file_type)

static const ObjectType builtin_type = {
    .name = TYPE_RNG_BUILTIN,
    .parent = TYPE_RNG_FILE,
    .description = "random bytes of the host's kernel",
    .user_creatable = true,
};
OBJECT_TYPE_REGISTER(builtin_type)

static const Property random_properties[] = {
    { .name = "filename",
      .kind = PROP_STRING,
      .offset = offsetof(RngFile, filename),
      .description = "a file to read random bytes from",
      .has_default = true,
      .default_str = "/dev/urandom" },
    { 0 },
};

static const ObjectType random_type = {
    .name = TYPE_RNG_RANDOM,
    .parent = TYPE_RNG_FILE,
    .description = "random bytes of a file",
    .user_creatable = true,
    .properties = random_properties,
    .complete = random_complete,
};
OBJECT_TYPE_REGISTER(random_type)
