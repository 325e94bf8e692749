/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol, with a DIMM in the machine. */
#include <string.h>

#include "qom/user-object.h"
#include "system/qtest.h"
#include "tests/fuzz/fuzz.h"
#include "util/keyval.h"

#define MOST_BYTES 65536

static FuzzClient *start(void)
{
    FuzzClient *client;

    fuzz_machine();
    client = fuzz_client_new("qtest");
    if (!qtest_server_start(fuzz_client_chardev(client), NULL, NULL)) {
        g_error("there is no qtest server");
    }
    return client;
}

static void plug_dimm(void)
{
    struct json_object *backend = keyval_parse("size=2M", NULL, NULL);
    struct json_object *dimm = keyval_parse("pc-dimm,id=d0,memdev=m0", "driver", NULL);

    user_object_add("memory-backend-ram", "m0", backend, NULL);
    device_add(dimm, NULL);
    json_object_put(backend);
    json_object_put(dimm);
}

/* Does the line move many bytes? That is right, and slow. */
static bool is_slow(const char *text, size_t len)
{
    static const char *const block_commands[] = { "read",     "write",  "b64read",
                                                  "b64write", "memset", NULL };
    g_autofree char *line = g_strndup(text, len);
    g_auto(GStrv) words = g_strsplit_set(line, " \t\r", -1);
    const char *used[3] = { "", "", "" };
    unsigned n = 0;

    for (char **word = words; *word && n < G_N_ELEMENTS(used); word++) {
        if (**word) {
            used[n++] = *word;
        }
    }
    return g_strv_contains(block_commands, used[0]) &&
           g_ascii_strtoull(used[2], NULL, 0) > MOST_BYTES;
}

static void send_lines(FuzzClient *client, const char *text, size_t size)
{
    while (size) {
        const char *newline = memchr(text, '\n', size);
        size_t len = newline ? (size_t)(newline - text) + 1 : size;

        if (!is_slow(text, len)) {
            fuzz_client_send(client, (const uint8_t *)text, len);
        }
        text += len;
        size -= len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzClient *client;

    if (!client) {
        client = start();
    }
    fuzz_input_begin();
    plug_dimm();
    fuzz_client_reconnect(client);
    send_lines(client, (const char *)data, size);
    fuzz_client_send(client, (const uint8_t *)"\n", 1);
    fuzz_input_end();
    return 0;
}
