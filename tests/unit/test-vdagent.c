/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The other end of SPICE's agent: clipboards both ways, the pointer, and an agent that says what
 * none should. */
#include <spice/vd_agent.h>
#include <string.h>

#include "qapi/qapi-types.h"
#include "ui/clipboard.h"
#include "ui/vdagent.h"
#include "util/main-loop.h"

/* ---- the machine's side ---- */

static unsigned outputs;
static GString *told;

static void has_output(void *opaque)
{
    outputs++;
}

static void mouse(void *opaque, bool takes)
{
    g_string_append(told, takes ? "places " : "none ");
}

static const VdAgentHost host = { has_output, mouse, NULL };

/* Another peer, such as a viewer. */
static void changed(void *opaque, ClipboardSelection which)
{
    GBytes *text = clipboard_text(which);

    g_string_append_printf(told, "%d:%s ", which,
                           text                      ? (const char *)g_bytes_get_data(text, NULL)
                           : !clipboard_owner(which) ? "nobody"
                                                     : "grabbed");
}

static void wanted(void *opaque, ClipboardSelection which)
{
    g_string_append_printf(told, "%d:wanted ", which);
}

static const ClipboardPeer other = { changed, wanted, NULL };

static void expect_told(const char *text)
{
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpstr(told->str, ==, text);
    g_string_truncate(told, 0);
}

/* ---- the guest's side ---- */

typedef struct Message {
    uint32_t port, type, size;
    uint8_t *body;
} Message;

static const uint32_t CAPS = 1u << VD_AGENT_CAP_MOUSE_STATE |
                             1u << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND |
                             1u << VD_AGENT_CAP_CLIPBOARD_SELECTION;

static void say(VdAgent *agent, uint32_t type, const void *body, uint32_t size)
{
    VDIChunkHeader chunk = { VDP_CLIENT_PORT, (uint32_t)sizeof(VDAgentMessage) + size };
    VDAgentMessage head = { .protocol = VD_AGENT_PROTOCOL, .type = type, .size = size };

    vdagent_input(agent, (const uint8_t *)&chunk, sizeof(chunk));
    vdagent_input(agent, (const uint8_t *)&head, sizeof(head));
    vdagent_input(agent, body, size);
}

/* A message about @which, with a word (if not 0) and a text (if not NULL) behind it. */
static void say_selection(VdAgent *agent, uint32_t message, uint8_t which, uint32_t word,
                          const char *text)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    const uint8_t selection[4] = { which, 1, 2, 3 };

    g_byte_array_append(body, selection, sizeof(selection));
    if (word) {
        g_byte_array_append(body, (const uint8_t *)&word, sizeof(word));
    }
    if (text) {
        g_byte_array_append(body, (const uint8_t *)text, (guint)strlen(text));
    }
    say(agent, message, body->data, body->len);
}

/* The next message for the guest; its body is freed by the next call. */
static Message hear(VdAgent *agent)
{
    static GByteArray *body;
    size_t size;
    const uint8_t *data = vdagent_output(agent, &size);
    VDAgentMessage head = { 0 };
    Message message = { 0 };
    size_t taken = 0;

    g_clear_pointer(&body, g_byte_array_unref);
    body = g_byte_array_new();
    if (!size) {
        return message;
    }
    do {
        VDIChunkHeader chunk;

        g_assert_cmpuint(size - taken, >=, sizeof(chunk));
        memcpy(&chunk, data + taken, sizeof(chunk));
        g_assert_cmpuint(chunk.size, <=, VD_AGENT_MAX_DATA_SIZE);
        message.port = chunk.port;
        g_byte_array_append(body, data + taken + sizeof(chunk), chunk.size);
        taken += sizeof(chunk) + chunk.size;
        memcpy(&head, body->data, sizeof(head));
    } while (body->len < sizeof(head) + head.size);
    g_assert_cmpuint(head.protocol, ==, VD_AGENT_PROTOCOL);
    vdagent_output_taken(agent, taken);
    message.type = head.type;
    message.size = head.size;
    message.body = body->data + sizeof(head);
    return message;
}

static uint32_t word(const Message *m, unsigned n)
{
    uint32_t value;

    g_assert_cmpuint(m->size, >=, 4 * (n + 1));
    memcpy(&value, m->body + 4 * (size_t)n, sizeof(value));
    return value;
}

