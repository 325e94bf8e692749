/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A chardev whose other end is in this process, without file descriptors. */
#include <string.h>

#include "chardev/char-backend.h"
#include "tests/fuzz/fuzz.h"
#include "util/error.h"

#define MOST_OUTPUT (1u << 20)
#define TYPE_CLIENT "chardev-fuzz"

struct FuzzClient {
    Chardev parent;
    GString *output;
    bool taken; /* what is in `output` was seen */
};

static void client_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    FuzzClient *client = (FuzzClient *)chr;

    if (client->taken) {
        g_string_truncate(client->output, 0);
        client->taken = false;
    }
    if (client->output->len < MOST_OUTPUT) {
        g_string_append_len(client->output, (const char *)buf, (gssize)len);
    }
}

static void client_init(Object *obj)
{
    ((FuzzClient *)obj)->output = g_string_new(NULL);
}

static const ChardevOps client_ops = { .write = client_write };

static const ObjectType client_type = {
    .name = TYPE_CLIENT,
    .parent = TYPE_CHARDEV,
    .description = "the client of a fuzz target",
    .instance_size = sizeof(FuzzClient),
    .init = client_init,
    .ops = &client_ops,
};
OBJECT_TYPE_REGISTER(client_type)

FuzzClient *fuzz_client_new(const char *id)
{
    g_autoptr(GError) err = NULL;
    Object *obj = object_new(TYPE_CLIENT, &err);

    if (!obj || !object_add_child(object_container("/chardevs"), id, obj, &err)) {
        g_error("chardev '%s': %s", id, err->message);
    }
    chardev_connected(CHARDEV(obj), -1, -1);
    return (FuzzClient *)obj;
}

Chardev *fuzz_client_chardev(FuzzClient *client)
{
    return &client->parent;
}

void fuzz_client_reconnect(FuzzClient *client)
{
    chardev_disconnected(&client->parent);
    chardev_connected(&client->parent, -1, -1);
    fuzz_settle();
}

/* One piece, as large as the front end takes it; the main loop runs while it takes nothing. */
static void send_piece(FuzzClient *client, const uint8_t *data, size_t size)
{
    const CharFrontend *fe = client->parent.fe;
    bool settled = false;

    while (size) {
        int room = fe->can_receive ? fe->can_receive(fe->opaque) : 4096;
        int len = (int)MIN((size_t)MAX(room, 0), size);

        if (len) {
            fe->receive(fe->opaque, data, len);
            data += len;
            size -= len;
            settled = false;
        } else if (!settled) {
            fuzz_settle();
            settled = true;
        } else {
            return; /* nobody listens any more */
        }
    }
}

void fuzz_client_send(FuzzClient *client, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size, *p = data;

    for (; p < end; p++) {
        if (*p == FUZZ_PAUSE || *p == FUZZ_RECONNECT) {
            send_piece(client, data, p - data);
            data = p + 1;
            fuzz_settle();
            if (*p == FUZZ_RECONNECT) {
                fuzz_client_reconnect(client);
            }
        }
    }
    send_piece(client, data, end - data);
    fuzz_settle();
}

const GString *fuzz_client_output(FuzzClient *client)
{
    client->taken = true;
    return client->output;
}
