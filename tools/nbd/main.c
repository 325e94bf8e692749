/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-nbd: serves an image to NBD clients, as qemu-nbd does. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "block/export.h"
#include "block/filename.h"
#include "block/guess.h"
#include "block/nbd-server.h"
#include "block/raw.h"
#include "chardev/socket-place.h"
#include "qom/user-object.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/main-loop.h"
#include "util/parse.h"

typedef struct Options {
    const char *format, *cache, *discard, *detect_zeroes, *aio; /* NULL: not given */
    const char *tls, *tls_authz, *bitmap, *socket, *bind, *port, *name, *description, *pid_file;
    const char *image;
    uint64_t clients; /* at once; 0: no limit of the user's */
    bool read_only, persistent, fork, image_options, depth, snapshot;
} Options;

static Options options = { .bind = "0.0.0.0", .port = "10809", .name = "", .clients = 1 };
static int ready_fd = -1; /* --fork: whoever started it waits for a byte */

static void fail(GError *err)
{
    fprintf(stderr, "dimmable-nbd: %s\n", err->message);
    exit(1);
}

static void say_error(void *opaque, const char *text)
{
    fprintf(stderr, "dimmable-nbd: %s\n", text);
}

/* ---- the command line ---- */

enum {
    HELP = 256,
    VERSION,
    FORK,
    CACHE,
    DISCARD,
    DETECT_ZEROES,
    IMAGE_OPTS,
    AIO,
    TLS,
    TLS_AUTHZ,
    OBJECT_OPT,
    REFUSED
};

typedef struct Option {
    struct option option;
    int letter;
    const char *value, *doc; /* doc NULL: not in the help */
} Option;

static const Option table[] = {
    { { "format", required_argument, NULL, 'f' },
      'f',
      "FORMAT",
      "format of the image: raw, qcow2" },
    { { "read-only", no_argument, NULL, 'r' }, 'r', NULL, "clients only read" },
    { { "socket", required_argument, NULL, 'k' }, 'k', "PATH", "listen on this unix socket" },
    { { "bind", required_argument, NULL, 'b' }, 'b', "ADDRESS", "listen there: 0.0.0.0" },
    { { "port", required_argument, NULL, 'p' }, 'p', "PORT", "on this port: 10809" },
    { { "export-name", required_argument, NULL, 'x' }, 'x', "NAME", "name of the export: empty" },
    { { "description", required_argument, NULL, 'D' }, 'D', "TEXT", "text for people" },
    { { "shared", required_argument, NULL, 'e' }, 'e', "NUMBER", "clients at once: 1; 0: 100" },
    { { "persistent", no_argument, NULL, 't' }, 't', NULL, "do not end with the last client" },
    { { "allocation-depth", no_argument, NULL, 'A' },
      'A',
      NULL,
      "clients may ask which image of a chain has what" },
    { { "bitmap", required_argument, NULL, 'B' },
      'B',
      "NAME",
      "clients may read this dirty bitmap" },
    { { "cache", required_argument, NULL, CACHE }, 0, "MODE", "as of -drive: writeback" },
    { { "discard", required_argument, NULL, DISCARD }, 0, "MODE", "unmap or ignore: ignore" },
    { { "detect-zeroes", required_argument, NULL, DETECT_ZEROES }, 0, "MODE", "off, on or unmap" },
    { { "aio", required_argument, NULL, AIO }, 0, "MODE", "threads, native or io_uring" },
    { { "image-opts", no_argument, NULL, IMAGE_OPTS },
      0,
      NULL,
      "the image is given as options of a node" },
    { { "fork", no_argument, NULL, FORK }, 0, NULL, "go to the background when clients may come" },
    { { "pid-file", required_argument, NULL, 'P' }, 0, "PATH", "write the process id there" },
    { { "verbose", no_argument, NULL, 'v' }, 'v', NULL, "without effect" },
    { { "help", no_argument, NULL, HELP }, 'h', NULL, "this" },
    { { "version", no_argument, NULL, VERSION }, 'V', NULL, "the version" },
    { { "object", required_argument, NULL, OBJECT_OPT },
      0,
      "TYPE,id=ID[,...]",
      "TLS credentials, an authorization" },
    { { "tls-creds", required_argument, NULL, TLS },
      0,
      "ID",
      "clients have to use TLS with these" },
    { { "tls-authz", required_argument, NULL, TLS_AUTHZ },
      0,
      "ID",
      "who may be a client: an authz-list, ..." },
    { { "connect", required_argument, NULL, REFUSED }, 'c', NULL, NULL },
    { { "disconnect", no_argument, NULL, REFUSED }, 'd', NULL, NULL },
};

static void help(void)
{
    printf("usage: dimmable-nbd [options] IMAGE\nServe an image to NBD clients, as qemu-nbd does.\n"
           "\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        const Option *o = &table[i];
        g_autofree char *left = g_strdup_printf(
            "  %s%c%s--%s%s%s", o->letter ? "-" : "  ", o->letter ? o->letter : ' ',
            o->letter ? ", " : " ", o->option.name, o->value ? "=" : "", o->value ? o->value : "");

        if (o->doc) {
            printf("%-32s %s\n", left, o->doc);
        }
    }
}

