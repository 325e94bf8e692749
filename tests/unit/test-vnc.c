/* SPDX-License-Identifier: GPL-2.0-or-later */
/* VNC servers, with a console of our own, and LibVNCClient on a thread: pictures in each encoding,
 * sizes, pointers, keys, passwords; and clients that say what no client should. */
#include <malloc.h>
#include <rfb/rfbclient.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qom/user-object.h"
#include "ui/clipboard.h"
#include "ui/console.h"
#include "ui/vnc.h"
#include "util/main-loop.h"

/* ---- the machine's side ---- */

static GString *done; /* what clients did */
static bool takes_places;

static uint8_t key_number(QKeyCode code)
{
    return code == Q_KEY_CODE_A ? 0x1e : code == Q_KEY_CODE_DELETE ? 0xd3 : 0;
}

static void key(uint8_t number, bool down)
{
    g_string_append_printf(done, "key %x %s\n", number, down ? "down" : "up");
}

static bool absolute(void)
{
    return takes_places;
}

static void move(InputAxis axis, int value, bool place)
{
    g_string_append_printf(done, "%s %s %d\n", axis == INPUT_AXIS_X ? "x" : "y",
                           place ? "at" : "by", value);
}

static void button(InputButton which, bool down)
{
    g_string_append_printf(done, "%s %s\n", InputButton_str(which), down ? "down" : "up");
}

static void sync_all(void)
{
}

static void power(VncPower what)
{
    g_string_append_printf(done, "power %d\n", what);
}

static const VncHost host = { key_number, key, absolute, move, button, sync_all, power };

static void ui_info(void *opaque, unsigned width, unsigned height)
{
    g_string_append_printf(done, "size %ux%u\n", width, height);
}

static const ConsoleSource source = { .ui_info = ui_info };

static pixman_image_t *new_picture(unsigned width, unsigned height)
{
    pixman_image_t *image =
        pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
    uint32_t *data = pixman_image_get_data(image);
    unsigned stride = (unsigned)pixman_image_get_stride(image) / 4;

    for (unsigned y = 0; y < height; y++) {
        for (unsigned x = 0; x < width; x++) {
            data[y * stride + x] = (x * 7 % 256) << 16 | (y * 5 % 256) << 8 | (x ^ y) % 256;
        }
    }
    return image;
}

/* ---- the client's side ---- */

typedef struct Client {
    char *path;
    const char *encoding, *password;
    void (*script)(struct Client *c); /* on its thread */
    Console *console;
    rfbClient *rfb; /* NULL: it was refused */
    bool ended;     /* main thread */
    bool connected;
    bool draws_none; /* the server has to draw the pointer for it */
    unsigned cursors;
} Client;

static char *give_password(rfbClient *rfb)
{
    const Client *c = rfbClientGetClientData(rfb, give_password);

    return strdup(c->password ? c->password : "");
}

static void got_cursor(rfbClient *rfb, int hot_x, int hot_y, int width, int height, int bytes)
{
    Client *c = rfbClientGetClientData(rfb, give_password);

    g_assert_cmpint(width, ==, 2);
    g_assert_cmpint(height, ==, 3);
    g_assert_cmpint(hot_x, ==, 1);
    g_assert_cmpint(hot_y, ==, 2);
    g_assert_cmphex(((uint32_t *)(void *)rfb->rcSource)[5] & 0xffffff, ==, 0xaabbcc);
    g_assert_cmpint(rfb->rcMask[0], ==, 0);
    g_assert_cmpint(rfb->rcMask[5], ==, 1);
    c->cursors++;
}

static void say_nothing(const char *format, ...)
{
}

static void ended(void *opaque)
{
    ((Client *)opaque)->ended = true;
}

static gpointer client_thread(gpointer opaque)
{
    Client *c = opaque;
    rfbClient *rfb = rfbGetClient(8, 3, 4);

    rfbClientSetClientData(rfb, give_password, c);
    free(rfb->serverHost);
    rfb->serverHost = strdup(c->path);
    rfb->GetPassword = give_password;
    rfb->GotCursorShape = got_cursor;
    rfb->appData.useRemoteCursor = !c->draws_none;
    rfb->appData.encodingsString = c->encoding;
    rfb->canHandleNewFBSize = TRUE;
    rfb->format.redShift = 16;
    rfb->format.greenShift = 8;
    rfb->format.blueShift = 0;
    if (rfbInitClient(rfb, NULL, NULL)) { /* it frees a client that is refused */
        c->connected = true;
        c->rfb = rfb;
        if (c->script) {
            c->script(c);
        }
        free(rfb->frameBuffer);
        free(rfb->rcSource);
        free(rfb->rcMask);
        rfb->rcSource = rfb->rcMask = NULL;
        rfbClientCleanup(rfb);
    }
    main_loop_schedule(ended, c);
    return NULL;
}

