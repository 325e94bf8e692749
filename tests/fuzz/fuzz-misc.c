/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small devices: a guest that writes anything to the registers and the buffer of an acpi-erst, and
 * asks management controllers by KCS and BT, one of which is another program that sends anything.
 */
#include <string.h>

#include "hw/misc/acpi-erst.h"
#include "hw/pci/pci.h"
#include "tests/fuzz/driver.h"
#include "util/keyval.h"

#include "qom/user-object.h"

#define ERST_AT     0xe8000000u
#define ERST_BUFFER 0xe9000000u
#define ERST_RECORD 4096u

enum { RECORD_LENGTH = 20, RECORD_ID = 96 };

static FuzzClient *bmc;

static void populate(Machine *machine)
{
    struct json_object *props = keyval_parse("size=32K", NULL, NULL);

    g_assert_true(user_object_add("memory-backend-ram", "erst", props, NULL));
    json_object_put(props);
    driver_add("acpi-erst,memdev=erst,record_size=4096,addr=10");
    bmc = fuzz_client_new("bmc");
    driver_add("ipmi-bmc-extern,id=b0,chardev=bmc");
    driver_add("isa-ipmi-kcs,bmc=b0");
    driver_add("ipmi-bmc-sim,id=b1,fruareasize=300");
    driver_add("isa-ipmi-bt,bmc=b1,irq=0");
    driver_add("ipmi-bmc-sim,id=b2");
    driver_add("pci-ipmi-kcs,bmc=b2,addr=11");
}

/* ---- records ---- */

static void erst_place(void)
{
    driver_config_write(0, PCI_BASE_ADDRESS_0, ERST_AT, 4);
    driver_config_write(0, PCI_BASE_ADDRESS_0 + 4, ERST_BUFFER, 4);
    driver_config_write(0, PCI_COMMAND, PCI_COMMAND_MEMORY, 2);
}

static void erst_put(uint64_t value, unsigned action)
{
    driver_access(&address_space_memory, ERST_AT + ERST_VALUE, value, 8);
    driver_access(&address_space_memory, ERST_AT + ERST_ACTION, action, 4);
}

/* An operation as drivers do it, with an offset and a record that may be wrong. */
static void step_erst_operate(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), offset = (unsigned)fuzz_take(in, 2);
    uint32_t at = ERST_BUFFER + offset % ERST_RECORD;

    erst_place();
    address_space_store(&address_space_memory, at + RECORD_LENGTH, fuzz_take(in, 2), 4);
    address_space_store(&address_space_memory, at + RECORD_ID, how >> 2 & 7, 8);
    erst_put(0, (how & 3) % ERST_END);
    erst_put(how & 0x80 ? offset % ERST_RECORD : offset, ERST_SET_OFFSET);
    erst_put(how >> 2 & 7, ERST_SET_ID);
    erst_put(0, ERST_EXECUTE);
}

static void step_erst_action(FuzzInput *in)
{
    unsigned action = (unsigned)fuzz_take(in, 1);

    erst_put(fuzz_take(in, 4), action % (ERST_ACTIONS + 1));
    address_space_load(&address_space_memory, ERST_AT + ERST_VALUE, 8);
}

static void step_erst_access(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = 1u << (how & 3);
    hwaddr at = ERST_AT + (how >> 2 & 0xf);

    if (how & 0x80) {
        driver_access(&address_space_memory, at, fuzz_take(in, size), size);
    } else {
        address_space_load(&address_space_memory, at, size);
    }
}

/* ---- management controllers ---- */

#define KCS     0xca2u
#define KCS_PCI 0xc100u
#define BT      0xe4u

static void out(uint32_t port, unsigned value)
{
    driver_access(&address_space_io, port, value, 1);
}

