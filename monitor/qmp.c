/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP: greeting, negotiation of capabilities, then commands and events. Each client that connects
 * begins anew.
 *
 * Commands run as they are read, unless the client enabled `oob`: then they wait in a short queue
 * for their turn in the main loop, and those with exec-oob run at once. When the queue is full, the
 * client is not read from.
 *
 * Commands that may take long are tasks (util/task.h). While one waits, the main loop goes on:
 * events are sent and commands with exec-oob are answered, on all monitors; others wait, and so
 * keep their order. Its reply comes when it has ended.
 */
#include <string.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/virtio/vhost-ask.h"
#include "monitor/json-stream.h"
#include "monitor/monitor-internal.h"
#include "qapi/dispatch.h"
#include "qapi/event.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/task.h"
#include "util/trace.h"

#define READ_SIZE 4096
#define QUEUE_MAX 8 /* commands; what clients that use oob count on */
/* Commands of a client that does not read its replies wait; events for it are dropped later on. */
#define UNSENT_FOR_COMMANDS (1u << 20)
#define UNSENT_FOR_EVENTS   (16u << 20)
#define NAMED_FDS_MAX       64

/* A command that came, or the error in its place. */
typedef struct Request {
    QmpMonitor *mon;
    struct json_object *json; /* or NULL */
    int fd;                   /* that came with it, or -1 */
    const QmpCommand *cmd;    /* what it is about; NULL: none that can be run */
    bool waits;               /* it is a task, in which the main loop went on */
    /* what is to be answered */
    struct json_object *result;
    GError *err;
} Request;

struct QmpMonitor {
    CharFrontend fe;
    JsonStream *input;
    bool pretty;
    /* of the session */
    bool negotiated;  /* the client has left the greeting */
    bool oob;         /* and enabled out-of-band execution */
    bool warned;      /* that events were dropped */
    unsigned busy;    /* commands that run; above 1: out of band, while another waits */
    bool left;        /* the client went while a command of it ran */
    bool back;        /* and the next one is there already */
    GQueue queue;     /* of Request * */
    GSource *turn;    /* runs the queue; NULL when it is empty */
    GByteArray *rest; /* read, and left for when there is room in the queue */
    int fd;           /* came with a command that did not want it; or -1 */
    GHashTable *fds;  /* named by getfd: name -> number */
};

static GPtrArray *monitors;       /* of QmpMonitor *, not owned */
static __thread Request *running; /* in this thread: the main thread or a task's; or NULL */

static void send(QmpMonitor *mon, struct json_object *value)
{
    GString *text;

    if (mon->left) {
        return;
    }
    text = json_print(value, mon->pretty);
    g_string_append(text, "\r\n");
    char_write(&mon->fe, text->str, text->len);
    g_string_free(text, TRUE);
}

/* ---- events ---- */

static void emit_event(const char *name, struct json_object *event)
{
    for (guint i = 0; i < monitors->len; i++) {
        QmpMonitor *mon = g_ptr_array_index(monitors, i);

        if (!mon->negotiated) {
            continue;
        }
        if (char_unsent(&mon->fe) <= UNSENT_FOR_EVENTS) {
            send(mon, event);
        } else if (!mon->warned) {
            mon->warned = true;
            error_warn("a QMP client does not read; events for it are dropped");
        }
    }
}

/* ---- commands ---- */

static struct json_object *error_reply(const GError *err)
{
    struct json_object *reply = json_object_new_object(), *info = json_object_new_object();

    json_object_object_add(info, "class", json_object_new_string(error_class_name(err)));
    json_object_object_add(info, "desc", json_object_new_string(err->message));
    json_object_object_add(reply, "error", info);
    return reply;
}

static void keep_fd(int *where, int fd)
{
    if (*where >= 0) {
        close(*where);
    }
    *where = fd;
}

static void request_free(void *opaque)
{
    Request *request = opaque;

    keep_fd(&request->fd, -1);
    json_object_put(request->json);
    json_object_put(request->result);
    g_clear_error(&request->err);
    g_free(request);
}

/* The member with the command's name: "exec-oob" or "execute". */
static const char *verb(struct json_object *json)
{
    return json_object_object_get_ex(json, "exec-oob", NULL) ? "exec-oob" : "execute";
}