static void expect(VdAgent *agent, uint32_t type, uint32_t size)
{
    Message m = hear(agent);

    g_assert_cmpuint(m.type, ==, type);
    g_assert_cmpuint(m.size, ==, size);
}

static VdAgent *begin(uint32_t caps)
{
    VdAgent *agent = vdagent_new(true, true, &host);
    const uint32_t words[] = { 0, caps };

    told = g_string_new(NULL);
    clipboard_add(&other);
    vdagent_set_open(agent, true);
    Message m = hear(agent);
    g_assert_cmpuint(m.type, ==, VD_AGENT_ANNOUNCE_CAPABILITIES);
    g_assert_cmpuint(m.port, ==, VDP_CLIENT_PORT);
    g_assert_cmpuint(word(&m, 0), ==, 1);
    g_assert_cmphex(word(&m, 1), ==, CAPS);
    say(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, words, sizeof(words));
    return agent;
}

static void end(VdAgent *agent)
{
    vdagent_free(agent);
    clipboard_remove(&other);
    while (main_loop_iterate(false)) {
    }
    g_string_free(told, TRUE);
    told = NULL;
}

/* ---- tests ---- */

static void test_from_guest(void)
{
    VdAgent *agent = begin(CAPS);

    expect_told("places ");
    for (uint8_t which = 0; which < CLIPBOARD_SELECTIONS; which++) {
        g_autofree char *grabbed = g_strdup_printf("%d:grabbed ", which),
                        *copied = g_strdup_printf("%d:gr\xc3\xbc\xc3\x9f ", which),
                        *released = g_strdup_printf("%d:nobody ", which);

        say_selection(agent, VD_AGENT_CLIPBOARD_GRAB, which, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
        expect_told(grabbed);
        g_assert_cmpuint(hear(agent).type, ==, 0);
        clipboard_want(which);
        clipboard_want(which);
        expect_told("");
        expect(agent, VD_AGENT_CLIPBOARD_REQUEST, 8);
        g_assert_cmpuint(hear(agent).type, ==, 0);
        say_selection(agent, VD_AGENT_CLIPBOARD, which, VD_AGENT_CLIPBOARD_UTF8_TEXT,
                      "gr\xc3\xbc\xc3\x9f");
        expect_told(copied);
        say_selection(agent, VD_AGENT_CLIPBOARD, which, VD_AGENT_CLIPBOARD_UTF8_TEXT, "unasked");
        expect_told("");
        say_selection(agent, VD_AGENT_CLIPBOARD_RELEASE, which, 0, NULL);
        expect_told(released);
    }
    say_selection(agent, VD_AGENT_CLIPBOARD_GRAB, 0, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
    say_selection(agent, VD_AGENT_CLIPBOARD_GRAB, 0, VD_AGENT_CLIPBOARD_IMAGE_PNG, NULL);
    expect_told("0:nobody ");
    vdagent_set_open(agent, false);
    expect_told("none ");
    end(agent);
}

static void test_to_guest(void)
{
    VdAgent *agent = begin(CAPS);

    clipboard_grab(&other, CLIPBOARD_PRIMARY);
    expect_told("places 1:grabbed ");
    Message m = hear(agent);
    g_assert_cmpuint(m.type, ==, VD_AGENT_CLIPBOARD_GRAB);
    g_assert_cmpuint(word(&m, 0), ==, 1);
    g_assert_cmpuint(word(&m, 1), ==, VD_AGENT_CLIPBOARD_UTF8_TEXT);
    say_selection(agent, VD_AGENT_CLIPBOARD_REQUEST, 1, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
    expect_told("1:wanted ");
    g_autofree char *large = g_strnfill(5000, 'x');
    g_assert_true(clipboard_set_text(&other, CLIPBOARD_PRIMARY, large, 5000));
    while (main_loop_iterate(false)) {
    }
    m = hear(agent);
    g_assert_cmpuint(m.type, ==, VD_AGENT_CLIPBOARD);
    g_assert_cmpmem(m.body + 8, m.size - 8, large, 5000);
    g_assert_cmpuint(hear(agent).type, ==, 0);
    g_string_truncate(told, 0);
    /* There is no picture. */
    say_selection(agent, VD_AGENT_CLIPBOARD_REQUEST, 1, VD_AGENT_CLIPBOARD_IMAGE_PNG, NULL);
    m = hear(agent);
    g_assert_cmpuint(m.type, ==, VD_AGENT_CLIPBOARD);
    g_assert_cmpuint(m.size, ==, 4);
    clipboard_release(&other, CLIPBOARD_PRIMARY);
    expect_told("1:nobody ");
    expect(agent, VD_AGENT_CLIPBOARD_RELEASE, 4);
    end(agent);
}

/* An agent that knows one selection; and what was copied before it came. */
static void test_one_selection(void)
{
    clipboard_grab(&other, CLIPBOARD_CLIPBOARD);
    clipboard_grab(&other, CLIPBOARD_PRIMARY);
    VdAgent *agent = begin(1u << VD_AGENT_CAP_CLIPBOARD_BY_DEMAND);
    Message m = hear(agent);

    g_assert_cmpuint(m.type, ==, VD_AGENT_CLIPBOARD_GRAB);
    g_assert_cmpuint(m.size, ==, 4);
    g_assert_cmpuint(word(&m, 0), ==, VD_AGENT_CLIPBOARD_UTF8_TEXT);
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(hear(agent).type, ==, 0);
    end(agent);
}

static void test_mouse(void)
{
    VdAgent *agent = begin(CAPS);
    VDAgentMouseState state;

    vdagent_move(agent, 100, 200, 1u << INPUT_BUTTON_RIGHT);
    Message m = hear(agent);
    g_assert_cmpuint(m.type, ==, VD_AGENT_MOUSE_STATE);
    g_assert_cmpuint(m.port, ==, VDP_SERVER_PORT);
    memcpy(&state, m.body, sizeof(state));
    g_assert_cmpuint(state.x, ==, 100);
    g_assert_cmpuint(state.y, ==, 200);
    g_assert_cmphex(state.buttons, ==, VD_AGENT_RBUTTON_MASK);
    /* It does not read: a few wait, and the last one. */
    for (unsigned i = 0; i <= 10000; i++) {
        vdagent_move(agent, i, 0, 0);
    }
    unsigned count = 0;
    while ((m = hear(agent)).type) {
        memcpy(&state, m.body, sizeof(state));
        count++;
    }
    g_assert_cmpuint(state.x, ==, 10000);
    g_assert_cmpuint(count, <, 200);
    end(agent);
}

/* What one agent says too much of. */
static void test_floods(void)
{
    VdAgent *agent = begin(CAPS);
    const uint32_t ask[] = { 1, CAPS };
    size_t size;

    clipboard_grab(&other, CLIPBOARD_CLIPBOARD);
    g_autofree char *large = g_strnfill(CLIPBOARD_TEXT_MAX, 'x');
    g_assert_false(clipboard_set_text(&other, CLIPBOARD_CLIPBOARD, large, CLIPBOARD_TEXT_MAX + 1));
    g_assert_true(clipboard_set_text(&other, CLIPBOARD_CLIPBOARD, large, CLIPBOARD_TEXT_MAX));
    for (unsigned i = 0; i < 50; i++) {
        say_selection(agent, VD_AGENT_CLIPBOARD_REQUEST, 0, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
        while (main_loop_iterate(false)) {
        }
    }
    for (unsigned i = 0; i < 100000; i++) {
        say(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, ask, sizeof(ask));
    }
    vdagent_output(agent, &size);
    g_assert_cmpuint(size, <, VDAGENT_OUTPUT_MAX + VDAGENT_OUTPUT_MAX / 16);
    /* A guest that takes a byte at a time holds up nobody for long. */
    for (size_t left = size; left; left--) {
        vdagent_output_taken(agent, 1);
        vdagent_output(agent, &size);
        g_assert_cmpuint(size, ==, left - 1);
    }
    end(agent);
}

static void expect_deaf(VdAgent *agent)
{
    const uint32_t ask[] = { 1, CAPS };
    size_t size, before;

    vdagent_output(agent, &before);
    say(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, ask, sizeof(ask));
    vdagent_output(agent, &size);
    g_assert_cmpuint(size, ==, before);
    vdagent_set_open(agent, false);
    vdagent_set_open(agent, true);
    expect(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, 8);
    say(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, ask, sizeof(ask));
    expect(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, 8);
}

static void test_nonsense(void)
{
    VdAgent *agent = begin(CAPS);
    const VDIChunkHeader no_port = { 7, 20 };
    struct {
        VDIChunkHeader chunk;
        VDAgentMessage head;
    } other_protocol = { { VDP_CLIENT_PORT, sizeof(VDAgentMessage) }, { .protocol = 2 } };

    vdagent_input(agent, (const uint8_t *)&no_port, sizeof(no_port));
    expect_deaf(agent);
    vdagent_input(agent, (const uint8_t *)&other_protocol, sizeof(other_protocol));
    expect_deaf(agent);
    /* Too short, too long, for no selection, no UTF-8; kinds that are not known. */
    for (uint32_t type = 0; type < 300; type++) {
        for (uint32_t size = 0; size < 12; size++) {
            const uint8_t body[12] = { 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9 };

            if (type != VD_AGENT_ANNOUNCE_CAPABILITIES) {
                say(agent, type, body, size);
            }
        }
    }
    say_selection(agent, VD_AGENT_CLIPBOARD_GRAB, 0, VD_AGENT_CLIPBOARD_UTF8_TEXT, NULL);
    clipboard_want(CLIPBOARD_CLIPBOARD);
    g_string_truncate(told, 0);
    expect_told("0:grabbed ");
    say_selection(agent, VD_AGENT_CLIPBOARD, 0, VD_AGENT_CLIPBOARD_UTF8_TEXT, "\xff\xfe");
    expect_told("");
    end(agent);
}

/* A message of 4 GiB, in a chunk of 4 GiB; and one whose bytes come one by one. */
static void test_sizes(void)
{
    VdAgent *agent = begin(CAPS);
    struct {
        VDIChunkHeader chunk;
        VDAgentMessage head;
    } __attribute__((packed))
    huge = { { VDP_CLIENT_PORT, UINT32_MAX },
             { .protocol = VD_AGENT_PROTOCOL, .type = VD_AGENT_CLIPBOARD, .size = UINT32_MAX } };
    g_autofree uint8_t *zero = g_malloc0(1 << 20);
    const uint32_t ask[] = { 1, CAPS };

    expect_told("places ");
    vdagent_input(agent, (const uint8_t *)&huge, sizeof(huge));
    for (unsigned i = 0; i < 100; i++) {
        vdagent_input(agent, zero, 1 << 20);
    }
    g_assert_cmpuint(hear(agent).type, ==, 0);
    vdagent_set_open(agent, false);
    vdagent_set_open(agent, true);
    expect(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, 8);
    VDIChunkHeader chunk = { VDP_CLIENT_PORT, 1 };
    VDAgentMessage head = { .protocol = VD_AGENT_PROTOCOL,
                            .type = VD_AGENT_ANNOUNCE_CAPABILITIES,
                            .size = sizeof(ask) };
    for (unsigned i = 0; i < sizeof(head) + sizeof(ask); i++) {
        const uint8_t *from = i < sizeof(head) ? (const uint8_t *)&head + i
                                               : (const uint8_t *)ask + (i - sizeof(head));

        for (unsigned j = 0; j < sizeof(chunk); j++) {
            vdagent_input(agent, (const uint8_t *)&chunk + j, 1);
        }
        vdagent_input(agent, from, 1);
    }
    expect(agent, VD_AGENT_ANNOUNCE_CAPABILITIES, 8);
    end(agent);
}

/* Bytes of every kind: no crash, whatever they are. */
static void test_random(void)
{
    VdAgent *agent = begin(CAPS);
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    for (unsigned round = 0; round < 2000; round++) {
        uint32_t words[16];

        for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
            words[i] =
                g_rand_boolean(rand) ? (uint32_t)g_rand_int_range(rand, 0, 24) : g_rand_int(rand);
        }
        words[2] = round % 3 ? VD_AGENT_PROTOCOL : words[2];
        words[0] = round % 5 ? VDP_CLIENT_PORT : words[0];
        vdagent_input(agent, (const uint8_t *)words,
                      (size_t)g_rand_int_range(rand, 0, (int)sizeof(words)));
        if (round % 16 == 0) {
            vdagent_set_open(agent, false);
            vdagent_set_open(agent, true);
        }
    }
    end(agent);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/vdagent/from-guest", test_from_guest);
    g_test_add_func("/vdagent/to-guest", test_to_guest);
    g_test_add_func("/vdagent/one-selection", test_one_selection);
    g_test_add_func("/vdagent/mouse", test_mouse);
    g_test_add_func("/vdagent/floods", test_floods);
    g_test_add_func("/vdagent/nonsense", test_nonsense);
    g_test_add_func("/vdagent/sizes", test_sizes);
    g_test_add_func("/vdagent/random", test_random);
    return g_test_run();
}
