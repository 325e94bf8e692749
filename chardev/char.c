/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Character devices: the base type, front ends, and the moving of bytes for backends that have file
 * descriptors.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "chardev/chardev.h"
#include "util/error.h"

#define UNSENT_MAX  (1024 * 1024)
#define READ_SIZE   4096
#define CLEANUP_TRY 50  /* ms that exit waits for a slow reader */
#define STALLED_TRY 250 /* ms until a file that could not be written to is tried again */

/* What a write came to, if no bytes went. */
enum {
    WRITE_NOT_NOW = 0, /* poll() tells when */
    WRITE_GONE = -1,   /* the other side is */
    WRITE_STALLED = -2 /* a full disk, for one: nothing tells when */
};

static const ChardevOps *chardev_ops(const Chardev *chr)
{
    static const ChardevOps none;
    const ChardevOps *ops = object_ops(&chr->parent);

    return ops ? ops : &none;
}

/* ---- sources ---- */

GSource *chardev_fd_source(int fd, GIOCondition condition, GUnixFDSourceFunc fn, void *opaque)
{
    GSource *source = g_unix_fd_source_new(fd, condition);

    g_source_set_callback(source, G_SOURCE_FUNC(fn), opaque, NULL);
    g_source_attach(source, NULL);
    return source;
}

GSource *chardev_timeout_source(guint ms, GSourceFunc fn, void *opaque)
{
    GSource *source = g_timeout_source_new(ms);

    g_source_set_callback(source, fn, opaque, NULL);
    g_source_attach(source, NULL);
    return source;
}

void chardev_source_end(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

static GSource *soon(GSourceFunc fn, void *opaque)
{
    GSource *source = g_idle_source_new();

    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, fn, opaque, NULL);
    g_source_attach(source, NULL);
    return source;
}

/* ---- events ---- */

void chardev_tell_frontend(CharFrontend *fe, CharEvent event)
{
    if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        bool opened = event == CHAR_EVENT_OPENED;

        if (opened) {
            chardev_source_end(&fe->opened_source);
        }
        if (fe->opened == opened) {
            return;
        }
        fe->opened = opened;
    }
    if (fe->event) {
        fe->event(fe->opaque, event);
    }
}

static gboolean frontend_opened(gpointer opaque)
{
    chardev_tell_frontend(opaque, CHAR_EVENT_OPENED);
    return G_SOURCE_REMOVE;
}

/* Send OPENED to @fe from the main loop. */
static void schedule_opened(CharFrontend *fe)
{
    if (!fe->opened_source) {
        fe->opened_source = soon(frontend_opened, fe);
    }
}

/* ---- input ---- */

static void input_start(Chardev *chr);

/* Is @err one that passes, without the other side being gone? */
static bool is_stall(int err)
{
    return err == ENOSPC || err == EDQUOT || err == ENOBUFS || err == ENOMEM;
}

static gboolean input_again(gpointer opaque)
{
    Chardev *chr = opaque;

    chardev_source_end(&chr->in_source);
    input_start(chr);
    return G_SOURCE_REMOVE;
}

static int frontend_room(const CharFrontend *fe)
{
    return fe->can_receive ? fe->can_receive(fe->opaque) : READ_SIZE;
}

static void hangup(Chardev *chr)
{
    const ChardevOps *ops = chardev_ops(chr);

    chardev_source_end(&chr->hangup_source);
    chr->end_of_input = false;
    if (ops->hangup) {
        ops->hangup(chr);
    }
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);
    Chardev *chr = CHARDEV(hold);
    const ChardevOps *ops = chardev_ops(chr);
    uint8_t buf[READ_SIZE];
    int room = chr->fe ? frontend_room(chr->fe) : 0;
    ssize_t n;

    if (room <= 0) {
        chardev_source_end(&chr->in_source);
        return G_SOURCE_REMOVE;
    }
    room = MIN(room, READ_SIZE);
    n = ops->read ? ops->read(chr, buf, room) : read(fd, buf, room);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (n <= 0) {
        int err = n < 0 ? errno : 0;

        chardev_source_end(&chr->in_source);
        if (err && is_stall(err)) {
            chr->in_source = chardev_timeout_source(STALLED_TRY, input_again, chr);
            return G_SOURCE_REMOVE;
        }
        chr->in_fd = -1;
        if (err && !ops->hangup) {
            error_warn("chardev '%s': nothing more can be read: %s", chr->parent.name,
                       g_strerror(err));
        }
        if (n == 0 && chr->unsent->len) {
            chr->end_of_input =
                true; /* a client that sent its last command still gets its answer */
        } else {
            hangup(chr);
        }
        return G_SOURCE_REMOVE;
    }
    if (chr->fe->receive) {
        chr->fe->receive(chr->fe->opaque, buf, n);
    }
    return G_SOURCE_CONTINUE;
}

