/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A client of a VNC server: its thread, and what LibVNCServer does on it. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ui/vnc-internal.h"
#include "util/error.h"

#define BITS_A_SAMPLE     8
#define SAMPLES_A_PIXEL   3
#define BYTES_A_PIXEL     4
#define XVP_SHUTDOWN      2
#define XVP_REBOOT        3
#define XVP_RESET         4
#define SIZE_IS_ASKED     4           /* the size comes later, perhaps */
#define ROOM              (32 * 1024) /* of a socket with a path, and so much that it has room in any case */
#define ROOM_TO_END       (6 * ROOM)
#define SIZE_IS_NOT_ASKED 1
#define LOOK_AGAIN_US     20000

static char *desktop_name;

static void log_nothing(const char *format, ...)
{
}

/* ---- what LibVNCServer calls, on the client's thread ---- */

static void key_event(rfbBool down, rfbKeySym keysym, rfbClientPtr cl)
{
    VncEvent event = { cl->clientData, VNC_EVENT_KEYSYM, .down = down, .code = keysym };

    vnc_event_send(&event);
}

static void pointer_event(int buttons, int x, int y, rfbClientPtr cl)
{
    VncClient *c = cl->clientData;
    bool move = c->pointer_kinds && c->told && !c->told_absolute;
    VncEvent event = { c, VNC_EVENT_POINTER, .buttons = (unsigned)buttons, .x = x, .y = y };

    if (move) {
        event.kind = VNC_EVENT_MOVE;
        event.x -= 0x7fff;
        event.y -= 0x7fff;
    } else {
        cl->screen->cursorX = x;
        cl->screen->cursorY = y;
    }
    vnc_event_send(&event);
}

static int desktop_size(int width, int height, int screens, struct rfbExtDesktopScreen *screen,
                        rfbClientPtr cl)
{
    VncClient *c = cl->clientData;
    VncEvent event = { c, VNC_EVENT_SIZE, .x = width, .y = height };

    g_mutex_lock(&c->server->lock);
    bool takes = c->server->takes_size;
    g_mutex_unlock(&c->server->lock);
    if (!takes || screens != 1 || width <= 0 || height <= 0 || width > CONSOLE_SIZE_MAX ||
        height > CONSOLE_SIZE_MAX) {
        return SIZE_IS_NOT_ASKED;
    }
    vnc_event_send(&event);
    return SIZE_IS_ASKED;
}

/* The main thread gets the last one of those it has not seen: they may be long. */
static void cut_text(char *text, int size, rfbClientPtr cl)
{
    VncClient *c = cl->clientData;
    VncEvent event = { c, VNC_EVENT_CUT };

    g_mutex_lock(&c->server->lock);
    bool told = c->copied;
    g_clear_pointer(&c->copied, g_bytes_unref);
    c->copied = g_bytes_new(text, (gsize)MAX(size, 0));
    g_mutex_unlock(&c->server->lock);
    if (!told) {
        vnc_event_send(&event);
    }
}

static rfbBool power(rfbClientPtr cl, uint8_t version, uint8_t code)
{
    VncEvent event = { cl->clientData, VNC_EVENT_POWER };

    switch (code) {
    case XVP_SHUTDOWN:
        event.code = VNC_POWER_SHUTDOWN;
        break;
    case XVP_REBOOT:
        event.code = VNC_POWER_REBOOT;
        break;
    case XVP_RESET:
        event.code = VNC_POWER_RESET;
        break;
    default:
        return FALSE;
    }
    vnc_event_send(&event);
    return TRUE;
}

static enum rfbNewClientAction new_client(rfbClientPtr cl)
{
    cl->clientData = cl->screen->screenData;
    return RFB_CLIENT_ACCEPT;
}

/* ---- the picture ---- */

/* Where red, green and blue are in PIXMAN_x8r8g8b8. LibVNCServer forgets it with each frame buffer.
 */
