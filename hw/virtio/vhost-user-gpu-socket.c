/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the other program says of the pictures of vhost-user-gpu, and what it is told. */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hw/virtio/vhost-user-gpu.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/units.h"

#define AT_ONCE (64 * MIB) /* bytes that are taken or copied before others have their turn */
#define MESSAGE (64 * KIB) /* bytes that a message counts as, beside its own */
#define ROWS    64         /* of pixels at once */

enum { PIXEL = 4 };

/* ---- the end ---- */

static void forget_message(VhostUserGpu *s)
{
    s->got = s->pixels_got = 0;
    g_clear_pointer(&s->pixels, pixman_image_unref);
    if (s->message_fd >= 0) {
        close(s->message_fd);
        s->message_fd = -1;
    }
}

static void forget_shared(VhostGpuShared *shared)
{
    if (shared->map) {
        munmap(shared->map, shared->size);
    }
    *shared = (VhostGpuShared){ 0 };
}

void vhost_gpu_disconnect(VhostUserGpu *s)
{
    if (s->fd < 0) {
        return;
    }
    if (s->vhost) {
        s->vhost->user.side_fd = -1;
    }
    g_source_destroy(s->source);
    g_clear_pointer(&s->source, g_source_unref);
    close(s->fd);
    s->fd = -1;
    forget_message(s);
    for (unsigned i = 0; i < VIRTIO_GPU_MAX_SCANOUTS; i++) {
        forget_shared(&s->shared[i]);
    }
    virtio_gpu_reset_scanouts(&s->parent);
}

/* What it said makes no sense, or it is gone. */
static bool fail(VhostUserGpu *s, const char *what)
{
    GError *err = NULL;

    error_set(&err, "%s", what);
    vhost_gpu_disconnect(s);
    vhost_fail(s->vhost, "its back-end's pictures", err);
    return false;
}

/* ---- answers ---- */

static bool answer(VhostUserGpu *s, const void *payload, uint32_t size)
{
    const VhostGpuHeader header = { s->message.header.request, VHOST_GPU_REPLY, size };
    struct iovec iov[] = { { (void *)(uintptr_t)&header, sizeof(header) },
                           { (void *)(uintptr_t)payload, size } };
    const struct msghdr msg = { .msg_iov = iov, .msg_iovlen = size ? 2 : 1 };

    if (sendmsg(s->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)(sizeof(header) + size)) {
        return fail(s, "it does not take an answer");
    }
    return true;
}

static bool get_protocol_features(VhostUserGpu *s, const void *payload)
{
    const uint64_t none = 0;

    return answer(s, &none, sizeof(none));
}

static bool set_protocol_features(VhostUserGpu *s, const void *payload)
{
    return true;
}

static bool get_display_info(VhostUserGpu *s, const void *payload)
{
    struct {
        VirtioGpuHeader header;
        VirtioGpuDisplayInfo info;
    } reply = { .header.type = VIRTIO_GPU_OK_DISPLAY_INFO };

    virtio_gpu_display_info(&s->parent, &reply.info);
    return answer(s, &reply, sizeof(reply));
}

/* ---- pictures ---- */

static VirtioGpuScanout *scanout_of(VhostUserGpu *s, uint32_t number)
{
    return number < s->parent.max_outputs ? &s->parent.scanouts[number] : NULL;
}

static bool move_cursor(VhostUserGpu *s, const VhostGpuPlace *place, bool visible)
{
    VirtioGpuScanout *scanout = scanout_of(s, place->scanout);

    if (!scanout) {
        return fail(s, "a pointer of an output that there is not");
    }
    scanout->cursor_x = place->x;
    scanout->cursor_y = place->y;
    scanout->cursor_resource = visible;
    scanout->cursor_moved = true;
    return true;
}

static bool cursor_pos(VhostUserGpu *s, const void *payload)
{
    return move_cursor(s, payload, true);
}

static bool cursor_hide(VhostUserGpu *s, const void *payload)
{
    return move_cursor(s, payload, false);
}