static bool has_pixels(const rfbClient *rfb, const Client *c)
{
    pixman_image_t *image = console_surface(c->console); /* nobody changes it meanwhile */
    int width = pixman_image_get_width(image), height = pixman_image_get_height(image);
    const uint32_t *data = pixman_image_get_data(image);
    const uint32_t *got = (const uint32_t *)(const void *)rfb->frameBuffer;
    int stride = pixman_image_get_stride(image) / 4;

    if (rfb->width != width || rfb->height != height) {
        return false;
    }
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            if ((got[y * width + x] ^ data[y * stride + x]) & 0xffffff) {
                return false;
            }
        }
    }
    return true;
}

/* The library waits for the socket, and does not see what it has read from it before: two updates
 * that came at once.
 */
static void handle_message(Client *c)
{
    if (!c->rfb->buffered) {
        g_assert_cmpint(WaitForMessage(c->rfb, 60 * 1000 * 1000), >, 0);
    }
    g_assert_true(HandleRFBServerMessage(c->rfb));
}

/* Look until the picture is that of the console. */
static void look(Client *c)
{
    while (!has_pixels(c->rfb, c)) {
        handle_message(c);
    }
}

static void run(Client *c)
{
    GThread *thread = g_thread_new("client", client_thread, c);

    while (!c->ended) {
        main_loop_iterate(true);
    }
    g_thread_join(thread);
}

/* ---- a server for each test ---- */

static char *folder, *path;

static VncServer *server_new(const char *id, const VncOptions *more)
{
    GError *err = NULL;
    VncOptions o = *more;
    g_autofree char *where = g_strdup_printf("unix:%s", path);

    o.vnc = where;
    o.id = (char *)id;
    VncServer *server = vnc_server_new(&o, NULL, &err);
    g_assert_no_error(err);
    return server;
}

static unsigned num_clients(void)
{
    g_autoptr(VncInfo) info = vnc_info();

    return info->clients ? info->clients->len : 0;
}

static void finish(Console *console)
{
    while (num_clients()) {
        main_loop_iterate(true);
    }
    vnc_cleanup();
    console_free(console);
    g_assert_cmpint(access(path, F_OK), <, 0);
    g_string_truncate(done, 0);
}

static Console *show(unsigned width, unsigned height)
{
    Console *console = console_new(object_root(), 0, &source, NULL);
    pixman_image_t *image = new_picture(width, height);

    console_set_surface(console, image);
    pixman_image_unref(image);
    return console;
}

/* ---- tests ---- */

static void test_encodings(void)
{
    static const char *const encodings[] = { "raw",   "hextile", "zrle",    "rre",
                                             "corre", "zlib",    "copyrect" };

    for (unsigned i = 0; i < G_N_ELEMENTS(encodings); i++) {
        Console *console = show(203, 101);
        Client c = { path, encodings[i], .script = look, .console = console };

        server_new("default", &(VncOptions){ 0 });
        run(&c);
        g_assert_true(c.connected);
        finish(console);
    }
}

static void set_other_size(void *opaque)
{
    pixman_image_t *image = new_picture(320, 77);

    console_set_surface(opaque, image);
    pixman_image_unref(image);
}

static void look_at_sizes(Client *c)
{
    look(c);
    main_loop_schedule(set_other_size, c->console);
    while (c->rfb->width != 320) {
        handle_message(c);
    }
    look(c);
}

static void test_size(void)
{
    Console *console = show(100, 200);
    Client c = { path, "zrle", .script = look_at_sizes, .console = console };

    server_new("default", &(VncOptions){ 0 });
    run(&c);
    finish(console);
}

static void define_cursor(void *opaque)
{
    static const uint32_t argb[] = { 0, 0, 0, 0, 0, 0xffaabbcc };
    const ConsoleCursor cursor = { 2, 3, 1, 2, argb };

    console_define_cursor(opaque, &cursor);
}

static void wait_for_cursor(Client *c)
{
    main_loop_schedule(define_cursor, c->console);
    while (!c->cursors) {
        handle_message(c);
    }
}