static bool add_object(const char *text, GError **errp)
{
    struct json_object *props = keyval_or_json_parse(text, "qom-type", errp);
    const char *type = props ? keyval_get_text(props, "qom-type") : NULL;
    const char *id = props ? keyval_get_text(props, "id") : NULL;
    bool ok = type && id && user_object_add(type, id, props, errp);

    if (props && (!type || !id)) {
        error_set(errp, "--object %s: wanted is TYPE,id=ID", text);
    }
    json_object_put(props);
    return ok;
}

static bool take_option(int found, GError **errp)
{
    const char **texts[] = {
        ['f'] = &options.format,
        ['k'] = &options.socket,
        ['b'] = &options.bind,
        ['p'] = &options.port,
        ['x'] = &options.name,
        ['D'] = &options.description,
        ['P'] = &options.pid_file,
        ['B'] = &options.bitmap,
        [CACHE] = &options.cache,
        [DISCARD] = &options.discard,
        [AIO] = &options.aio,
        [TLS] = &options.tls,
        [TLS_AUTHZ] = &options.tls_authz,
        [DETECT_ZEROES] = &options.detect_zeroes,
    };
    bool *flags[] = {
        ['r'] = &options.read_only, ['t'] = &options.persistent,           ['A'] = &options.depth,
        [FORK] = &options.fork,     [IMAGE_OPTS] = &options.image_options,
    };

    if (found < (int)G_N_ELEMENTS(texts) && texts[found]) {
        *texts[found] = optarg;
    } else if (found < (int)G_N_ELEMENTS(flags) && flags[found]) {
        *flags[found] = true;
    } else if (found == 'e' && !parse_uint(optarg, 10000, &options.clients)) {
        error_set(errp, "--shared=%s: must be a number of clients", optarg);
        return false;
    } else if (found == OBJECT_OPT) {
        return add_object(optarg, errp);
    } else if (found == REFUSED || found == 'c' || found == 'd') {
        error_set(errp, "the kernel's device is nbd-client's: `nbd-client -unix PATH /dev/nbd0`");
        return false;
    }
    return true;
}

/* False with no error: nothing is to be done. */
static bool parse(int argc, char **argv, GError **errp)
{
    struct option names[G_N_ELEMENTS(table) + 1] = { 0 };
    int found;

    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        names[i] = table[i].option;
    }
    opterr = 0;
    while ((found = getopt_long(argc, argv, ":f:rk:b:p:x:D:e:tAB:vhVc:d", names, NULL)) >= 0) {
        if (found == HELP || found == 'h') {
            help();
            return false;
        }
        if (found == VERSION || found == 'V') {
            printf("qemu-nbd 7.2.0 (dimmable-nbd %s)\n", DIMMABLE_VERSION);
            return false;
        }
        if (found == '?' || found == ':') {
            error_set(errp, "%s '%s'; --help lists the options",
                      found == ':' ? "a value is missing behind" : "there is no option",
                      argv[optind - 1]);
            return false;
        }
        if (!take_option(found, errp)) {
            return false;
        }
    }
    if (optind != argc - 1) {
        error_set(errp, "what is needed is: dimmable-nbd [options] IMAGE");
        return false;
    }
    options.image = argv[optind];
    return true;
}

/* ---- the image ---- */

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (value && !json_object_object_get_ex(json, key, NULL)) {
        json_object_object_add(json, key, keyval_text_new(value));
    }
}

static bool set_cache(struct json_object *json, GError **errp)
{
    const char *mode = options.cache ? options.cache : "writeback";
    bool direct = strcmp(mode, "none") == 0 || strcmp(mode, "directsync") == 0;
    struct json_object *cache = json_object_new_object();

    json_object_object_add(json, "cache", cache);
    keyval_default_flag(cache, "direct", direct);
    keyval_default_flag(cache, "no-flush", strcmp(mode, "unsafe") == 0);
    if (!direct && strcmp(mode, "writeback") && strcmp(mode, "writethrough") &&
        strcmp(mode, "unsafe")) {
        error_set(errp, "--cache=%s: must be none, writeback, writethrough, directsync or unsafe",
                  mode);
        return false;
    }
    return true;
}

/* A new reference. *@guessed: nobody says what format it has. */
static struct json_object *describe(bool *guessed, GError **errp)
{
    struct json_object *json = json_object_new_object(), *file, *given;
    const char *name, *seen = NULL;
    bool ok;

    if (options.image_options) {
        given = keyval_or_json_parse(options.image, "driver", errp);
        ok = given && keyval_merge(json, given, errp);
        json_object_put(given);
    } else {
        file = json_object_new_object();
        json_object_object_add(json, "file", file);
        ok = block_filename_options(file, options.image, errp);
        set_text(file, "aio",
                 g_strcmp0(keyval_get_text(file, "driver"), "nbd") ? options.aio : NULL);
        name = keyval_get_text(file, "filename");
        seen = options.format;
        ok = ok && (seen || block_guess_format(name, &seen, errp));
        *guessed = !seen;
    }
    set_text(json, "driver", seen ? seen : "raw");
    set_text(json, "discard", options.discard);
    set_text(json, "detect-zeroes", options.detect_zeroes);
    keyval_default_flag(json, "read-only", options.read_only);
    if (!ok || !set_cache(json, errp)) {
        g_clear_pointer(&json, json_object_put);
    }
    return json;
}