static bool check_members(const QmpMonitor *mon, struct json_object *json, GError **errp)
{
    json_object_object_foreach(json, key, member)
    {
        if (!strcmp(key, "exec-oob") && !mon->oob) {
            error_set(errp, "'exec-oob' needs the capability 'oob', which qmp_capabilities enables "
                            "if the greeting offers it; use 'execute'");
            return false;
        }
        if (strcmp(key, "execute") && strcmp(key, "exec-oob") && strcmp(key, "arguments") &&
            strcmp(key, "id")) {
            error_set(errp,
                      "unknown member '%s'; a command has 'execute' or 'exec-oob', 'arguments' and "
                      "'id'",
                      key);
            return false;
        }
        if (!strcmp(key, "arguments") && !json_object_is_type(member, json_type_object)) {
            error_set(errp, "'arguments' must be an object");
            return false;
        }
    }
    return true;
}

/* The command that @json is about, if it may run in this session; else NULL. */
static const QmpCommand *check_request(const QmpMonitor *mon, struct json_object *json,
                                       GError **errp)
{
    struct json_object *value;
    const char *key = verb(json), *name;
    const QmpCommand *cmd;

    if (!check_members(mon, json, errp)) {
        return NULL;
    }
    if (!json_object_object_get_ex(json, key, &value)) {
        error_set(errp, "'execute' is missing: the name of the command");
        return NULL;
    }
    if (strcmp(key, "execute") && json_object_object_get_ex(json, "execute", NULL)) {
        error_set(errp, "'execute' and 'exec-oob' exclude each other: a command has one of them");
        return NULL;
    }
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "'%s' must be a string: the name of the command", key);
        return NULL;
    }
    name = json_object_get_string(value);
    if (!mon->negotiated && strcmp(name, "qmp_capabilities")) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "'%s' works only after capabilities were negotiated: send "
                        "'qmp_capabilities' first",
                        name);
        return NULL;
    }
    cmd = qmp_find_command(name, errp);
    if (cmd && !strcmp(key, "exec-oob") && !cmd->allow_oob) {
        error_set(errp, "'%s' cannot run out of band; use 'execute'", name);
        return NULL;
    }
    return cmd;
}

/* In the main thread, or as a task. */
static void run(void *opaque)
{
    Request *request = opaque, *outer;

    if (request->cmd->may_wait) {
        vhost_ask_before_command();
    }
    if (trace_enabled(TRACE_QMP_COMMAND)) {
        g_autofree char *text = qmp_trace_text(request->json);

        trace_print(TRACE_QMP_COMMAND, "%s", text);
    }
    outer = running;
    running = request;
    request->result = qmp_dispatch(
        request->cmd->name, json_object_object_get(request->json, "arguments"), &request->err);
    running = outer;
    if (request->cmd->may_wait) {
        vhost_ask_after_command();
    }
}

/* Consumes @request. */
static void reply_to(Request *request)
{
    struct json_object *reply, *id;

    if (request->json && request->fd >= 0) { /* perhaps the next command is the one that wants it */
        keep_fd(&request->mon->fd, request->fd);
        request->fd = -1;
    }
    if (request->err) {
        reply = error_reply(request->err);
    } else {
        reply = json_object_new_object();
        json_object_object_add(reply, "return", g_steal_pointer(&request->result));
    }
    if (request->json && json_object_object_get_ex(request->json, "id", &id)) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    trace(TRACE_QMP_RESPOND, "%s", json_object_to_json_string(reply));
    send(request->mon, reply);
    json_object_put(reply);
    request_free(request);
}

static void catch_up(QmpMonitor *mon);

static void finish(void *opaque)
{
    Request *request = opaque;
    QmpMonitor *mon = request->mon;
    bool waited = request->waits;

    reply_to(request);
    mon->busy--;
    if (waited) {
        catch_up(mon);
        monitors_release();
    }
}

/* Run and answer, perhaps later. Consumes @request. */
static void answer(QmpMonitor *mon, Request *request)
{
    request->cmd = request->json ? check_request(mon, request->json, &request->err) : NULL;
    if (!request->cmd) {
        reply_to(request);
        return;
    }
    mon->busy++;
    if (!request->cmd->may_wait) {
        run(request);
        finish(request);
    } else if (!task_run(run, finish, request)) {
        request->waits = true;
        monitors_hold();
    }
}

/* ---- the beginning and the end of a session ---- */

static void greet(QmpMonitor *mon)
{
    struct json_object *greeting = json_object_new_object(), *qmp = json_object_new_object();
    struct json_object *offered = json_object_new_array();
    VersionInfo *version = qmp_query_version(NULL);

    /* On a mux, bytes for others are among ours: they cannot be read ahead. */
    if (!chardev_is_mux(mon->fe.chr)) {
        json_object_array_add(offered,
                              json_object_new_string(QMPCapability_str(QMP_CAPABILITY_OOB)));
    }
    json_object_object_add(qmp, "version", VersionInfo_to_json(version));
    json_object_object_add(qmp, "capabilities", offered);
    json_object_object_add(greeting, "QMP", qmp);
    send(mon, greeting);
    json_object_put(greeting);
    VersionInfo_free(version);
}