static bool cursor_update(VhostUserGpu *s, const void *payload)
{
    const VhostGpuCursor *cursor = payload;
    VirtioGpuScanout *scanout = scanout_of(s, cursor->place.scanout);

    if (!move_cursor(s, &cursor->place, true)) {
        return false;
    }
    memcpy(scanout->cursor, cursor->argb, sizeof(cursor->argb));
    scanout->hot_x = cursor->hot_x;
    scanout->hot_y = cursor->hot_y;
    scanout->new_cursor = true;
    return true;
}

static bool show(VhostUserGpu *s, VirtioGpuScanout *scanout, uint32_t width, uint32_t height)
{
    const VirtioGpu *gpu = &s->parent;

    if (!scanout) {
        return fail(s, "a picture of an output that there is not");
    }
    forget_shared(&s->shared[scanout - gpu->scanouts]);
    if (!width || !height) {
        virtio_gpu_hide(&s->parent, scanout);
        return true;
    }
    if (width > CONSOLE_SIZE_MAX || height > CONSOLE_SIZE_MAX ||
        !virtio_gpu_new_surface(&s->parent, scanout, width, height)) {
        return fail(s, "a picture for which there is no room: max_hostmem= says how much there is");
    }
    return true;
}

static bool set_scanout(VhostUserGpu *s, const void *payload)
{
    const VhostGpuScanout *scanout = payload;

    return show(s, scanout_of(s, scanout->scanout), scanout->width, scanout->height);
}

/* The scanout that shows all of the rectangle; NULL: the connection has ended. */
static VirtioGpuScanout *take_rectangle(VhostUserGpu *s, const VhostGpuUpdate *u)
{
    VirtioGpuScanout *scanout = scanout_of(s, u->scanout);
    uint32_t width, height;

    if (!scanout || !scanout->surface) {
        fail(s, "a change of an output that shows nothing");
        return NULL;
    }
    width = (uint32_t)pixman_image_get_width(scanout->surface);
    height = (uint32_t)pixman_image_get_height(scanout->surface);
    if (!u->width || !u->height || u->x > width || u->width > width - u->x || u->y > height ||
        u->height > height - u->y) {
        fail(s, "a change of what is not in the picture");
        return NULL;
    }
    return scanout;
}

static void changed(VirtioGpuScanout *scanout, const VhostGpuUpdate *u)
{
    const pixman_box32_t box = { (int)u->x, (int)u->y, (int)(u->x + u->width),
                                 (int)(u->y + u->height) };

    virtio_gpu_changed(scanout, &box);
}

static size_t row_bytes(const VhostUserGpu *s)
{
    return (size_t)s->update.width * PIXEL;
}

/* The pixels follow. */
static bool update(VhostUserGpu *s, const void *payload)
{
    VirtioGpuScanout *scanout;

    memcpy(&s->update, payload, sizeof(s->update));
    scanout = take_rectangle(s, &s->update);
    if (!scanout) {
        return false;
    }
    if (s->message.header.size - sizeof(s->update) != row_bytes(s) * s->update.height) {
        return fail(s, "a change with more or fewer pixels than it has");
    }
    s->pixels = pixman_image_ref(scanout->surface);
    s->pixels_got = 0;
    return true;
}

static uint8_t *row_at(const VhostUserGpu *s, size_t row)
{
    uint8_t *data = (uint8_t *)pixman_image_get_data(s->pixels);

    return data + (s->update.y + row) * (size_t)pixman_image_get_stride(s->pixels) +
           (size_t)s->update.x * PIXEL;
}

/* The next pixels, straight to where they belong. Bytes of them; 0: there are none now. */
static size_t take_pixels(VhostUserGpu *s)
{
    const size_t row = row_bytes(s), first = s->pixels_got / row;
    const size_t count = MIN(ROWS, s->update.height - first);
    struct iovec iov[ROWS];
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = count };
    VirtioGpuScanout *scanout;
    ssize_t n;

    for (size_t i = 0; i < count; i++) {
        size_t skip = i ? 0 : s->pixels_got % row;

        iov[i] = (struct iovec){ row_at(s, first + i) + skip, row - skip };
    }
    n = recvmsg(s->fd, &msg, MSG_DONTWAIT);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail(s, "it has ended in the middle of a change");
        }
        return 0;
    }
    s->pixels_got += (size_t)n;
    if (s->pixels_got == row * s->update.height) {
        scanout = &s->parent.scanouts[s->update.scanout];
        if (scanout->surface == s->pixels) { /* no reset came in between */
            changed(scanout, &s->update);
        }
        forget_message(s);
    }
    return (size_t)n;
}