static gboolean nobody_hears(gint fd, GIOCondition condition, gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);
    Chardev *chr = CHARDEV(hold);

    chardev_source_end(&chr->in_source);
    hangup(chr);
    return G_SOURCE_REMOVE;
}

static void input_start(Chardev *chr)
{
    if (chr->in_fd < 0 || !chr->connected || chr->end_of_input) {
        return;
    }
    if (!chr->fe || chr->fe->raw) {
        /* What comes is for a front end to come, or for one that reads it itself; but if the other
         * side goes, there is room for the next. */
        if (!chr->in_source) {
            chr->in_source = chardev_fd_source(chr->in_fd, G_IO_HUP | G_IO_ERR, nobody_hears, chr);
        }
        return;
    }
    /* Asked in any case: it is how the front end learns that it may go on. */
    if (frontend_room(chr->fe) > 0 && !chr->in_source) {
        chr->in_source =
            chardev_fd_source(chr->in_fd, G_IO_IN | G_IO_HUP | G_IO_ERR, readable, chr);
    }
}

void char_accept_input(CharFrontend *fe)
{
    const ChardevOps *ops;

    if (!fe->chr) {
        return;
    }
    ops = chardev_ops(fe->chr);
    if (ops->accept_input) {
        ops->accept_input(fe->chr, fe);
    } else {
        input_start(fe->chr);
    }
}

/* ---- output ---- */

static gboolean hangup_later(gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);

    hangup(CHARDEV(hold));
    return G_SOURCE_REMOVE;
}

static void unsent_clear(Chardev *chr)
{
    chardev_source_end(&chr->out_source);
    g_byte_array_set_size(chr->unsent, 0);
    chr->unsent_pos = 0;
    chr->stalled = false;
}

/* The other side cannot be written to, as errno says. The front end is told from the main loop,
 * since it may be in the middle of something. A backend that has no other side to wait for goes on
 * trying: somebody may read the FIFO again. */
static void output_failed(Chardev *chr)
{
    int err = errno;
    bool said = chr->stalled;

    unsent_clear(chr);
    if (!chardev_ops(chr)->hangup) {
        chr->stalled = true;
        if (!said) {
            error_warn("chardev '%s': output is lost: %s", chr->parent.name, g_strerror(err));
        }
        return;
    }
    chr->out_fd = -1;
    if (!chr->hangup_source) {
        chr->hangup_source = soon(hangup_later, chr);
    }
}

/* Is @err of a write to @fd one? A terminal says EIO when the other side is gone; a file, when its
 * disk fails. */
static bool is_write_stall(int fd, int err)
{
    struct stat st;

    if (is_stall(err)) {
        return true;
    }
    return (err == EIO || err == EFBIG) && fstat(fd, &st) == 0 &&
           (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
}

/* Bytes written, or WRITE_...; with errno, then. */
static ssize_t write_some(int fd, const uint8_t *buf, size_t len)
{
    ssize_t n = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ENOTSOCK) {
        n = write(fd, buf, len);
    }
    if (n >= 0) {
        return n;
    }
    int err = errno;
    if (err == EAGAIN || err == EINTR) {
        return WRITE_NOT_NOW;
    }
    n = is_write_stall(fd, err) ? WRITE_STALLED : WRITE_GONE;
    errno = err;
    return n;
}

static gboolean try_again(gpointer opaque);

/* As errno says: try again later, for as long as it takes. */
static void stall(Chardev *chr)
{
    if (!chr->stalled) {
        chr->stalled = true;
        error_warn("chardev '%s': output waits: %s; what comes when %d KiB wait is lost",
                   chr->parent.name, g_strerror(errno), UNSENT_MAX / 1024);
    }
    chardev_source_end(&chr->out_source);
    chr->out_source = chardev_timeout_source(STALLED_TRY, try_again, chr);
}

