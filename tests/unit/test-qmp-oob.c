/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: commands that overtake others, and what goes on while a command takes long. */
#include "qapi/qapi-events.h"
#include "tests/unit/qmp-client.h"
#include "util/error.h"

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

/* What the thread of a "slow" object does. */
static void (*slow_work)(void *client);
static Client *slow_client;

static void do_slow_work(void *opaque)
{
    slow_work(slow_client);
}

static bool slow_complete(Object *obj, GError **errp)
{
    main_loop_run_long(do_slow_work, NULL);
    return true;
}

static const ObjectType slow_type = {
    .name = "slow",
    .parent = "object",
    .user_creatable = true,
    .complete = slow_complete,
};
OBJECT_TYPE_REGISTER(slow_type)

#define ADD_SLOW "{'execute': 'object-add', 'arguments': {'qom-type': 'slow', 'id': 's'}, 'id': 1}"

/* From the thread, without the main loop's functions: it is in the other thread. */
static void write_all(Client *client, const char *text)
{
    g_assert_cmpint(write(client->fd, text, strlen(text)), ==, (ssize_t)strlen(text));
}

/* The next line that comes, in no more than a minute; g_free. */
static char *read_line(Client *client)
{
    GString *line = g_string_new(NULL);
    gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    char c = 0;

    while (c != '\n') {
        g_assert_cmpint(g_get_monotonic_time(), <, deadline);
        if (read(client->fd, &c, 1) == 1) {
            g_string_append_c(line, c);
        } else {
            g_usleep(100);
        }
    }
    return g_string_free(line, FALSE);
}

static void ask_out_of_band(void *opaque)
{
    Client *client = opaque;
    g_autofree char *reply = NULL;

    write_all(client, "{'execute': 'query-name', 'id': 2}{'exec-oob': 'query-yank', 'id': 3}");
    reply = read_line(client);
    g_assert_nonnull(strstr(reply, "\"id\": 3"));
}

static void remove_slow(void)
{
    g_autoptr(GError) err = NULL;

    user_object_del("s", &err);
    g_assert_no_error(err);
}

/* The session's own command waits; what is out of band is answered, the next one after it. */
static void test_long_same_session(void)
{
    Client client = session_new(false);

    negotiate_oob(&client);
    slow_work = ask_out_of_band;
    slow_client = &client;
    client_send(&client, ADD_SLOW);
    expect_id(&client, 1);
    expect_id(&client, 2);
    expect_nothing(&client);
    g_assert_false(main_loop_nested());
    remove_slow();
    session_free(&client);
}

/* The same for another session, whether the one that waits knows of out of band or not. */
static void test_long_other_session(void)
{
    for (int oob = 0; oob < 2; oob++) {
        Client client = session_new(false), other = session_on("r", "", false);

        (oob ? negotiate_oob : negotiate)(&client);
        negotiate_oob(&other);
        slow_work = ask_out_of_band;
        slow_client = &other;
        client_send(&client, ADD_SLOW "{'execute': 'query-name', 'id': 4}");
        expect_id(&client, 1);
        expect_id(&client, 4);
        expect_id(&other, 2);
        remove_slow();
        client_free(&other);
        session_free(&client);
        client_remove_chardev("r");
    }
}

/* Commands of sessions without it wait for their turn. */
static void ask_in_band(void *opaque)
{
    Client *client = opaque;
    char c;

    write_all(client, "{'execute': 'query-name', 'id': 2}");
    /* The main loop has looked at it when it has answered another. */
    ask_out_of_band(client + 1);
    g_assert_cmpint(read(client->fd, &c, 1), ==, -1);
}

static void test_long_in_band(void)
{
    Client client = session_new(false);
    Client others[] = { session_on("r", "", false), session_on("t", "", false) };

    negotiate(&client);
    negotiate(&others[0]);
    negotiate_oob(&others[1]);
    slow_work = ask_in_band;
    slow_client = others;
    client_send(&client, ADD_SLOW);
    expect_id(&client, 1);
    expect_id(&others[0], 2);
    expect_id(&others[1], 2);
    remove_slow();
    client_free(&others[0]);
    client_free(&others[1]);
    session_free(&client);
    client_remove_chardev("r");
    client_remove_chardev("t");
}

/* Events are told meanwhile. */
static void send_stop(void *opaque)
{
    qapi_event_send_stop();
}

static void cause_event(void *opaque)
{
    g_autofree char *event = NULL;

    main_loop_schedule(send_stop, NULL);
    event = read_line(opaque);
    g_assert_nonnull(strstr(event, "\"STOP\""));
}

static void test_long_event(void)
{
    Client client = session_new(false);

    negotiate(&client);
    slow_work = cause_event;
    slow_client = &client;
    client_send(&client, ADD_SLOW);
    expect_id(&client, 1);
    remove_slow();
    session_free(&client);
}

/* The client whose command it is goes away; nothing of it is left. */
static void go_away(void *opaque)
{
    Client *client = opaque;

    close(client->fd);
    client->fd = -1;
    ask_out_of_band(client + 1);
}

static void yank_it(void *opaque)
{
    Client *client = opaque;
    g_autofree char *reply = NULL;

    write_all(client + 1, "{'exec-oob': 'yank', 'arguments': {'instances': [{'type': 'chardev', "
                          "'id': 'q'}]}, 'id': 3}");
    reply = read_line(client + 1);
    g_assert_nonnull(strstr(reply, "\"id\": 3"));
}

static void test_long_vanish(void)
{
    void (*const ways[])(void *) = { go_away, yank_it };

    for (int way = 0; way < 4; way++) {
        Client clients[] = { session_new(false), session_on("r", "", false) };

        (way & 1 ? negotiate_oob : negotiate)(&clients[0]);
        negotiate_oob(&clients[1]);
        slow_work = ways[way / 2];
        slow_client = clients;
        client_send(&clients[0], ADD_SLOW "{'execute': 'query-name', 'id': 4}");
        g_assert_cmpstr(clients[0].got->str, ==, "");
        remove_slow();
        client_settle(&clients[1]);
        client_free(&clients[1]);
        session_free(&clients[0]);
        client_remove_chardev("r");
    }
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
    g_test_add_func("/qmp/long/other-session", test_long_other_session);
    g_test_add_func("/qmp/long/in-band", test_long_in_band);
    g_test_add_func("/qmp/long/event", test_long_event);
    g_test_add_func("/qmp/long/vanish", test_long_vanish);
    return g_test_run();
}