static void set_format(rfbScreenInfoPtr screen)
{
    screen->serverFormat.redShift = 16;
    screen->serverFormat.greenShift = 8;
    screen->serverFormat.blueShift = 0;
}

/* A frame buffer of the picture's size, black; server's lock. */
static void new_frame(VncClient *c)
{
    VncServer *server = c->server;
    char *frame = g_malloc0((size_t)server->width * server->height * BYTES_A_PIXEL), *old;

    old = c->screen->frameBuffer;
    rfbNewFramebuffer(c->screen, frame, (int)server->width, (int)server->height, BITS_A_SAMPLE,
                      SAMPLES_A_PIXEL, BYTES_A_PIXEL);
    set_format(c->screen);
    g_free(old);
    c->serial = server->serial;
    pixman_region32_union_rect(&c->changed, &c->changed, 0, 0, server->width, server->height);
}

/* Server's lock. */
static void copy_changed(VncClient *c)
{
    int count;
    const pixman_box32_t *box = pixman_region32_rectangles(&c->changed, &count);
    int width = (int)c->server->width, height = (int)c->server->height;
    uint32_t *frame = (uint32_t *)(void *)c->screen->frameBuffer;

    for (int i = 0; i < count; i++) {
        int x1 = MIN(box[i].x1, width), x2 = MIN(box[i].x2, width);
        int y1 = MIN(box[i].y1, height), y2 = MIN(box[i].y2, height);

        if (x1 >= x2 || y1 >= y2) {
            continue;
        }
        for (int y = y1; y < y2; y++) {
            size_t at = (size_t)y * width + x1;

            memcpy(frame + at, c->server->pixels + at, (size_t)(x2 - x1) * BYTES_A_PIXEL);
        }
        rfbMarkRectAsModified(c->screen, x1, y1, x2, y2);
    }
    pixman_region32_clear(&c->changed);
}

/* LibVNCServer wants pixels, and a bit for each that is to be seen. NULL: no pointer. Server's
 * lock.
 */
static rfbCursorPtr make_cursor(const VncCursor *from)
{
    size_t stride = (from->width + 7) / 8, count = (size_t)from->width * from->height;
    rfbCursorPtr cursor;

    if (!from->width) {
        return NULL;
    }
    cursor = calloc(1, sizeof(*cursor)); /* it frees all of it by free() */
    cursor->cleanup = cursor->cleanupMask = cursor->cleanupRichSource = TRUE;
    cursor->width = (unsigned short)from->width;
    cursor->height = (unsigned short)from->height;
    cursor->xhot = (unsigned short)from->hot_x;
    cursor->yhot = (unsigned short)from->hot_y;
    cursor->richSource = malloc(count * BYTES_A_PIXEL);
    cursor->mask = calloc(stride, from->height);
    cursor->foreRed = cursor->foreGreen = cursor->foreBlue = 0xffff;
    memcpy(cursor->richSource, from->argb, count * BYTES_A_PIXEL);
    for (size_t i = 0; i < count; i++) {
        if (from->argb[i] >> 31) {
            size_t x = i % from->width;

            cursor->mask[i / from->width * stride + x / 8] |= (unsigned char)(0x80 >> x % 8);
        }
    }
    return cursor;
}

/* What changed since the last time, if the client wants to know. */
static bool take_changes(VncClient *c)
{
    VncServer *server = c->server;
    rfbCursorPtr cursor = NULL;
    bool other_size = false, other_cursor = false;

    g_mutex_lock(&server->lock);
    if (c->serial != server->serial) {
        other_size = true;
        new_frame(c);
    }
    copy_changed(c);
    if (c->cursor_serial != server->cursor.serial) {
        other_cursor = true;
        c->cursor_serial = server->cursor.serial;
        cursor = make_cursor(&server->cursor);
    }
    g_mutex_unlock(&server->lock);
    if (other_size) {
        c->screen->setTranslateFunction(c->cl);
        /* A picture of the old size would be scaled to. */
        if (c->cl->scaledScreen != c->screen) {
            return false;
        }
    }
    if (other_cursor) {
        rfbSetCursor(c->screen, cursor);
    }
    return true;
}