static gboolean writable(gint fd, GIOCondition condition, gpointer opaque)
{
    g_autoptr(Object) hold = object_ref(opaque);
    Chardev *chr = CHARDEV(hold);
    GByteArray *unsent = chr->unsent;
    ssize_t n = write_some(fd, unsent->data + chr->unsent_pos, unsent->len - chr->unsent_pos);

    if (n == WRITE_GONE) {
        output_failed(chr);
        return G_SOURCE_REMOVE;
    }
    if (n == WRITE_STALLED) {
        stall(chr);
        return G_SOURCE_REMOVE;
    }
    chr->unsent_pos += n;
    if (chr->unsent_pos < unsent->len) {
        if (chr->unsent_pos >= UNSENT_MAX && chr->unsent_pos >= unsent->len / 2) {
            g_byte_array_remove_range(unsent, 0, chr->unsent_pos);
            chr->unsent_pos = 0;
        }
        return G_SOURCE_CONTINUE;
    }
    unsent_clear(chr);
    if (chr->end_of_input) {
        hangup(chr);
    } else {
        input_start(chr);
    }
    return G_SOURCE_REMOVE;
}

static void wait_writable(Chardev *chr)
{
    chr->out_source = chardev_fd_source(chr->out_fd, G_IO_OUT | G_IO_HUP | G_IO_ERR, writable, chr);
}

static gboolean try_again(gpointer opaque)
{
    Chardev *chr = opaque;

    chardev_source_end(&chr->out_source);
    wait_writable(chr);
    return G_SOURCE_REMOVE;
}

static size_t room_for_output(const Chardev *chr)
{
    size_t waiting = chr->unsent->len - chr->unsent_pos;

    return waiting < UNSENT_MAX ? UNSENT_MAX - waiting : 0;
}

static void output(Chardev *chr, const uint8_t *buf, size_t len, bool keep)
{
    if (!chr->connected || chr->out_fd < 0) {
        return;
    }
    while (len && !chr->unsent->len) {
        ssize_t n = write_some(chr->out_fd, buf, len);

        if (n == WRITE_GONE) {
            output_failed(chr);
            return;
        }
        if (n == WRITE_STALLED) {
            stall(chr);
        }
        if (n <= 0) {
            break;
        }
        chr->stalled = false;
        buf += n;
        len -= n;
    }
    if (!keep) {
        len = MIN(len, room_for_output(chr));
    }
    if (len) {
        g_byte_array_append(chr->unsent, buf, len);
        if (!chr->out_source) {
            wait_writable(chr);
        }
    }
}

/* The bound is that of what was written, since an encoding must not be cut. True if there is one.
 */
static bool output_encoded(Chardev *chr, const uint8_t *buf, size_t len, bool keep)
{
    g_autoptr(GByteArray) encoded = g_byte_array_new();
    size_t most = keep ? len : MIN(len, room_for_output(chr));

    if (!chardev_ops(chr)->encode(chr, buf, most, encoded)) {
        return false;
    }
    if (most) {
        output(chr, encoded->data, encoded->len, true);
    }
    return true;
}

void chardev_answer(Chardev *chr, const uint8_t *buf, size_t len)
{
    if (len <= room_for_output(chr)) {
        output(chr, buf, len, true);
    }
}

/* The log takes what it can: it is a copy. */
static void write_log(Chardev *chr, const void *buf, size_t len)
{
    ssize_t n = chr->log_fd >= 0 ? write(chr->log_fd, buf, len) : (ssize_t)len;

    if (n < (ssize_t)len && !chr->log_stalled) {
        error_warn("chardev '%s': cannot write to '%s': %s; what comes until that is over is lost",
                   chr->parent.name, chr->logfile, g_strerror(n < 0 ? errno : ENOSPC));
    }
    chr->log_stalled = n < (ssize_t)len;
}

void char_write(CharFrontend *fe, const void *buf, size_t len)
{
    Chardev *chr = fe->chr;
    const ChardevOps *ops;

    if (!chr) {
        return;
    }
    write_log(chr, buf, len);
    ops = chardev_ops(chr);
    if (ops->write) {
        ops->write(chr, buf, len);
    } else if (!ops->encode || !output_encoded(chr, buf, len, fe->keep_output)) {
        output(chr, buf, len, fe->keep_output);
    }
}

void char_set_line(CharFrontend *fe, const CharLine *line)
{
    if (fe->chr && chardev_ops(fe->chr)->set_line) {
        chardev_ops(fe->chr)->set_line(fe->chr, line);
    }
}

void char_set_modem(CharFrontend *fe, bool dtr, bool rts)
{
    if (fe->chr && chardev_ops(fe->chr)->set_modem) {
        chardev_ops(fe->chr)->set_modem(fe->chr, dtr, rts);
    }
}

