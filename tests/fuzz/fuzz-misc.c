/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Small devices: a guest that writes anything to the registers and the buffer of an acpi-erst, and
 * asks management controllers by KCS and BT, one of which is another program that sends anything,
 * and ciphers of a virtio-crypto, with lengths that lie; an edu; and two usb-net on one cable.
 */
#include <string.h>

#include "hw/misc/acpi-erst.h"
#include "hw/pci/pci.h"
#include "hw/usb/usb-device.h"
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
    props = json_object_new_object();
    json_object_object_add(props, "queues", json_object_new_int(2));
    g_assert_true(user_object_add("cryptodev-backend-builtin", "c0", props, NULL));
    json_object_put(props);
    driver_add("virtio-crypto-pci,cryptodev=c0,addr=12");
    driver_add("edu,addr=13");
    driver_add_netdev("hubport,id=h0,hubid=0");
    driver_add_netdev("hubport,id=h1,hubid=0");
    driver_add("qemu-xhci,id=x,addr=14");
    driver_add("usb-net,id=u0,bus=x.0,netdev=h0");
    driver_add("usb-net,id=u1,bus=x.0,netdev=h1");
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

/* ---- ciphers ---- */

enum { CRYPTO = 2, CRYPTO_RING = 16, CRYPTO_CONTROL = 2 };
#define CRYPTO_REQUEST 0x70000u
#define CRYPTO_ANSWER  0x78000u

static void step_crypto_start(FuzzInput *in)
{
    driver_map(CRYPTO);
    driver_start(CRYPTO, UINT64_C(1) << 32, CRYPTO_RING);
}

static void crypto_word(unsigned offset, uint64_t value)
{
    address_space_store(&address_space_memory, CRYPTO_REQUEST + offset, value, 4);
}

static void crypto_send(unsigned q, uint32_t out_len, uint32_t in_len)
{
    uint32_t ring = driver_ring(CRYPTO, q), avail = ring + DRIVER_PAGE;
    uint16_t index = (uint16_t)address_space_load(&address_space_memory, avail + 2, 2);
    const uint64_t desc[4] = { CRYPTO_REQUEST, out_len | UINT64_C(1) << 32 | UINT64_C(1) << 48,
                               CRYPTO_ANSWER, in_len | UINT64_C(2) << 32 };

    address_space_write(&address_space_memory, ring, desc, sizeof(desc));
    address_space_store(&address_space_memory, avail + 4 + 2 * (index % CRYPTO_RING), 0, 2);
    address_space_store(&address_space_memory, avail + 2, (uint16_t)(index + 1), 2);
    driver_notify(CRYPTO, q);
}

/* A number that may be near the end of what there is, or of numbers. */
static uint32_t take_length(FuzzInput *in)
{
    uint32_t value = (uint32_t)fuzz_take(in, 1);

    return value < 0xf0 ? value : value < 0xf8 ? (value & 7) << 16 : UINT32_MAX - (value & 7);
}

static void step_crypto_session(FuzzInput *in)
{
    static const uint8_t ciphers[] = { 2, 3, 4, 13, 0, 1, 14, 255 };
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t key = take_length(in);

    crypto_word(0, how & 0x40 ? 3 : how & 0x80 ? fuzz_take(in, 2) : 2);
    crypto_word(16, how & 0x40 ? key : ciphers[how & 7]);
    crypto_word(20, how & 0x40 ? 0 : key);
    crypto_word(64, how & 8 ? 2 : 1);
    crypto_send(CRYPTO_CONTROL, 72 + (how & 0x10 ? key - 1 : key) % 128, how & 0x40 ? 1 : 16);
}

static void step_crypto_data(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1);
    uint32_t iv = how & 2 ? 16 : take_length(in), len = take_length(in), other = take_length(in);

    crypto_word(0, how & 1);
    crypto_word(8, fuzz_take(in, 1));
    crypto_word(12, 0);
    crypto_word(24, iv);
    crypto_word(28, len);
    crypto_word(32, how & 4 ? other : len);
    crypto_word(64, how & 8 ? 0 : 1);
    crypto_send(how >> 4 & 1, how & 0x20 ? 72 + iv % 256 + len % 0x4000 : other % 0x4000,
                how & 0x40 ? len % 0x4000 + 1 : other % 0x4000);
}