/* ---- memory of the other program ---- */

/* Is it plain memory, or a device's (a dma-buf)? Pages of any other file may come when its owner
 * likes. What is asked here, nobody but the host's kernel answers. */
static bool is_memory(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", fd);
    g_autofree char *info = NULL;

    return fcntl(fd, F_GET_SEALS) >= 0 ||
           (g_file_get_contents(path, &info, NULL, NULL) && strstr(info, "\nexp_name:"));
}

static bool dmabuf_scanout(VhostUserGpu *s, const void *payload)
{
    enum { XRGB8888 = 0x34325258, ARGB8888 = 0x34325241 };
    const VhostGpuDmabuf *d = payload;
    VirtioGpuScanout *scanout = scanout_of(s, d->scanout);
    uint64_t size = (uint64_t)d->fd_stride * d->fd_height;
    void *map;

    if (!show(s, scanout, d->width, d->height)) {
        return false;
    }
    if (!scanout->surface) {
        return true;
    }
    if (s->message_fd < 0 || !is_memory(s->message_fd) ||
        (d->fd_fourcc != XRGB8888 && d->fd_fourcc != ARGB8888) || d->x > d->fd_width ||
        d->width > d->fd_width - d->x || d->y > d->fd_height || d->height > d->fd_height - d->y ||
        d->fd_stride / PIXEL < d->fd_width) {
        return fail(s, "memory that is no picture of 32-bit pixels, with this output in it");
    }
    map = mmap(NULL, size, PROT_READ, MAP_SHARED, s->message_fd, 0);
    if (map == MAP_FAILED) {
        return fail(s, "memory that cannot be mapped: start it without access to a GPU");
    }
    s->shared[d->scanout] = (VhostGpuShared){ map, size, d->fd_stride,
                                              (size_t)d->y * d->fd_stride + (size_t)d->x * PIXEL };
    return true;
}

/* A row of shared memory, by way of a file: if the other program has cut it off, that is an error
 * and no signal. */
static bool copy_row(VhostUserGpu *s, const VhostGpuShared *shared, size_t at, uint8_t *to)
{
    const size_t size = row_bytes(s);

    return at <= shared->size && size <= shared->size - at &&
           pwrite(s->copy_fd, (const uint8_t *)shared->map + at, size, 0) == (ssize_t)size &&
           pread(s->copy_fd, to, size, 0) == (ssize_t)size;
}

static bool dmabuf_update(VhostUserGpu *s, const void *payload)
{
    VirtioGpuScanout *scanout;
    const VhostGpuShared *shared;
    bool ok = true;

    memcpy(&s->update, payload, sizeof(s->update));
    scanout = take_rectangle(s, &s->update);
    if (!scanout) {
        return false;
    }
    shared = &s->shared[s->update.scanout];
    if (s->copy_fd < 0) {
        s->copy_fd = memfd_create("vhost-user-gpu", MFD_CLOEXEC);
    }
    if (!shared->map || s->copy_fd < 0) {
        return fail(s, "a change of memory that there is not");
    }
    s->pixels = pixman_image_ref(scanout->surface);
    for (size_t i = 0; i < s->update.height && ok; i++) {
        ok = copy_row(s, shared,
                      shared->first + (s->update.y + i) * shared->stride +
                          (size_t)s->update.x * PIXEL,
                      row_at(s, i));
    }
    g_clear_pointer(&s->pixels, pixman_image_unref);
    s->copied += row_bytes(s) * s->update.height;
    changed(scanout, &s->update);
    return ok ? answer(s, NULL, 0) : fail(s, "memory that it has cut off");
}

/* ---- messages ---- */