static void test_cursor(void)
{
    Console *console = show(64, 64);
    Client c = { path, "raw", .script = wait_for_cursor, .console = console };

    define_cursor(console);
    server_new("default", &(VncOptions){ 0 });
    run(&c);
    finish(console);
}

static void wait_for_drawn_cursor(Client *c)
{
    while ((*(uint32_t *)(void *)c->rfb->frameBuffer & 0xffffff) != 0xaabbcc) {
        handle_message(c);
    }
}

/* A client that knows of no pointers sees it in the picture; nothing of that stays when it goes. */
static void test_drawn_cursor(void)
{
    const unsigned size = CONSOLE_CURSOR_MAX;
    g_autofree uint32_t *argb = g_new(uint32_t, size * size);
    const ConsoleCursor cursor = { size, size, 0, 0, argb };
    Console *console = show(CONSOLE_CURSOR_MAX, CONSOLE_CURSOR_MAX);
    size_t before = 0;

    mallopt(M_MMAP_THRESHOLD,
            256 * 1024); /* so that what is large is counted, whichever thread's */
    for (unsigned i = 0; i < size * size; i++) {
        argb[i] = 0xffaabbcc;
    }
    console_define_cursor(console, &cursor);
    server_new("default", &(VncOptions){ 0 });
    for (unsigned i = 0; i < 3; i++) {
        Client c = { path, "raw", .script = wait_for_drawn_cursor, .draws_none = true };

        run(&c);
        g_assert_true(c.connected);
        while (num_clients()) {
            main_loop_iterate(true);
        }
        g_assert_true(!before || mallinfo2().hblkhd == before);
        before = mallinfo2().hblkhd;
    }
    finish(console);
}

/* What it said before has been heard: the whole picture comes again. */
static void look_again(Client *c)
{
    memset(c->rfb->frameBuffer, 0, (size_t)c->rfb->width * (size_t)c->rfb->height * 4);
    SendFramebufferUpdateRequest(c->rfb, 0, 0, c->rfb->width, c->rfb->height, FALSE);
    look(c);
}

static void use_keys_and_pointer(Client *c)
{
    look(c);
    SendKeyEvent(c->rfb, 'A', TRUE);
    SendKeyEvent(c->rfb, 'a', FALSE);
    SendKeyEvent(c->rfb, XK_Delete, FALSE); /* it was not pressed */
    SendKeyEvent(c->rfb, 0xfffffff, TRUE);  /* there is none */
    SendPointerEvent(c->rfb, 10, 20, 0);
    SendPointerEvent(c->rfb, 13, 18, rfbButton1Mask);
    SendPointerEvent(c->rfb, 13, 18, rfbButton1Mask | rfbButton4Mask);
    SendKeyEvent(c->rfb, XK_Delete, TRUE); /* and it goes: all is released */
    look_again(c);
}

static void test_input(void)
{
    static const char *const wanted[] = {
        "key 1e down\nkey 1e up\nx by 3\ny by -2\nleft down\nx by 0\ny by 0\nwheel-up down\n"
        "key d3 down\nkey d3 up\nleft up\nwheel-up up\n",
        "key 1e down\nkey 1e up\nx at 3276\ny at 13106\nx at 4259\ny at 11796\nleft down\nx at "
        "4259\ny at 11796\n"
        "wheel-up down\nkey d3 down\nkey d3 up\nleft up\nwheel-up up\n",
    };

    for (unsigned i = 0; i < 2; i++) {
        Console *console = show(101, 51);
        Client c = { path, "raw", .script = use_keys_and_pointer, .console = console };

        takes_places = i;
        server_new("default", &(VncOptions){ 0 });
        run(&c);
        while (num_clients()) {
            main_loop_iterate(true);
        }
        g_assert_cmpstr(done->str, ==, wanted[i]);
        finish(console);
    }
    takes_places = false;
}

static GString *cut;

static void got_cut(rfbClient *rfb, const char *text, int length)
{
    g_string_append_len(cut, text, length);
}

static void copy_and_paste(Client *c)
{
    char copied[] = "gr\xfc\xdf";

    c->rfb->GotXCutText = got_cut;
    look(c);
    SendClientCutText(c->rfb, copied, (int)strlen(copied));
    while (!cut->len) {
        g_assert_cmpint(WaitForMessage(c->rfb, 60 * 1000 * 1000), >, 0);
        g_assert_true(HandleRFBServerMessage(c->rfb));
    }
}