/* ---- messages ---- */

/* Those of LibVNCServer that are for files, chats and scaling stay unused: clients are hostile. */
static bool is_known(uint8_t type)
{
    static const uint8_t known[] = { rfbSetPixelFormat,
                                     rfbSetEncodings,
                                     rfbFramebufferUpdateRequest,
                                     rfbKeyEvent,
                                     rfbPointerEvent,
                                     rfbClientCutText,
                                     rfbXvp,
                                     rfbSetDesktopSize,
                                     255 };

    return memchr(known, type, sizeof(known));
}

/* The next byte of the client; -1: it goes. By WebSocket LibVNCServer lets nobody look ahead: 0. */
static int next_byte(VncClient *c)
{
    uint8_t byte;

    if (c->cl->wsctx) {
        return 0;
    }
    return recv(c->sock, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1 ? byte : -1;
}

/* ClientInit: whether others may look, too. */
static bool initialise(VncClient *c)
{
    int shared = next_byte(c);
    VncEvent event = { c, VNC_EVENT_INITIALIZED };

    if (shared < 0) {
        return false;
    }
    shared = shared || c->cl->wsctx || c->server->share == VNC_SHARE_IGNORE;
    if (!shared) {
        if (c->server->share == VNC_SHARE_FORCE_SHARED) {
            return false;
        }
        VncEvent alone = { c, VNC_EVENT_ALONE };
        vnc_event_send(&alone);
    }
    rfbProcessClientMessage(c->cl);
    if (c->cl->state == RFB_NORMAL) {
        vnc_event_send(&event);
    }
    return true;
}

static bool process_message(VncClient *c)
{
    int type;

    switch (c->cl->state) {
    case RFB_PROTOCOL_VERSION:
        return vnc_client_authenticate(c);
    case RFB_INITIALISATION:
        return initialise(c);
    case RFB_NORMAL:
        type = next_byte(c);
        if (type < 0 || !is_known((uint8_t)type)) {
            return false;
        }
        rfbProcessClientMessage(c->cl);
        return true;
    default:
        return false;
    }
}

/* ---- the thread ---- */

static bool is_closing(VncClient *c)
{
    g_mutex_lock(&c->server->lock);
    bool closing = c->closing;
    g_mutex_unlock(&c->server->lock);
    return closing;
}

static bool wait_and_process(VncClient *c)
{
    struct pollfd fds[] = { { .fd = c->cl->sock, .events = POLLIN },
                            { .fd = c->wake, .events = POLLIN } };
    int rc = poll(fds, G_N_ELEMENTS(fds), c->cl->state == RFB_NORMAL ? -1 : VNC_WAIT_MS);
    eventfd_t count;

    if (rc == 0 || (rc < 0 && errno != EINTR)) {
        return false;
    }
    if (rc > 0 && fds[1].revents) {
        eventfd_read(c->wake, &count);
    }
    if (rc > 0 && fds[0].revents) {
        do {
            if (!process_message(c)) {
                return false;
            }
        } while (c->cl->sock >= 0 && c->cl->wsctx && webSocketsHasDataInBuffer(c->cl));
    }
    return true;
}

static void serve(VncClient *c)
{
    while (c->cl->sock >= 0 && !is_closing(c) && wait_and_process(c)) {
        if (c->cl->sock < 0 || c->cl->state != RFB_NORMAL) {
            continue;
        }
        vnc_extension_tell(c);
        vnc_clipboard_tell(c);
        if (!sraRgnEmpty(c->cl->requestedRegion)) {
            if (!take_changes(c)) {
                break;
            }
            rfbUpdateClient(c->cl);
        }
    }
}

/* What all have in common. rfbGetScreen() makes a lock of the whole library anew, which threads may
 * wait for: it is called once, before there are any, and its result is copied. */
static rfbScreenInfoPtr model;

static void make_model(void)
{
    model = rfbGetScreen(NULL, NULL, CONSOLE_WIDTH, CONSOLE_HEIGHT, BITS_A_SAMPLE, SAMPLES_A_PIXEL,
                         BYTES_A_PIXEL);
    model->port = model->ipv6port = 0;
    model->autoPort = FALSE;
    model->alwaysShared = TRUE; /* we look after that ourselves */
    model->maxClientWait = VNC_WAIT_MS;
    model->deferUpdateTime = 0;
    model->deferPtrUpdateTime = 0;
    model->permitFileTransfer = FALSE;
    model->newClientHook = new_client;
    model->kbdAddEvent = key_event;
    model->ptrAddEvent = pointer_event;
    model->setXCutText = cut_text;
    model->setDesktopSizeHook = desktop_size;
    rfbSetCursor(model, NULL);
}

static void make_screen(VncClient *c)
{
    c->screen = g_memdup2(model, sizeof(*model));
    pthread_mutex_init(&c->screen->cursorMutex, NULL);
    c->screen->desktopName = desktop_name;
    c->screen->screenData = c;
    c->screen->xvpHook = c->server->power_control ? power : NULL;
    g_mutex_lock(&c->server->lock);
    new_frame(c);
    g_mutex_unlock(&c->server->lock);
}

static void free_screen(VncClient *c)
{
    rfbScreenInfoPtr scaled = c->screen->scaledScreenNext;

    while (scaled) {
        rfbScreenInfoPtr next = scaled->scaledScreenNext;

        free(scaled->frameBuffer);
        free(scaled);
        scaled = next;
    }
    rfbSetCursor(c->screen, NULL);
    free(c->screen->underCursorBuffer); /* where it drew the pointer itself */
    pthread_mutex_destroy(&c->screen->cursorMutex);
    g_free(c->screen->frameBuffer);
    g_free(c->screen);
}

/* ---- the beginning ----
 *
 * LibVNCServer looks at the first four bytes, to see whether they are WebSocket's, and does not end
 * if there are fewer. It gets others where nobody speaks that, and else all four.
 */

static bool wait_for_four(VncClient *c)
{
    struct pollfd fd = { .fd = c->sock, .events = POLLIN };
    int64_t end = g_get_monotonic_time() + VNC_WAIT_MS * INT64_C(1000);
    uint8_t bytes[4];
    ssize_t n;

    while ((n = recv(c->sock, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT)) <
           (int)sizeof(bytes)) {
        if (n > 0) {
            g_usleep(LOOK_AGAIN_US); /* poll() would not wait for more */
        } else if (n == 0 || errno != EAGAIN || poll(&fd, 1, VNC_WAIT_MS) <= 0) {
            return false;
        }
        if (g_get_monotonic_time() > end || is_closing(c)) {
            return false;
        }
    }
    return true;
}

static bool begin_websocket(VncClient *c)
{
    if (!vnc_client_begin(c)) {
        return false;
    }
    if (!wait_for_four(c)) {
        close(c->sock);
        return false;
    }
    c->cl = rfbNewClient(c->screen, c->sock); /* the socket is its own */
    return c->cl;
}

/* What it says to the client first goes over, too. */
static bool take_over(VncClient *c, int fd)
{
    char hello[sz_rfbProtocolVersionMsg];

    c->cl->sock = c->sock;
    return recv(fd, hello, sizeof(hello), 0) == sizeof(hello) &&
           rfbWriteExact(c->cl, hello, sizeof(hello)) == 1;
}

static bool begin_plain(VncClient *c)
{
    int ends[2];
    bool ok = false;

    if (fcntl(c->sock, F_SETFL, O_NONBLOCK) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        close(c->sock);
        return false;
    }
    if (ends[0] < FD_SETSIZE && write(ends[1], "RFB ", 4) == 4) {
        c->cl = rfbNewClient(c->screen, ends[0]);
    } else {
        close(ends[0]);
    }
    if (c->cl) {
        close(ends[0]);
        ok = take_over(c, ends[1]);
    } else {
        close(c->sock);
    }
    close(ends[1]);
    return ok;
}

static gpointer client_thread(gpointer opaque)
{
    VncClient *c = opaque;
    VncEvent gone = { c, VNC_EVENT_GONE };

    make_screen(c);
    bool begun = c->info->websocket ? begin_websocket(c) : begin_plain(c);
    if (c->cl) {
        if (begun) {
            serve(c);
        }
        rfbCloseClient(c->cl);
        vnc_extension_free(c);
        free(c->cl->wsctx); /* of a WebSocket, which the library leaves behind */
        c->cl->wsctx = NULL;
        rfbClientConnectionGone(c->cl);
    }
    tls_relay_unref(c->tls);
    free_screen(c);
    vnc_event_send(&gone);
    return NULL;
}

/* ---- for the main thread ---- */

/* shutdown() does not wake who waits to write to a socket with a path; room does, and then it sees.
 */
static void set_room(const VncClient *c, int bytes)
{
    if (c->info->family == NETWORK_ADDRESS_FAMILY_UNIX) {
        (void)setsockopt(c->control, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
    }
}

void vnc_client_init(const char *name)
{
    rfbLog = rfbErr = log_nothing; /* clients would fill logs */
    g_free(desktop_name);
    desktop_name = name ? g_strdup_printf("Dimmable (%s)", name) : g_strdup("Dimmable");
    if (!model) {
        make_model();
        vnc_extension_register();
    }
}

void vnc_client_wake(VncClient *c)
{
    eventfd_write(c->wake, 1);
}

VncClient *vnc_client_new(VncServer *server, int fd, bool websocket, bool skip_auth, GError **errp)
{
    VncClient *c;

    if (fd >= FD_SETSIZE) { /* LibVNCServer waits by select() */
        error_set(errp, "descriptor %d is above %d, where VNC clients cannot be", fd,
                  FD_SETSIZE - 1);
        close(fd);
        return NULL;
    }
    c = g_new0(VncClient, 1);
    c->server = server;
    c->sock = fd;
    c->control = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->skip_auth = skip_auth;
    c->x = c->y = -1;
    c->absolute = vnc_event_absolute();
    c->cut_serial = server->cut_serial;
    c->server_info = vnc_server_info(server, fd, websocket);
    c->info = vnc_client_info(fd, websocket);
    g_cond_init(&c->room);
    pixman_region32_init_rect(&c->changed, 0, 0, CONSOLE_SIZE_MAX, CONSOLE_SIZE_MAX);
    if (c->control < 0 || c->wake < 0) {
        error_set_errno(errp, errno, "cannot serve a VNC client");
        close(fd);
        vnc_client_free(c);
        return NULL;
    }
    set_room(c, ROOM);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)); /* if it is TCP */
    c->thread = g_thread_try_new("vnc", client_thread, c, errp);
    if (!c->thread) {
        close(fd);
        vnc_client_free(c);
        return NULL;
    }
    return c;
}

void vnc_client_close(VncClient *c)
{
    g_mutex_lock(&c->server->lock);
    c->closing = true;
    g_cond_signal(&c->room);
    g_mutex_unlock(&c->server->lock);
    shutdown(c->control, SHUT_RDWR);
    set_room(c, ROOM_TO_END);
    vnc_client_wake(c);
}

void vnc_client_free(VncClient *c)
{
    if (c->thread) {
        g_thread_join(c->thread);
        c->thread = NULL;
    }
    c->orphan = c->events;
    if (c->orphan) {
        return;
    }
    if (c->control >= 0) {
        close(c->control);
    }
    if (c->wake >= 0) {
        close(c->wake);
    }
    VncServerInfo_free(c->server_info);
    VncClientInfo_free(c->info);
    pixman_region32_fini(&c->changed);
    g_clear_pointer(&c->copied, g_bytes_unref);
    g_cond_clear(&c->room);
    g_free(c);
}