static const struct {
    bool (*run)(VhostUserGpu *s, const void *payload); /* false: the connection has ended */
    uint32_t size;                                     /* of what is behind the header */
    bool more;                                         /* pixels follow */
} messages[VHOST_GPU_MESSAGES] = {
    [VHOST_GPU_GET_PROTOCOL_FEATURES] = { get_protocol_features, 0 },
    [VHOST_GPU_SET_PROTOCOL_FEATURES] = { set_protocol_features, sizeof(uint64_t) },
    [VHOST_GPU_GET_DISPLAY_INFO] = { get_display_info, 0 },
    [VHOST_GPU_CURSOR_POS] = { cursor_pos, sizeof(VhostGpuPlace) },
    [VHOST_GPU_CURSOR_POS_HIDE] = { cursor_hide, sizeof(VhostGpuPlace) },
    [VHOST_GPU_CURSOR_UPDATE] = { cursor_update, sizeof(VhostGpuCursor) },
    [VHOST_GPU_SCANOUT] = { set_scanout, sizeof(VhostGpuScanout) },
    [VHOST_GPU_UPDATE] = { update, sizeof(VhostGpuUpdate), true },
    [VHOST_GPU_DMABUF_SCANOUT] = { dmabuf_scanout, sizeof(VhostGpuDmabuf) },
    [VHOST_GPU_DMABUF_UPDATE] = { dmabuf_update, sizeof(VhostGpuUpdate) },
};

/* Bytes of the message that are to come, before it can be carried out; the header is the first of
 * them. False: it is none. */
static bool wanted(VhostUserGpu *s, size_t *left)
{
    const VhostGpuHeader *header = &s->message.header;

    *left = sizeof(*header) - MIN(s->got, sizeof(*header));
    if (*left) {
        return true;
    }
    if (header->request >= VHOST_GPU_MESSAGES || !messages[header->request].run ||
        (messages[header->request].more ? header->size < messages[header->request].size
                                        : header->size != messages[header->request].size)) {
        return fail(s, "a message that there is not, or of another size");
    }
    *left = sizeof(*header) + messages[header->request].size - s->got;
    return true;
}

/* The last descriptor that came. Alignment makes room for more than one. */
static void take_fds(VhostUserGpu *s, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            if (s->message_fd >= 0) {
                close(s->message_fd);
            }
            memcpy(&s->message_fd, CMSG_DATA(c) + at, sizeof(int));
        }
    }
}

/* Some of the next message. Bytes of it; 0: there is nothing now. */
static size_t take_message(VhostUserGpu *s)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = { s->message.bytes + s->got, 0 };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    size_t left;
    ssize_t n;

    if (!wanted(s, &iov.iov_len)) {
        return 0;
    }
    n = recvmsg(s->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            fail(s, "it has ended them");
        }
        return 0;
    }
    take_fds(s, &msg);
    s->got += (size_t)n;
    if (!wanted(s, &left)) {
        return 0;
    }
    if (!left) {
        if (!messages[s->message.header.request].run(s,
                                                     s->message.bytes + sizeof(VhostGpuHeader))) {
            return 0;
        }
        if (!s->pixels) {
            forget_message(s);
        }
    }
    return (size_t)n;
}

void vhost_gpu_serve(VhostUserGpu *s)
{
    size_t n = 1;

    s->copied = 0;
    for (size_t done = 0; s->fd >= 0 && n && done + s->copied < AT_ONCE;) {
        const bool pixels = s->pixels;

        n = pixels ? take_pixels(s) : take_message(s);
        done += pixels ? n : n + MESSAGE;
    }
}

static gboolean came(gint fd, GIOCondition condition, gpointer opaque)
{
    vhost_gpu_serve(opaque);
    return G_SOURCE_CONTINUE;
}

bool vhost_gpu_connect(VhostUserGpu *s, GError **errp)
{
    int fds[2];
    bool ok;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        error_set_errno(errp, errno, "cannot make a socket for pictures");
        return false;
    }
    s->fd = s->vhost->user.side_fd = fds[0];
    s->source = g_unix_fd_source_new(fds[0], G_IO_IN | G_IO_HUP);
    g_source_set_callback(s->source, G_SOURCE_FUNC(came), s, NULL);
    loop_attach(loop_main(), s->source);
    ok = vhost_user_send(&s->vhost->user, VHOST_USER_GPU_SET_SOCKET, NULL, 0, &fds[1], 1, errp);
    close(fds[1]);
    if (!ok) {
        vhost_gpu_disconnect(s);
    }
    return ok;
}