/* ---- edu ---- */

#define EDU_AT 0xe8100000u

/* A register; moves are of the buffer and of RAM, more or less. */
static void step_edu(FuzzInput *in)
{
    static const uint32_t bases[] = { 0x40000, 0x41000, 0x70000, 0 };
    unsigned how = (unsigned)fuzz_take(in, 1), at = (unsigned)fuzz_take(in, 1) & ~3u;
    uint64_t value = fuzz_take(in, 2) + bases[how & 3];

    driver_config_write(3, PCI_BASE_ADDRESS_0, EDU_AT, 4);
    driver_config_write(3, PCI_COMMAND, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER, 2);
    if (how & 0x80) {
        driver_access(&address_space_memory, EDU_AT + at, value, how & 0x40 ? 8 : 4);
    } else {
        address_space_load(&address_space_memory, EDU_AT + at, how & 0x40 ? 8 : 4);
    }
}

/* ---- network cards on USB ---- */

static UsbDevice *usb_net(unsigned n)
{
    return USB_DEVICE(object_resolve(n & 1 ? "u1" : "u0", NULL));
}

/* A control transfer. */
static void step_usb_setup(FuzzInput *in)
{
    unsigned how = (unsigned)fuzz_take(in, 1), size = USB_SETUP_BYTES;
    UsbDevice *dev = usb_net(how);
    uint8_t setup[USB_SETUP_BYTES], data[USB_CONTROL_MAX] = { 0 };

    for (unsigned i = 0; i < sizeof(setup); i++) {
        setup[i] = (uint8_t)fuzz_take(in, 1);
    }
    if (how & 0x80) { /* what a driver begins with */
        const uint8_t known[][USB_SETUP_BYTES] = { { 0, 9, 1 },
                                                   { 1, 11, 1, 0, 1 },
                                                   { 0x21, 0x43, 0x0f } };

        memcpy(setup, known[(how >> 1 & 3) % 3], sizeof(setup));
    }
    usb_device_packet(dev, USB_SETUP, 0, setup, &size);
    size = MIN((unsigned)(setup[6] | setup[7] << 8), sizeof(data));
    usb_device_packet(dev, setup[0] & USB_TO_HOST ? USB_IN : USB_OUT, 0, data, &size);
    size = 0;
    usb_device_packet(dev, setup[0] & USB_TO_HOST ? USB_OUT : USB_IN, 0, data, &size);
}

/* Some packets by one of its endpoints; what is sent is for all, or for the other. */
static void step_usb_move(FuzzInput *in)
{
    static const unsigned packets[] = { 0, 14, 60, 64, 512, 513, 1024, 1514 };
    unsigned how = (unsigned)fuzz_take(in, 1),
             size = packets[how >> 2 & 7] + (how & 0x80 ? (unsigned)fuzz_take(in, 1) : 0);
    uint8_t data[2048];

    memset(data, how & 0x40 ? 0xff : 0x52, sizeof(data));
    usb_device_packet(usb_net(how), how & 2 ? USB_OUT : USB_IN, 1 + (how >> 5 & 1), data, &size);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_erst_operate,
    step_erst_action,
    step_erst_access,
    fuzz_step_reset,
    fuzz_step_time,
    fuzz_step_settle,
    fuzz_step_run,
    step_kcs,
    step_bt,
    step_ipmi_port,
    step_bmc_sends,
    step_bmc_answers,
    fuzz_step_next_timer,
    step_kcs,
    step_bt,
    step_crypto_start,
    step_crypto_session,
    step_crypto_data,
    step_crypto_data,
    step_crypto_data,
    step_edu,
    step_edu,
    step_edu,
    step_usb_setup,
    step_usb_move,
    step_usb_move,
    step_usb_move,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    driver_run_input(populate, steps, data, size);
    return 0;
}