/* The guest, say, which copies something itself when it has seen what the client has. */
static void clipboard_changed(void *opaque, ClipboardSelection which)
{
    const ClipboardPeer *guest = opaque;
    GBytes *text = clipboard_text(which);

    if (text && clipboard_owner(which) != guest) {
        g_assert_cmpmem(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "gr\xc3\xbc\xc3\x9f",
                        6);
        clipboard_grab(guest, which);
    }
}

static void clipboard_wanted(void *opaque, ClipboardSelection which)
{
    static const char text[] = "K\xc3\xa4se f\xc3\xbcr 3 \xe2\x82\xac"; /* Latin-1 has no euro */

    g_assert_true(clipboard_set_text(opaque, which, text, strlen(text)));
}

static void test_clipboard(void)
{
    Console *console = show(101, 51);
    Client c = { path, "raw", .script = copy_and_paste, .console = console };
    ClipboardPeer guest = { clipboard_changed, clipboard_wanted, &guest };

    cut = g_string_new(NULL);
    server_new("default", &(VncOptions){ 0 });
    clipboard_add(&guest);
    run(&c);
    g_assert_cmpstr(cut->str, ==, "K\xe4se f\xfcr 3 ?");
    finish(console);
    g_assert_true(clipboard_owner(CLIPBOARD_CLIPBOARD) == &guest);
    clipboard_remove(&guest);
    while (main_loop_iterate(false)) {
    }
    g_string_free(cut, TRUE);
}

static bool may_enter(const char *password)
{
    Client c = { path, "raw", password };

    run(&c);
    return c.connected;
}

/* One server without a password beside one that asks for it does not open that. */
static void test_password(void)
{
    VncServer *server =
        server_new("default", &(VncOptions){ .has_password = true, .password = true });
    g_autofree char *other = g_strconcat(path, "2", NULL),
                    *where = g_strconcat("unix:", other, NULL);
    VncOptions open_to_all = { .vnc = where };
    Client guest = { other, "raw" };

    g_assert_nonnull(vnc_server_new(&open_to_all, NULL, NULL));
    run(&guest);
    g_assert_true(guest.connected);
    g_assert_false(may_enter("any")); /* none was set: nobody may */
    g_assert_true(vnc_server_set_password(server, "right"));
    g_assert_true(may_enter("right"));
    g_assert_false(may_enter("wrong"));
    vnc_server_set_expiry(server, 0);
    g_assert_false(may_enter("right"));
    vnc_server_set_expiry(server, INT64_MAX);
    g_assert_true(may_enter("right"));
    g_assert_false(vnc_server_set_password(vnc_server_find("vnc2"), "x"));
    finish(NULL);
}

/* LibVNCClient takes what is offered; nobody enters without TLS, nor with a wrong password in it.
 */
static void test_tls(void)
{
    VncOptions asks = { .tls_creds = (char *)"t", .has_password = true, .password = true };
    struct json_object *props = json_object_new_object();
    Console *console = show(203, 101);
    Client c = { path, "zrle", .script = look, .console = console };

    json_object_object_add(props, "endpoint", json_object_new_string("server"));
    g_assert_nonnull(user_object_add("tls-creds-anon", "t", props, NULL));
    json_object_put(props);
    server_new("default", &(VncOptions){ .tls_creds = (char *)"t" });
    run(&c);
    g_assert_true(c.connected);
    while (num_clients()) {
        main_loop_iterate(true);
    }
    vnc_cleanup();
    g_assert_true(vnc_server_set_password(server_new("default", &asks), "right"));
    g_assert_true(may_enter("right"));
    g_assert_false(may_enter("wrong"));
    finish(console);
    g_assert_true(user_object_del("t", NULL));
}

/* ---- clients that are no clients ---- */

#define HELLO   "RFB 003.008\n\1"
#define ENTERED HELLO "\1"
#define BYTES(x)         \
    {                    \
        x, sizeof(x) - 1 \
    }