static void end_turn(QmpMonitor *mon)
{
    if (mon->turn) {
        g_source_destroy(mon->turn);
        g_clear_pointer(&mon->turn, g_source_unref);
    }
}

static gboolean close_named(gpointer name, gpointer fd, gpointer opaque)
{
    close(GPOINTER_TO_INT(fd));
    return TRUE;
}

static bool any_session(void)
{
    for (guint i = 0; i < monitors->len; i++) {
        if (((QmpMonitor *)g_ptr_array_index(monitors, i))->negotiated) {
            return true;
        }
    }
    return false;
}

/* Nothing of a session is left for the next. */
static void forget_session(QmpMonitor *mon)
{
    bool was_negotiated = mon->negotiated;

    mon->negotiated = mon->oob = mon->warned = false;
    if (was_negotiated && !any_session()) {
        fdset_remove_from_clients();
    }
    json_stream_reset(mon->input);
    g_byte_array_set_size(mon->rest, 0);
    g_queue_clear_full(&mon->queue, request_free);
    end_turn(mon);
    keep_fd(&mon->fd, -1);
    g_hash_table_foreach_remove(mon->fds, close_named, NULL);
}

static void begin_session(QmpMonitor *mon, bool open)
{
    forget_session(mon);
    if (open) {
        greet(mon);
    }
}

/* After a command: do what its client's coming and going asked for meanwhile. */
static void catch_up(QmpMonitor *mon)
{
    if (mon->left && !mon->busy) {
        mon->left = false;
        begin_session(mon, mon->back);
    }
}

/* ---- the queue ---- */

/* What was read and had to wait. */
static void feed_rest(QmpMonitor *mon)
{
    if (mon->rest->len) {
        size_t taken = json_stream_feed(mon->input, mon->rest->data, mon->rest->len);

        g_byte_array_remove_range(mon->rest, 0, (guint)taken);
    }
}

/* One command of each session in turn, and whatever else the main loop has to do. */
static gboolean run_queue(gpointer opaque)
{
    QmpMonitor *mon = opaque;

    if (char_unsent(&mon->fe) > UNSENT_FOR_COMMANDS || monitors_held()) {
        end_turn(mon); /* can_receive() begins the next */
        return G_SOURCE_REMOVE;
    }
    answer(mon, g_queue_pop_head(&mon->queue));
    catch_up(mon);
    feed_rest(mon);
    if (g_queue_is_empty(&mon->queue)) {
        end_turn(mon);
    }
    char_accept_input(&mon->fe);
    return mon->turn ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void begin_turn(QmpMonitor *mon)
{
    if (!mon->turn && !g_queue_is_empty(&mon->queue) && !monitors_held()) {
        mon->turn = g_idle_source_new();
        g_source_set_priority(mon->turn, G_PRIORITY_DEFAULT);
        g_source_set_callback(mon->turn, run_queue, mon, NULL);
        g_source_attach(mon->turn, NULL);
    }
}

static void receive_object(struct json_object *json, GError *parse_error, void *opaque)
{
    QmpMonitor *mon = opaque;
    Request *request = g_new0(Request, 1);

    *request =
        (Request){ .mon = mon, .json = json, .err = parse_error, .fd = char_take_fd(&mon->fe) };
    if (!mon->oob || (json && !strcmp(verb(json), "exec-oob"))) {
        answer(mon, request);
        if (monitors_held() && !mon->oob) {
            json_stream_pause(mon->input);
        }
        return;
    }
    g_queue_push_tail(&mon->queue, request);
    begin_turn(mon);
    if (mon->queue.length >= QUEUE_MAX) {
        json_stream_pause(mon->input);
    }
}

/* ---- for commands ---- */

/* The monitor whose command runs. */
static QmpMonitor *session(const char *what, GError **errp)
{
    if (!running) {
        error_set(errp, "%s for QMP sessions only", what);
    }
    return running ? running->mon : NULL;
}

bool qmp_session_negotiated(bool oob, GError **errp)
{
    QmpMonitor *current = session("'qmp_capabilities' is", errp);

    if (!current) {
        return false;
    }
    if (current->negotiated) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "capabilities were negotiated already in this session");
        return false;
    }
    if (oob && chardev_is_mux(current->fe.chr)) {
        error_set(errp, "capability 'oob' is not offered on a shared character device; the "
                        "greeting lists those that are");
        return false;
    }
    current->negotiated = true;
    current->oob = oob;
    return true;
}

