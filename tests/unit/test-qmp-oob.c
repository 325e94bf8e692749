/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: commands that overtake others, and what goes on while a command takes long. */
#include <sys/un.h>

#include "chardev/chardev.h"
#include "qapi/qapi-events.h"
#include "qom/user-object.h"
#include "tests/unit/qmp-client.h"
#include "util/error.h"
#include "util/main-loop.h"
#include "util/task.h"

/* ---- overtaking ---- */

static void test_oob_requests(void)
{
    static const struct {
        const char *request, *class_name, *pattern;
    } cases[] = {
        { "{'exec-oob': 'stop'}", "GenericError", "*'stop'*out of band*" },
        { "{'exec-oob': 'qmp_capabilities'}", "GenericError", "*out of band*" },
        { "{'exec-oob': 'bogus'}", "CommandNotFound", "*'bogus'*" },
        { "{'exec-oob': 1}", "GenericError", "*'exec-oob' must be a string*" },
        { "{'exec-oob': 'query-yank', 'execute': 'query-yank'}", "GenericError", "*exclude*" },
        { "{'exec-oob': 'query-yank', 'arguments': {'a': 1}}", "GenericError", "*'a'*" },
        { "{'exec-oob': 'yank', 'arguments': {'instances': [{'type': 'chardev', 'id': 'x'}]}}",
          "DeviceNotFound", "*'x'*" },
    };
    Client client = session_new(false);

    json_object_put(next_reply(&client));
    client_send(&client, "{'exec-oob': 'query-yank'}");
    expect_error(&client, "GenericError", "*'exec-oob'*");
    client_send(&client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}");
    expect_return(&client, "{\"return\":{}}");
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        client_send(&client, cases[i].request);
        expect_error(&client, cases[i].class_name, cases[i].pattern);
        expect_nothing(&client);
    }
    client_send(&client, "{'exec-oob': 'query-yank', 'id': [1]}");
    expect_return(&client, "{\"return\":[{\"type\":\"chardev\",\"id\":\"q\"}],\"id\":[1]}");
    session_free(&client);
}

/* Commands out of band go first; the others keep their order, and so do errors. */
static void test_oob_order(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    client_send(&client, "{'execute': 'query-name', 'id': 1}"
                         "{'execute': 'bogus', 'id': 2}"
                         "{'execute': [1, 2 3]}"
                         "{'execute': 'query-name', 'id': 3}"
                         "{'exec-oob': 'query-yank', 'id': 4}"
                         "{'exec-oob': 'bogus', 'id': 5}");
    expect_id(&client, 4);
    expect_id(&client, 5);
    expect_id(&client, 1);
    expect_id(&client, 2);
    expect_error(&client, "GenericError", "JSON:*");
    expect_id(&client, 3);
    session_free(&client);
}

/* With 8 commands waiting, nothing more is read: the ninth is out of band, and has to wait until
 * the first has run. */
static void test_oob_queue_full(void)
{
    Client client = session_new(false);
    GString *text = g_string_new(NULL);

    negotiate_oob(&client);
    for (int i = 1; i <= 8; i++) {
        g_string_append_printf(text, "{'execute': 'query-name', 'id': %d}", i);
    }
    g_string_append(text, "{'exec-oob': 'query-yank', 'id': 100}");
    for (int i = 9; i <= 300; i++) {
        g_string_append_printf(text, "{'execute': 'query-name', 'id': %d}", i);
    }
    client_send(&client, text->str);
    expect_id(&client, 1);
    expect_id(&client, 100);
    for (int i = 2; i <= 300; i++) {
        expect_id(&client, i);
    }
    expect_nothing(&client);
    g_string_free(text, TRUE);
    session_free(&client);
}

static void test_oob_slow_client(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    expect_no_answer_lost(&client);
    session_free(&client);
}

/* A mux is shared with others, so its input cannot be read ahead. */
static void test_oob_mux(void)
{
    Client client = session_on("q", ",mux=on", false);

    g_assert_nonnull(strstr(client.got->str, "\"capabilities\": []"));
    g_string_set_size(client.got, 0);
    client_send(&client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}");
    expect_error(&client, "GenericError", "*'oob' is not offered*");
    client_send(&client, "{'execute': 'qmp_capabilities'}{'execute': 'query-name', 'id': 1}");
    expect_return(&client, "{\"return\":{}}");
    expect_id(&client, 1);
    session_free(&client);
    client_remove_chardev("q-base");
}

static void test_yank(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    client_send(&client, "{'exec-oob': 'yank', 'arguments': {'instances': [{'type': 'chardev', "
                         "'id': 'q'}]}}");
    client_settle(&client);
    g_assert_true(client.closed);
    session_free(&client);
}

/* ---- while a command takes long ---- */

/* What the completion of a "slow" object waits for. */
static struct {
    GMutex mutex;
    GCond opened;
    bool open;
} gate;

static void wait_at_gate(void *opaque)
{
    g_mutex_lock(&gate.mutex);
    while (!gate.open) {
        g_cond_wait(&gate.opened, &gate.mutex);
    }
    gate.open = false;
    g_mutex_unlock(&gate.mutex);
}