void char_set_break(CharFrontend *fe, bool on)
{
    if (fe->chr && chardev_ops(fe->chr)->set_break) {
        chardev_ops(fe->chr)->set_break(fe->chr, on);
    }
}

void char_set_open(CharFrontend *fe, bool open)
{
    if (fe->chr && chardev_ops(fe->chr)->set_open) {
        chardev_ops(fe->chr)->set_open(fe->chr, open);
    }
}

size_t char_unsent(const CharFrontend *fe)
{
    const Chardev *chr = fe->chr;

    if (!chr) {
        return 0;
    }
    if (chardev_ops(chr)->unsent) {
        return chardev_ops(chr)->unsent(chr);
    }
    return chr->unsent->len - chr->unsent_pos;
}

/* ---- raw front ends ---- */

bool char_can_be_raw(const Chardev *chr)
{
    const ChardevOps *ops = chardev_ops(chr);

    return ops->wait_connected && !ops->has_protocol(chr);
}

int char_fd(const CharFrontend *fe)
{
    return fe->chr && fe->chr->connected ? fe->chr->in_fd : -1;
}

bool char_wait_connected(CharFrontend *fe, GError **errp)
{
    return fe->chr->connected || chardev_ops(fe->chr)->wait_connected(fe->chr, errp);
}

bool char_can_reconnect(const CharFrontend *fe)
{
    return fe->chr && chardev_ops(fe->chr)->can_reconnect(fe->chr);
}

void char_hang_up(CharFrontend *fe)
{
    if (fe->chr && fe->chr->connected && !fe->chr->hangup_source) {
        fe->chr->hangup_source = soon(hangup_later, fe->chr);
    }
}

static void drop_left(Chardev *chr)
{
    if (chr->left) {
        chr->free_left(g_steal_pointer(&chr->left));
    }
}

void char_leave(CharFrontend *fe, gpointer left, GDestroyNotify free)
{
    if (char_fd(fe) < 0) {
        free(left);
        return;
    }
    drop_left(fe->chr);
    fe->chr->left = left;
    fe->chr->free_left = free;
}

gpointer char_left(const CharFrontend *fe)
{
    return fe->chr->left;
}

gpointer char_take_left(CharFrontend *fe)
{
    return g_steal_pointer(&fe->chr->left);
}

/* ---- connecting ---- */

void chardev_connected(Chardev *chr, int in_fd, int out_fd)
{
    chr->in_fd = in_fd;
    chr->out_fd = out_fd;
    chr->connected = true;
    chr->end_of_input = false;
    if (chr->fe) {
        chardev_tell_frontend(chr->fe, CHAR_EVENT_OPENED);
    }
    input_start(chr);
}

void chardev_disconnected(Chardev *chr)
{
    unsent_clear(chr);
    drop_left(chr);
    chardev_source_end(&chr->in_source);
    chardev_source_end(&chr->hangup_source);
    chr->in_fd = chr->out_fd = -1;
    chr->connected = false;
    chr->end_of_input = false;
    if (chr->fe) {
        chardev_source_end(&chr->fe->opened_source);
        chardev_tell_frontend(chr->fe, CHAR_EVENT_CLOSED);
    }
}

bool char_attach(Chardev *chr, CharFrontend *fe, GError **errp)
{
    const ChardevOps *ops = chardev_ops(chr);

    if (ops->attach) {
        if (!ops->attach(chr, fe, errp)) {
            return false;
        }
    } else if (chr->fe) {
        error_set(errp, "chardev '%s' is in use already; to share it, give it mux=on",
                  chr->parent.name);
        return false;
    } else {
        chardev_source_end(&chr->in_source);
        chr->fe = fe;
        fe->chr = chr;
        fe->opened = false;
    }
    object_ref(&chr->parent);
    if (chr->connected) {
        schedule_opened(fe);
        input_start(chr);
    }
    return true;
}

void char_detach(CharFrontend *fe)
{
    Chardev *chr = fe->chr;

    if (!chr) {
        return;
    }
    chardev_source_end(&fe->opened_source);
    fe->opened = false;
    char_set_modem(fe, false, false);
    if (chardev_ops(chr)->detach) {
        chardev_ops(chr)->detach(chr, fe);
    } else {
        chardev_source_end(&chr->in_source);
        chr->fe = NULL;
        input_start(chr);
    }
    fe->chr = NULL;
    object_unref(&chr->parent);
}