/* A request, whole or not, of at most @max bytes: the network functions that there are, mostly. */
static unsigned take_request(FuzzInput *in, uint8_t *message, unsigned max)
{
    static const uint8_t functions[] = { 0x00, 0x04, 0x06, 0x0a };
    unsigned how = (unsigned)fuzz_take(in, 1), len = (unsigned)fuzz_take(in, 1) % max;

    for (unsigned i = 0; i < len; i++) {
        message[i] = (uint8_t)fuzz_take(in, i < 24 ? 1 : 0);
    }
    message[0] = how & 0x80 ? message[0] : (uint8_t)(functions[how & 3] << 2);
    return len;
}

static void step_kcs(FuzzInput *in)
{
    uint8_t message[300] = { 0 };
    uint32_t port = fuzz_take(in, 1) & 1 ? KCS : KCS_PCI;
    unsigned len = take_request(in, message, sizeof(message));

    driver_config_write(1, PCI_BASE_ADDRESS_0, KCS_PCI, 4);
    driver_config_write(1, PCI_COMMAND, PCI_COMMAND_IO, 2);
    out(port + 1, 0x61);
    for (unsigned i = 0; i < len; i++) {
        if (i == len - 1) {
            out(port + 1, 0x62);
        }
        out(port, message[i]);
    }
    for (unsigned i = 0; i < 40; i++) {
        address_space_load(&address_space_io, port, 1);
        out(port, 0x68);
    }
}

static void step_bt(FuzzInput *in)
{
    uint8_t message[300] = { 0 };
    unsigned wrong = (unsigned)fuzz_take(in, 1), len = take_request(in, message, 256);

    out(BT, 1);
    out(BT + 1, wrong & 0x80 ? wrong : len + 1);
    out(BT + 1, message[0]);
    out(BT + 1, wrong);
    for (unsigned i = 1; i < len; i++) {
        out(BT + 1, message[i]);
    }
    out(BT, 4);
    out(BT, 8 | 2);
    for (unsigned i = 0; i < 40; i++) {
        address_space_load(&address_space_io, BT + 1, 1);
    }
}

static void step_ipmi_port(FuzzInput *in)
{
    static const uint32_t ports[] = {
        KCS, KCS + 1, KCS_PCI, KCS_PCI + 1, BT, BT + 1, BT + 2, 0xe7
    };
    unsigned how = (unsigned)fuzz_take(in, 1);

    if (how & 0x80) {
        out(ports[how & 7], (unsigned)fuzz_take(in, 1));
    } else {
        address_space_load(&address_space_io, ports[how & 7], 1);
    }
}

static void step_bmc_sends(FuzzInput *in)
{
    uint8_t bytes[16];
    unsigned len = (unsigned)fuzz_take(in, 1) % sizeof(bytes);

    for (unsigned i = 0; i < len; i++) {
        bytes[i] = (uint8_t)fuzz_take(in, 1);
    }
    fuzz_client_send(bmc, bytes, len);
}

/* The answer that is waited for, with any data. */
static void step_bmc_answers(FuzzInput *in)
{
    const GString *sent = fuzz_client_output(bmc);
    const uint8_t *end = (const uint8_t *)sent->str + sent->len;
    uint8_t bytes[] = { 0, 0, 0, 0, (uint8_t)fuzz_take(in, 1), 0, 0xa0 };

    if (sent->len < 6 || end[-1] != 0xa0) {
        return;
    }
    for (unsigned at = 2; at < sent->len; at++) { /* the last frame of three bytes and a sum */
        if ((uint8_t)sent->str[at - 1] == 0xa0 || (uint8_t)sent->str[at - 1] == 0xa1) {
            memcpy(bytes, sent->str + at, MIN(3, sent->len - at));
        }
    }
    for (unsigned i = 0; i < 5; i++) {
        bytes[5] -= bytes[i];
    }
    fuzz_client_send(bmc, bytes, sizeof(bytes));
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_erst_operate,    step_erst_action, step_erst_access,
    fuzz_step_reset,      fuzz_step_time,   fuzz_step_settle,
    fuzz_step_run,        step_kcs,         step_bt,
    step_ipmi_port,       step_bmc_sends,   step_bmc_answers,
    fuzz_step_next_timer, step_kcs,         step_bt,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