static BlockNode *open_image(GError **errp)
{
    bool guessed = false;
    struct json_object *json = describe(&guessed, errp);
    g_autoptr(BlockdevOptions) parsed = json ? BlockdevOptions_from_json(json, NULL, errp) : NULL;
    BlockNode *node = parsed ? block_node_open(parsed, errp) : NULL;

    json_object_put(json);
    if (node && guessed && !node->read_only) {
        error_warn("%s is taken for raw: what would make it look like another format is not "
                   "written; say -f raw",
                   options.image);
        raw_forbid_formats(node);
    }
    return node;
}

/* ---- serving ---- */

static void look(void *opaque)
{
    if (!options.persistent && !nbd_server_connections()) {
        main_loop_quit();
    }
}

static void on_disconnect(bool used)
{
    if (used) {
        main_loop_schedule(look, NULL);
    }
}

static gboolean on_signal(gpointer opaque)
{
    main_loop_quit();
    return G_SOURCE_CONTINUE;
}

static bool serve(BlockNode *node, GError **errp)
{
    g_autoptr(GPtrArray) bitmaps = g_ptr_array_new();
    BlockDirtyBitmap *bitmap =
        options.bitmap ? block_dirty_bitmap_find_below(node, options.bitmap, errp) : NULL;
    const BlockExportConfig config = {
        .id = "export",
        .name = options.name,
        .description = options.description,
        .writable = !node->read_only,
        .writethrough =
            !g_strcmp0(options.cache, "writethrough") || !g_strcmp0(options.cache, "directsync"),
        .depth = options.depth,
        .bitmaps = bitmaps,
    };
    SocketPlace place = { .server = true };
    const TlsSetupOptions secure = { options.tls, true, options.tls_authz, NULL };
    TlsSetup *tls = NULL;
    int fd;

    if (options.bitmap && !bitmap) {
        return false;
    }
    if (bitmap) {
        g_ptr_array_add(bitmaps, bitmap);
    }
    if (options.socket) {
        place.path = (char *)(uintptr_t)options.socket;
    } else {
        place.host = (char *)(uintptr_t)options.bind;
        place.port = (char *)(uintptr_t)options.port;
    }
    if (!socket_place_check(&place, errp)) {
        return false;
    }
    if (options.tls_authz && !options.tls) {
        error_set(errp, "--tls-authz needs --tls-creds: without TLS clients have no names");
        return false;
    }
    if (options.tls && !(tls = tls_setup_new(&secure, errp))) {
        return false;
    }
    fd = socket_place_open(&place, NULL, errp);
    nbd_server_on_disconnect(on_disconnect);
    if (fd < 0 || !nbd_server_start(fd, (unsigned)options.clients, options.socket, tls, errp) ||
        !block_export_add(&config, node, errp)) {
        return false;
    }
    nbd_server_accept();
    return true;
}

/* ---- the program ---- */

/* The child goes on; whoever started it hears when clients may come, or that it failed. */
static void go_to_background(void)
{
    int fds[2];
    char byte;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return;
    }
    switch (fork()) {
    case 0:
        close(fds[0]);
        ready_fd = fds[1];
        setsid();
        return;
    case -1:
        return;
    default:
        close(fds[1]);
        exit(read(fds[0], &byte, 1) == 1 ? 0 : 1);
    }
}

static void say_ready(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (ready_fd < 0) {
        return;
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    (void)!write(ready_fd, "", 1);
    close(ready_fd);
    close(null);
}

static bool write_pid(GError **errp)
{
    g_autofree char *text = g_strdup_printf("%d\n", getpid());

    return !options.pid_file || g_file_set_contents(options.pid_file, text, -1, errp);
}

int main(int argc, char **argv)
{
    GError *err = NULL;
    BlockNode *node;

    error_redirect(say_error, NULL);
    if (!parse(argc, argv, &err)) {
        if (err) {
            fail(err);
        }
        return 0;
    }
    if (options.fork) {
        go_to_background();
    }
    signal(SIGPIPE, SIG_IGN);
    main_loop_init();
    g_unix_signal_add(SIGTERM, on_signal, NULL);
    g_unix_signal_add(SIGINT, on_signal, NULL);
    g_unix_signal_add(SIGHUP, on_signal, NULL);
    node = open_image(&err);
    if (!node || !serve(node, &err) || !write_pid(&err)) {
        nbd_server_stop(NULL);
        fail(err);
    }
    say_ready();
    main_loop_run();
    nbd_server_stop(NULL);
    block_finish();
    block_node_unref(node);
    if (options.pid_file) {
        unlink(options.pid_file);
    }
    return 0;
}