void chardev_leave(CharFrontend *fe)
{
    chardev_tell_frontend(fe, CHAR_EVENT_CLOSED);
    char_detach(fe);
}

int char_take_fd(CharFrontend *fe)
{
    return fe->chr && chardev_ops(fe->chr)->take_fd ? chardev_ops(fe->chr)->take_fd(fe->chr) : -1;
}

bool chardev_is_mux(const Chardev *chr)
{
    return chardev_ops(chr)->attach != NULL;
}

bool chardev_in_use(const Chardev *chr)
{
    return chardev_ops(chr)->in_use ? chardev_ops(chr)->in_use(chr) : chr->fe != NULL;
}

char *chardev_filename(const Chardev *chr)
{
    return chardev_ops(chr)->filename
               ? chardev_ops(chr)->filename(chr)
               : g_strdup(object_typename(&chr->parent) + strlen(CHARDEV_TYPE_PREFIX));
}

static Chardev *waiting;

Chardev *chardev_waiting(void)
{
    return waiting;
}

void chardev_set_waiting(Chardev *chr)
{
    waiting = chr;
}

bool chardev_can_yank(const Chardev *chr)
{
    return chardev_ops(chr)->yank != NULL;
}

void chardev_yank(Chardev *chr)
{
    chardev_ops(chr)->yank(chr);
}

void chardev_send_break(Chardev *chr)
{
    if (chardev_ops(chr)->send_break) {
        chardev_ops(chr)->send_break(chr);
    } else if (chr->fe) {
        chardev_tell_frontend(chr->fe, CHAR_EVENT_BREAK);
    }
}

bool chardev_remove(Chardev *chr, GError **errp)
{
    if (chardev_in_use(chr)) {
        error_set(errp, "chardev '%s' is in use; remove the device or monitor that has it first",
                  chr->parent.name);
        return false;
    }
    object_unparent(&chr->parent);
    return true;
}

Chardev *chardev_find(const char *id)
{
    return CHARDEV(object_child(object_container("/chardevs"), id));
}

/* ---- the end ---- */

static void flush(Chardev *chr)
{
    while (chr->out_fd >= 0 && chr->unsent_pos < chr->unsent->len) {
        struct pollfd p = { .fd = chr->out_fd, .events = POLLOUT };
        ssize_t n;

        if (poll(&p, 1, CLEANUP_TRY) <= 0) {
            return;
        }
        n = write_some(chr->out_fd, chr->unsent->data + chr->unsent_pos,
                       chr->unsent->len - chr->unsent_pos);
        if (n <= 0) {
            return;
        }
        chr->unsent_pos += n;
    }
}

void chardev_cleanup(void)
{
    GPtrArray *all = object_container("/chardevs")->children;

    for (guint i = 0; all && i < all->len; i++) {
        Chardev *chr = g_ptr_array_index(all, i);

        flush(chr);
        if (chardev_ops(chr)->cleanup) {
            chardev_ops(chr)->cleanup(chr);
        }
    }
}

/* ---- the type ---- */

static void chardev_init(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    signal(SIGPIPE, SIG_IGN); /* a reader that vanishes is an error of write(), not our end */
    signal(SIGXFSZ, SIG_IGN); /* so is a file that must not grow any more (ulimit -f) */
    chr->in_fd = chr->out_fd = chr->log_fd = -1;
    chr->unsent = g_byte_array_new();
}

static void chardev_finalize(Object *obj)
{
    Chardev *chr = CHARDEV(obj);

    chardev_source_end(&chr->in_source);
    chardev_source_end(&chr->out_source);
    chardev_source_end(&chr->hangup_source);
    drop_left(chr);
    if (chr->log_fd >= 0) {
        close(chr->log_fd);
    }
    g_byte_array_unref(chr->unsent);
}

static const Property chardev_properties[] = {
    { .name = "logfile",
      .kind = PROP_STRING,
      .offset = offsetof(Chardev, logfile),
      .description = "file that gets a copy of all output" },
    { .name = "logappend",
      .kind = PROP_BOOL,
      .offset = offsetof(Chardev, logappend),
      .has_default = true,
      .description = "add to the log file instead of replacing what is in it" },
    { NULL },
};

static const ObjectType chardev_type = {
    .name = TYPE_CHARDEV,
    .parent = "object",
    .description = "character device",
    .instance_size = sizeof(Chardev),
    .abstract = true,
    .properties = chardev_properties,
    .init = chardev_init,
    .finalize = chardev_finalize,
};
OBJECT_TYPE_REGISTER(chardev_type)