/* Let it go on, and the main loop until it has ended. */
static void open_gate(void)
{
    g_mutex_lock(&gate.mutex);
    gate.open = true;
    g_cond_signal(&gate.opened);
    g_mutex_unlock(&gate.mutex);
    while (task_pending()) {
        main_loop_iterate(true);
    }
}

static bool slow_complete(Object *obj, GError **errp)
{
    task_wait(wait_at_gate, NULL);
    return true;
}

static const ObjectType slow_type = {
    .name = "slow",
    .parent = "object",
    .user_creatable = true,
    .complete = slow_complete,
};
OBJECT_TYPE_REGISTER(slow_type)

#define ADD_SLOW   "{'execute': 'object-add', 'arguments': {'qom-type': 'slow', 'id': 's'}, 'id': 1}"
#define QUERY(id)  "{'execute': 'query-name', 'id': " #id "}"
#define BEYOND(id) "{'exec-oob': 'query-yank', 'id': " #id "}"

static void remove_slow(void)
{
    g_autoptr(GError) err = NULL;

    user_object_del("s", &err);
    g_assert_no_error(err);
}

/* The session's own commands wait, and keep their order; what is out of band is answered. */
static void test_long_same_session(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    client_send(&client, ADD_SLOW QUERY(2) BEYOND(3) QUERY(4));
    expect_id(&client, 3);
    expect_nothing(&client);
    g_assert_true(task_pending());
    client_send(&client, BEYOND(5));
    expect_id(&client, 5);
    open_gate();
    expect_id(&client, 1);
    expect_id(&client, 2);
    expect_id(&client, 4);
    expect_nothing(&client);
    remove_slow();
    session_free(&client);
}

/* Without that capability too: what came with the command, and what comes later. */
static void test_long_without_oob(void)
{
    Client client = session_new(false);

    negotiate(&client);
    client_send(&client, ADD_SLOW "{'execute': 'object-del', 'arguments': {'id': 's'}, 'id': 2}"
                                  "{'execute': [1, 2 3]}");
    client_send(&client, ADD_SLOW QUERY(4));
    expect_nothing(&client);
    open_gate();
    expect_id(&client, 1);
    expect_id(&client, 2);
    expect_error(&client, "GenericError", "JSON:*");
    expect_nothing(&client); /* it waits again */
    open_gate();
    expect_id(&client, 1);
    expect_id(&client, 4);
    remove_slow();
    session_free(&client);
}

/* Other sessions: what is in band waits, whether they know of out of band or not. */
static void test_long_other_sessions(void)
{
    for (int oob = 0; oob < 2; oob++) {
        Client client = session_new(false), plain = session_on("r", "", false),
               other = session_on("t", "", false);

        (oob ? negotiate_oob : negotiate)(&client);
        negotiate(&plain);
        negotiate_oob(&other);
        client_send(&client, ADD_SLOW QUERY(4));
        client_send(&plain, QUERY(2));
        client_send(&other, QUERY(2) BEYOND(3));
        expect_id(&other, 3);
        expect_nothing(&other);
        expect_nothing(&plain);
        expect_nothing(&client);
        open_gate();
        expect_id(&client, 1);
        expect_id(&client, 4);
        expect_id(&plain, 2);
        expect_id(&other, 2);
        remove_slow();
        client_free(&plain);
        client_free(&other);
        session_free(&client);
        client_remove_chardev("r");
        client_remove_chardev("t");
    }
}

/* Events are told meanwhile. */
static void test_long_event(void)
{
    Client client = session_new(false);
    struct json_object *event;

    negotiate(&client);
    client_send(&client, ADD_SLOW);
    qapi_event_send_stop();
    event = next_reply(&client);
    g_assert_cmpstr(member(event, "event", NULL), ==, "STOP");
    json_object_put(event);
    open_gate();
    expect_id(&client, 1);
    remove_slow();
    session_free(&client);
}

/* The client whose command it is goes away, by itself or yanked; nothing of it is left. */
static void test_long_vanish(void)
{
    for (int way = 0; way < 4; way++) {
        Client client = session_new(false), other = session_on("r", "", false);

        (way & 1 ? negotiate_oob : negotiate)(&client);
        negotiate_oob(&other);
        client_send(&client, ADD_SLOW QUERY(4));
        if (way & 2) {
            client_send(&other, "{'exec-oob': 'yank', 'arguments': {'instances': [{'type': "
                                "'chardev', 'id': 'q'}]}, 'id': 3}");
            expect_id(&other, 3);
        } else {
            close(client.fd);
            client.fd = -1;
        }
        client_settle(&other);
        open_gate();
        g_assert_cmpstr(client.got->str, ==, "");
        client_send(&other, QUERY(5));
        expect_id(&other, 5);
        remove_slow();
        client_free(&other);
        session_free(&client);
        client_remove_chardev("r");
    }
}