static const struct {
    const char *bytes;
    size_t size;
} hostile[] = {
    BYTES(""),
    BYTES("RFB"),
    BYTES("RFB 999.999\n\1\1"),
    BYTES("RFB xxx.yyy\n"),
    BYTES("GET / HTTP/1.1\r\n\r\n"),
    BYTES("\x16\3\1\2\0\1\0\1\xfc\3\3"),
    BYTES("RFB 003.008\n\2"),
    BYTES(HELLO "\377"),
    BYTES(ENTERED "\7\1\1\1\0\0\0\0\0\0\0\0"),  /* a file */
    BYTES(ENTERED "\10\2\0\0"),                 /* another scale */
    BYTES(ENTERED "\13\0\0\0\377\377\377\377"), /* a chat */
    BYTES(ENTERED "\6\0\0\0\377\377\377\377"),  /* a long text */
    BYTES(ENTERED "\6\0\0\0\177\377\377\377"),  /* a longer one */
    BYTES(ENTERED "\2\0\377\377\0\0\0\1"),      /* encodings that do not come */
    BYTES(ENTERED "\0\0\0\0\3\377\1\1\0\0\377\377\0\0\377\377\0\0"), /* pixels of 3 bits */
    BYTES(ENTERED "\0\0\0\0\40\30\1\1\377\377\377\377\377\377\377\377\377\0\0\0"
                  "\3\0\0\0\0\0\377\377\377\377"),
    BYTES(ENTERED "\3\0\377\377\377\377\377\377\377\377"),
    BYTES(ENTERED
          "\2\0\0\1\377\377\376\314\373\0\377\377\377\377\377\0"), /* a size, of 255 screens */
    BYTES(ENTERED "\373\0\377\377\377\377\1\0\0\0\0\0\0\0\0\0\0\0\377\377\377\377\0\0\0\0"),
    BYTES(ENTERED "\373\0\3\40\2\130\1\0\0\0\0\0\0\0\0\0\3\40\2\130\0\0\0\0"), /* one that may be */
    BYTES(ENTERED "\2\0\0\1\377\377\376\377\5\0\200\2\177\374"), /* a pointer that moves */
    BYTES(ENTERED "\377\0\0\1\0\0\0\101\0\0\0\36"),              /* a key by its number */
    BYTES(ENTERED "\377\1\0\2\1\1\1\1\1\1\1\1"),                 /* sound */
    BYTES(ENTERED "\372\0\1\2"), /* to shut down, which it may not */
};

static void test_hostile(void)
{
    Console *console = show(32, 32);

    server_new("default", &(VncOptions){ 0 });
    for (unsigned i = 0; i < G_N_ELEMENTS(hostile); i++) {
        int pair[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        g_assert_true(vnc_server_add_client(vnc_server_find(NULL), pair[1], false, NULL));
        g_assert_cmpint(num_clients(), ==, 1);
        g_assert_cmpint(write(pair[0], hostile[i].bytes, hostile[i].size), ==, hostile[i].size);
        shutdown(pair[0], SHUT_WR);
        while (num_clients()) {
            main_loop_iterate(true);
        }
        close(pair[0]);
    }
    g_assert_null(strstr(done->str, "power"));
    g_assert_nonnull(strstr(done->str, "key 1e down\nkey 1e up\n"));
    g_assert_nonnull(strstr(done->str, "size 800x600\n"));
    g_assert_null(strstr(done->str, "size 65535"));
    g_assert_nonnull(strstr(done->str, "x by 3\ny by -3\n"));
    finish(console);
}

/* LibVNCServer looks at the first four bytes, and again and again if there are three. */
static void test_three_bytes(void)
{
    Console *console = show(32, 32);
    int pair[2];

    server_new("default", &(VncOptions){ 0 });
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), pair[1], false, NULL));
    g_usleep(20000); /* so that it has looked once */
    g_assert_cmpint(write(pair[0], "RFB", 3), ==, 3);
    shutdown(pair[0], SHUT_WR);
    while (num_clients()) {
        main_loop_iterate(true);
    }
    close(pair[0]);
    finish(console);
}

/* One that stops reading in the midst of a picture holds nobody up, nor the end. */
static void test_slow(void)
{
    static const char ask[] = ENTERED "\3\0\0\0\0\0\10\0\10\0"; /* 2048 times 2048 pixels */
    Console *console = show(2048, 2048);
    Client quick = { path, "zrle", .script = look, .console = console };
    int pair[2];

    server_new("default", &(VncOptions){ 0 });
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), pair[1], false, NULL));
    g_assert_cmpint(write(pair[0], ask, sizeof(ask) - 1), ==, sizeof(ask) - 1);
    run(&quick);
    g_assert_true(quick.connected);
    vnc_cleanup();
    close(pair[0]);
    console_free(console);
}

/* The end comes while a client's thread has a long message before it, and then a picture to copy:
 * that is there as long as the thread is. */
