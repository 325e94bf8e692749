/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/gl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include <virgl/virglrenderer.h>

#include "util/error.h"
#include "util/loaded-libraries.h"
#include "util/main-loop.h"

enum {
    FENCE_MS = 50,     /* between two looks at a fence, if nobody says that it is there */
    DRM_MAJOR = 226,   /* of device files of GPUs */
    STOP_US = 1000000, /* that jobs may take when the program ends */
};

static struct {
    GThread *thread; /* NULL: there is none */
    GMutex lock;
    GCond idle;        /* a job was done */
    GAsyncQueue *jobs; /* of GlJob * */
    int node;          /* of the GPU that draws, until the renderer has taken it; -1: none */
    const char *owner; /* who has the renderer; machine lock */
    void (*end)(void *opaque); /* the owner's */
    void *opaque;
    unsigned pending;   /* jobs that are not done; lock */
    gint stopping;      /* atomic: fences are not waited for any more */
    uint32_t made;      /* fences; GL thread, as the next one */
    uint32_t signalled; /* the last one that GL has reached */
} gl;

/* ---- the renderer; GL thread ---- */

static void write_fence(void *cookie, uint32_t fence)
{
    gl.signalled = fence;
}

/* What it has to say is about what guests do: they shall not fill the host's log. */
static void say_nothing(const char *fmt, va_list ap)
{
}

/* It closes it. */
static int take_node(void *cookie)
{
    return gl.node < 0 ? -1 : fcntl(gl.node, F_DUPFD_CLOEXEC, 0);
}

static struct virgl_renderer_callbacks callbacks = { .version = 2,
                                                     .write_fence = write_fence,
                                                     .get_drm_fd = take_node };

static void init_renderer(void *opaque)
{
    int *error = opaque;
    int flags = VIRGL_RENDERER_USE_EGL | VIRGL_RENDERER_THREAD_SYNC;

    virgl_set_debug_callback(say_nothing);
    *error = virgl_renderer_init(&gl, flags | (gl.node < 0 ? VIRGL_RENDERER_USE_SURFACELESS : 0),
                                 &callbacks);
    loaded_libraries_keep(); /* Mesa unloads its driver with what that has allocated */
}

static void end_renderer(void *opaque)
{
    if (gl.owner) {
        gl.end(gl.opaque);
    }
    virgl_renderer_cleanup(&gl);
}

void gl_finish(void)
{
    const uint32_t fence = ++gl.made;

    if (virgl_renderer_create_fence((int)fence, 0) != 0) {
        return;
    }
    while (gl.signalled != fence && !g_atomic_int_get(&gl.stopping)) {
        struct pollfd fd = { virgl_renderer_get_poll_fd(), POLLIN, 0 };

        poll(&fd, 1, fd.fd < 0 ? 1 : FENCE_MS);
        virgl_renderer_poll();
    }
}

/* ---- the thread ---- */

static void end_thread(GlJob *job)
{
}

/* It comes as the last one, and stays its caller's. */
static GlJob last_job = { end_thread, NULL };

static void job_done(void *opaque)
{
    GlJob *job = opaque;

    job->done(job);
}

static gpointer run_thread(gpointer opaque)
{
    GlJob *job;

    do {
        job = g_async_queue_pop(gl.jobs);
        const bool has_done = job->done; /* one without may go with pending */

        job->run(job);
        g_mutex_lock(&gl.lock);
        gl.pending--;
        g_cond_broadcast(&gl.idle);
        g_mutex_unlock(&gl.lock);
        if (has_done) {
            main_loop_schedule(job_done, job);
        }
    } while (job != &last_job);
    return NULL;
}

void gl_add_job(GlJob *job)
{
    g_mutex_lock(&gl.lock);
    gl.pending++;
    g_mutex_unlock(&gl.lock);
    g_async_queue_push(gl.jobs, job);
}

enum { JOBS_MANY = 16 };

bool gl_is_behind(void)
{
    bool many;

    g_mutex_lock(&gl.lock);
    many = gl.pending >= JOBS_MANY;
    g_mutex_unlock(&gl.lock);
    return many;
}

typedef struct Call {
    GlJob job;
    void (*fn)(void *opaque);
    void *opaque;
} Call;

static void run_call(GlJob *job)
{
    const Call *call = (Call *)job;

    call->fn(call->opaque);
}

void gl_call(void (*fn)(void *opaque), void *opaque)
{
    Call call = { { run_call, NULL }, fn, opaque };

    gl_add_job(&call.job);
    g_mutex_lock(&gl.lock);
    while (gl.pending) {
        g_cond_wait(&gl.idle, &gl.lock);
    }
    g_mutex_unlock(&gl.lock);
}

/* ---- for others ---- */

static bool start(GError **errp)
{
    int error;

    gl.jobs = g_async_queue_new();
    gl.thread = g_thread_new("gl", run_thread, NULL);
    gl_call(init_renderer, &error);
    if (error) {
        gl_add_job(&last_job);
        g_thread_join(g_steal_pointer(&gl.thread));
        g_clear_pointer(&gl.jobs, g_async_queue_unref);
        error_set(errp, gl.node < 0
                            ? "there is no EGL that draws in memory (surfaceless): install Mesa's "
                              "libegl1 and libgl1-mesa-dri"
                            : "EGL cannot draw by it; without rendernode= it draws in memory");
        return false;
    }
    return true;
}

/* What is none, EGL would pass over, and draw by the CPU. */
static int open_node(const char *path, GError **errp)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct stat st;

    if (fd < 0) {
        error_set_errno(errp, errno, "rendernode=%s", path);
        return -1;
    }
    if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || major(st.st_rdev) != DRM_MAJOR) {
        error_set(errp,
                  "rendernode=%s: it is none; GPUs of the host have /dev/dri/renderD128 and "
                  "the like",
                  path);
        close(fd);
        return -1;
    }
    return fd;
}

bool gl_start(const char *node, GError **errp)
{
    gl.node = node ? open_node(node, errp) : -1;
    if (node && gl.node < 0) {
        return false;
    }
    bool ok = start(errp);
    if (node) {
        if (!ok) {
            g_prefix_error(errp, "rendernode=%s: ", node);
        }
        close(gl.node);
    }
    return ok;
}

bool gl_is_there(void)
{
    return gl.thread;
}

/* Has it done all? Waits for a while. */
static bool becomes_idle(void)
{
    const gint64 until = g_get_monotonic_time() + STOP_US;
    bool idle;

    g_mutex_lock(&gl.lock);
    while (gl.pending && g_cond_wait_until(&gl.idle, &gl.lock, until)) {
    }
    idle = !gl.pending;
    g_mutex_unlock(&gl.lock);
    return idle;
}

bool gl_stop(void)
{
    if (!gl.thread) {
        return true;
    }
    g_atomic_int_set(&gl.stopping, true);
    if (!becomes_idle()) {
        return false;
    }
    gl_call(end_renderer, NULL);
    gl_add_job(&last_job);
    g_thread_join(g_steal_pointer(&gl.thread));
    g_clear_pointer(&gl.jobs, g_async_queue_unref);
    return true;
}

bool gl_take(const char *who, void (*end)(void *opaque), void *opaque, GError **errp)
{
    if (!gl_is_there()) {
        error_set(errp, "%s draws by GL, which is there with -display egl-headless", who);
        return false;
    }
    if (gl.owner) {
        error_set(errp, "%s has 3D already: there is one card with it", gl.owner);
        return false;
    }
    gl.owner = who;
    gl.end = end;
    gl.opaque = opaque;
    return true;
}

void gl_give_back(void)
{
    gl.owner = NULL;
}