int qmp_session_take_fd(GError **errp)
{
    QmpMonitor *current = session("descriptors are passed in messages: this is", errp);
    int *where, fd;

    if (!current) {
        return -1;
    }
    where = running->fd >= 0 ? &running->fd : &current->fd;
    fd = *where;
    *where = -1;
    if (fd < 0) {
        error_set(errp, "no descriptor came with the command: send it as SCM_RIGHTS through the "
                        "unix socket of the monitor");
    }
    return fd;
}

bool qmp_session_name_fd(const char *name, int fd, GError **errp)
{
    QmpMonitor *current = session("named descriptors are", errp);
    gpointer old;

    if (!current) {
        close(fd);
        return false;
    }
    if (g_hash_table_lookup_extended(current->fds, name, NULL, &old)) {
        close(GPOINTER_TO_INT(old));
    } else if (g_hash_table_size(current->fds) >= NAMED_FDS_MAX) {
        error_set(errp,
                  "there are %d named descriptors in this session, which is the limit: closefd "
                  "frees those that are not needed any more",
                  NAMED_FDS_MAX);
        close(fd);
        return false;
    }
    g_hash_table_insert(current->fds, g_strdup(name), GINT_TO_POINTER(fd));
    return true;
}

int qmp_session_take_named_fd(const char *name, GError **errp)
{
    QmpMonitor *current = session("named descriptors are", errp);
    gpointer fd;

    if (!current) {
        return -1;
    }
    if (!g_hash_table_lookup_extended(current->fds, name, NULL, &fd)) {
        error_set(errp, "there is no descriptor named '%s' in this session; getfd names one", name);
        return -1;
    }
    g_hash_table_remove(current->fds, name);
    return GPOINTER_TO_INT(fd);
}

/* ---- the character device ---- */

static int can_receive(void *opaque)
{
    QmpMonitor *mon = opaque;

    if (char_unsent(&mon->fe) > UNSENT_FOR_COMMANDS || mon->left ||
        (monitors_held() && !mon->oob)) {
        return 0;
    }
    begin_turn(mon);
    return mon->queue.length < QUEUE_MAX && !mon->rest->len ? READ_SIZE : 0;
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    QmpMonitor *mon = opaque;
    size_t taken = json_stream_feed(mon->input, buf, len);

    g_byte_array_append(mon->rest, buf + taken, (guint)(len - taken));
    catch_up(mon);
}

static void event(void *opaque, CharEvent what)
{
    QmpMonitor *mon = opaque;

    if (what != CHAR_EVENT_OPENED && what != CHAR_EVENT_CLOSED) {
        return;
    }
    if (mon->busy) {
        mon->left = true;
        mon->back = what == CHAR_EVENT_OPENED;
    } else {
        begin_session(mon, what == CHAR_EVENT_OPENED);
    }
}

QmpMonitor *qmp_monitor_new(Chardev *chr, bool pretty, GError **errp)
{
    QmpMonitor *mon = g_new0(QmpMonitor, 1);

    mon->pretty = pretty;
    mon->fd = -1;
    mon->input = json_stream_new(receive_object, mon);
    mon->rest = g_byte_array_new();
    mon->fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&mon->queue);
    mon->fe = (CharFrontend){
        .can_receive = can_receive,
        .receive = receive,
        .event = event,
        .opaque = mon,
        .keep_output = true,
        .background = true,
    };
    if (!monitors) {
        monitors = g_ptr_array_new();
        qapi_event_set_emitter(emit_event);
    }
    g_ptr_array_add(monitors, mon);
    if (!char_attach(chr, &mon->fe, errp)) {
        qmp_monitor_free(mon);
        return NULL;
    }
    return mon;
}

const CharFrontend *qmp_monitor_frontend(const QmpMonitor *mon)
{
    return &mon->fe;
}

void qmp_monitor_resume(QmpMonitor *mon)
{
    begin_turn(mon);
    if (!mon->oob && !monitors_held()) { /* it may have been held again meanwhile */
        feed_rest(mon);
        catch_up(mon);
    }
    char_accept_input(&mon->fe);
}

void qmp_monitor_free(QmpMonitor *mon)
{
    char_detach(&mon->fe);
    forget_session(mon);
    g_ptr_array_remove(monitors, mon);
    json_stream_free(mon->input);
    g_byte_array_unref(mon->rest);
    g_hash_table_unref(mon->fds);
    g_free(mon);
}