static void test_ends_amid_message(void)
{
    static const char begin[] = ENTERED "\3\0\0\0\0\0\0\1\0\1" /* one pixel */
                                        "\3\1\0\0\0\0\0\1\0\1" /* and if it changes */
                                        "\4\1\0\0\0\0\0a"
                                        "\2\0\x80\0"; /* 32768 encodings */
    g_autofree char *encodings = g_malloc0(32768 * 4);
    Console *console = show(4096, 4096);
    int pair[2];

    server_new("default", &(VncOptions){ 0 });
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), pair[1], false, NULL));
    g_assert_cmpint(write(pair[0], begin, sizeof(begin) - 1), ==, sizeof(begin) - 1);
    g_assert_cmpint(write(pair[0], encodings, 32768 * 4), ==, 32768 * 4);
    while (!strstr(done->str, "key")) {
        main_loop_iterate(true);
    }
    console_update(console, 0, 0, 1, 1);
    vnc_cleanup();
    close(pair[0]);
    console_free(console);
    g_string_truncate(done, 0);
}

static void test_share(void)
{
    static const char exclusive[] = HELLO "\0";
    Console *console = show(16, 16);
    int first[2], second[2];

    server_new("default", &(VncOptions){ .has_connections = true, .connections = 2 });
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), ==, 0);
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), first[1], false, NULL));
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), second[1], false, NULL));
    g_assert_false(vnc_server_add_client(vnc_server_find(NULL), dup(second[0]), false, NULL));
    g_assert_cmpint(write(second[0], exclusive, sizeof(exclusive) - 1), ==, sizeof(exclusive) - 1);
    while (num_clients() != 1) {
        main_loop_iterate(true);
    }
    close(second[0]);
    close(first[0]);
    finish(console);
}

/* The device goes while somebody looks, and another comes. */
static void test_device_goes(void)
{
    Console *console = show(16, 16), *other;
    Client c = { path, "raw", .script = look };
    int pair[2];

    server_new("default", &(VncOptions){ 0 });
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_true(vnc_server_add_client(vnc_server_find(NULL), pair[1], true, NULL));
    console_free(console);
    other = show(33, 44);
    c.console = other;
    run(&c);
    close(pair[0]);
    finish(other);
}

/* It can be told to listen where it does. */
static void test_listens_again(void)
{
    SocketAddress where = { .type = SOCKET_ADDRESS_TYPE_UNIX };
    UnixSocketAddress un = { .path = path };
    g_autoptr(GPtrArray) addresses = g_ptr_array_new();
    Console *console = show(33, 44);
    Client c = { path, "raw", .script = look, .console = console };
    VncServer *server = server_new("default", &(VncOptions){ 0 });

    where.u.q_unix = &un;
    g_ptr_array_add(addresses, &where);
    g_assert_true(vnc_server_listen(server, addresses, NULL));
    g_assert_cmpint(access(path, F_OK), ==, 0);
    run(&c);
    g_assert_true(c.connected);
    finish(console);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    signal(SIGPIPE, SIG_IGN); /* as the program does */
    rfbClientLog = rfbClientErr = say_nothing;
    done = g_string_new("");
    folder = g_dir_make_tmp(NULL, NULL);
    path = g_build_filename(folder, "vnc", NULL);
    vnc_init(&host, "guest");
    g_test_add_func("/vnc/encodings", test_encodings);
    g_test_add_func("/vnc/size", test_size);
    g_test_add_func("/vnc/cursor", test_cursor);
    g_test_add_func("/vnc/drawn-cursor", test_drawn_cursor);
    g_test_add_func("/vnc/input", test_input);
    g_test_add_func("/vnc/clipboard", test_clipboard);
    g_test_add_func("/vnc/password", test_password);
    g_test_add_func("/vnc/tls", test_tls);
    g_test_add_func("/vnc/hostile", test_hostile);
    g_test_add_func("/vnc/three-bytes", test_three_bytes);
    g_test_add_func("/vnc/slow", test_slow);
    g_test_add_func("/vnc/ends-amid-message", test_ends_amid_message);
    g_test_add_func("/vnc/share", test_share);
    g_test_add_func("/vnc/device-goes", test_device_goes);
    g_test_add_func("/vnc/listens-again", test_listens_again);
    int status = g_test_run();
    rmdir(folder);
    g_string_free(done, TRUE);
    g_free(folder);
    g_free(path);
    return status;
}
