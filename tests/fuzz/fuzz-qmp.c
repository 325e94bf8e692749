/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: the bytes that a client sends. Negotiation is done for it; FUZZ_RECONNECT begins without. */
#include "monitor/monitor.h"
#include "tests/fuzz/fuzz.h"

static FuzzClient *start(void)
{
    FuzzClient *client;

    fuzz_machine();
    client = fuzz_client_new("qmp");
    if (!monitor_new(fuzz_client_chardev(client), true, false, NULL)) {
        g_error("there is no QMP");
    }
    return client;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char negotiate[] = "{\"execute\": \"qmp_capabilities\"}\n";
    static FuzzClient *client;
    const GString *output;

    if (!client) {
        client = start();
    }
    fuzz_input_begin();
    fuzz_client_reconnect(client);
    fuzz_client_send(client, (const uint8_t *)negotiate, sizeof(negotiate) - 1);
    fuzz_client_output(client);
    fuzz_client_send(client, data, size);
    fuzz_input_end();
    /* Whatever was asked, the answers are JSON: lines in UTF-8. */
    output = fuzz_client_output(client);
    g_assert_true(g_utf8_validate(output->str, (gssize)output->len, NULL));
    return 0;
}