/* The next client comes before the command of the one before has ended. */
static void test_long_next_client(void)
{
    g_autofree char *path = g_strdup_printf("%s/test-qmp-oob-%d", g_get_tmp_dir(), (int)getpid());
    g_autofree char *text = g_strdup_printf("socket,id=q,path=%s,server=on,wait=off", path);
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    Client clients[2] = { 0 };

    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    g_assert_nonnull(chardev_new_from_opts(text, NULL));
    g_assert_true(monitor_new(chardev_find("q"), true, false, NULL));
    for (int i = 0; i < 2; i++) {
        clients[i] = (Client){ .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0),
                               .got = g_string_new(NULL) };
        g_assert_cmpint(connect(clients[i].fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
        if (i == 0) {
            negotiate(&clients[0]);
            client_send(&clients[0], ADD_SLOW QUERY(4));
            close(clients[0].fd);
            clients[0].fd = -1;
        }
    }
    expect_nothing(&clients[1]);
    open_gate();
    negotiate(&clients[1]); /* with a greeting, and no reply to what another asked for */
    client_send(&clients[1], QUERY(5));
    expect_id(&clients[1], 5);
    expect_nothing(&clients[1]);
    remove_slow();
    client_free(&clients[0]);
    session_free(&clients[1]);
}

/* ---- HMP ---- */

#define PROMPT "(dimmable) "

static void test_long_hmp_by_qmp(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    client_send(&client, "{'execute': 'human-monitor-command', 'id': 1, 'arguments': "
                         "{'command-line': 'object_add slow,id=s'}}" QUERY(2));
    expect_nothing(&client);
    client_send(&client, BEYOND(3));
    expect_id(&client, 3);
    open_gate();
    expect_id(&client, 1);
    expect_id(&client, 2);
    remove_slow();
    session_free(&client);
}

/* The prompt comes when the command has ended; what was typed meanwhile is run then. With the
 * editor, and in a second session, without. */
static void test_long_hmp(void)
{
    for (int second = 0; second < 2; second++) {
        Client qmp = session_new(false), hmp = client_new("h", ""), first = { 0 };

        if (second) {
            first = client_new("h1", "");
            g_assert_true(monitor_new(chardev_find("h1"), false, false, NULL));
        }
        g_assert_true(monitor_new(chardev_find("h"), false, false, NULL));
        negotiate_oob(&qmp);
        client_settle(&hmp);
        g_assert_true(g_str_has_suffix(hmp.got->str, PROMPT));
        g_string_set_size(hmp.got, 0);
        client_send(&hmp, "object_add slow,id=s\ninfo name\n");
        client_send(&hmp, "info na");
        client_expect(&hmp, "object_add slow,id=s\r\n");
        client_send(&qmp, QUERY(1) BEYOND(2));
        expect_id(&qmp, 2);
        expect_nothing(&qmp);
        open_gate();
        expect_id(&qmp, 1);
        client_expect(&hmp, PROMPT "info name\r\n" PROMPT "info na");
        client_send(&hmp, "me\n");
        client_expect(&hmp, "me\r\n" PROMPT);
        /* A QMP command waits: lines are not run. */
        remove_slow();
        client_send(&qmp, ADD_SLOW);
        client_send(&hmp, "info name\n");
        client_expect(&hmp, "");
        open_gate();
        expect_id(&qmp, 1);
        client_expect(&hmp, "info name\r\n" PROMPT);
        remove_slow();
        if (second) {
            client_free(&first);
        }
        client_free(&hmp);
        session_free(&qmp);
        client_remove_chardev("h");
        if (second) {
            client_remove_chardev("h1");
        }
    }
}

static void test_long_hmp_vanish(void)
{
    Client qmp = session_new(false), hmp = client_new("h", "");

    g_assert_true(monitor_new(chardev_find("h"), false, false, NULL));
    negotiate_oob(&qmp);
    client_send(&hmp, "object_add slow,id=s\ninfo name\n");
    close(hmp.fd);
    hmp.fd = -1;
    client_send(&qmp, BEYOND(2));
    expect_id(&qmp, 2);
    open_gate();
    client_send(&qmp, QUERY(3));
    expect_id(&qmp, 3);
    remove_slow();
    client_free(&hmp);
    session_free(&qmp);
    client_remove_chardev("h");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/qmp/oob/requests", test_oob_requests);
    g_test_add_func("/qmp/oob/order", test_oob_order);
    g_test_add_func("/qmp/oob/queue-full", test_oob_queue_full);
    g_test_add_func("/qmp/oob/slow-client", test_oob_slow_client);
    g_test_add_func("/qmp/oob/mux", test_oob_mux);
    g_test_add_func("/qmp/yank", test_yank);
    g_test_add_func("/qmp/long/same-session", test_long_same_session);
    g_test_add_func("/qmp/long/without-oob", test_long_without_oob);
    g_test_add_func("/qmp/long/other-sessions", test_long_other_sessions);
    g_test_add_func("/qmp/long/event", test_long_event);
    g_test_add_func("/qmp/long/vanish", test_long_vanish);
    g_test_add_func("/qmp/long/next-client", test_long_next_client);
    g_test_add_func("/qmp/long/hmp-by-qmp", test_long_hmp_by_qmp);
    g_test_add_func("/qmp/long/hmp", test_long_hmp);
    g_test_add_func("/qmp/long/hmp-vanish", test_long_hmp_vanish);
    return g_test_run();
}
