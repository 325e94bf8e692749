/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A usb-host with a device that says what the test wants: libusb is the test's. */
#include <glib/gstdio.h>
#include <libusb.h>
#include <string.h>

#include "hw/core/save-leave.h"
#include "hw/usb/usb-bus.h"
#include "hw/usb/usb-host-find.h"
#include "hw/usb/usb-host.h"
#include "migration/reader.h"
#include "tests/unit/saved-machine.h"
#include "util/keyval.h"

enum { BULK_IN = 0x81, BULK_OUT = 0x02, INTERRUPT_IN = 0x83, ISO_IN = 0x84, ISO_OUT = 0x05 };
enum { PACKET = 512, ISO_PACKET = 100 };

/* ---- the library ---- */

static struct libusb_transfer *under_way[64];
static unsigned under_way_count;
static unsigned opened, closed, resets, configurations, claims, attached, halts;
static bool cancelled_end = true; /* what was cancelled ends when events are handled */

int libusb_set_option(libusb_context *context, enum libusb_option option, ...)
{
    return 0;
}

int libusb_init(libusb_context **context)
{
    *context = (libusb_context *)&opened;
    return 0;
}

const struct libusb_pollfd **libusb_get_pollfds(libusb_context *context)
{
    return NULL;
}

void libusb_free_pollfds(const struct libusb_pollfd **pollfds)
{
}

void libusb_set_pollfd_notifiers(libusb_context *context, libusb_pollfd_added_cb added,
                                 libusb_pollfd_removed_cb removed, void *opaque)
{
}

static void end(struct libusb_transfer *t, enum libusb_transfer_status status, int size)
{
    for (unsigned i = 0; i < under_way_count; i++) {
        if (under_way[i] == t) {
            under_way[i] = under_way[--under_way_count];
            t->status = status;
            t->actual_length = size;
            t->callback(t);
            return;
        }
    }
    g_assert_not_reached();
}

int libusb_handle_events_timeout_completed(libusb_context *context, struct timeval *timeout,
                                           int *completed)
{
    static bool handling; /* the library's would wait for itself */

    g_assert_false(handling);
    if (!cancelled_end) {
        return LIBUSB_ERROR_OTHER;
    }
    handling = true;
    for (unsigned i = 0; i < under_way_count;) {
        if (under_way[i]->flags & 0x80) {
            end(under_way[i], LIBUSB_TRANSFER_CANCELLED, 0);
        } else {
            i++;
        }
    }
    handling = false;
    return 0;
}

int libusb_wrap_sys_device(libusb_context *context, intptr_t fd, libusb_device_handle **handle)
{
    static char handles[64];

    g_assert_cmpuint(opened, <, sizeof(handles));
    *handle = (libusb_device_handle *)&handles[opened++];
    return 0;
}

void libusb_close(libusb_device_handle *handle)
{
    for (unsigned i = 0; i < under_way_count; i++) {
        g_assert_true(under_way[i]->dev_handle != handle);
    }
    closed++;
}

libusb_device *libusb_get_device(libusb_device_handle *handle)
{
    return (libusb_device *)handle;
}

int libusb_get_device_descriptor(libusb_device *dev, struct libusb_device_descriptor *d)
{
    *d = (struct libusb_device_descriptor){ .idVendor = 0x1234, .idProduct = 0x5678 };
    return 0;
}

int libusb_get_active_config_descriptor(libusb_device *dev, struct libusb_config_descriptor **c)
{
    /* What has no size, and numbers that no interface has, are the device's lies. */
    static const struct libusb_endpoint_descriptor endpoints[] = {
        { .bEndpointAddress = BULK_IN, .bmAttributes = USB_BULK, .wMaxPacketSize = PACKET },
        { .bEndpointAddress = BULK_OUT, .bmAttributes = USB_BULK, .wMaxPacketSize = PACKET },
        { .bEndpointAddress = INTERRUPT_IN, .bmAttributes = USB_INTERRUPT, .wMaxPacketSize = 0 },
        { .bEndpointAddress = ISO_IN,
          .bmAttributes = USB_ISOCHRONOUS,
          .wMaxPacketSize = ISO_PACKET },
        { .bEndpointAddress = ISO_OUT,
          .bmAttributes = USB_ISOCHRONOUS,
          .wMaxPacketSize = ISO_PACKET },
        { .bEndpointAddress = 0x80, .bmAttributes = 0xff, .wMaxPacketSize = 0xffff },
    };
    static const struct libusb_interface_descriptor one[] = {
        { .bNumEndpoints = G_N_ELEMENTS(endpoints), .endpoint = endpoints },
        { .bAlternateSetting = 1 },
    };
    static const struct libusb_interface_descriptor liar[] = { { .bInterfaceNumber = 200 } };
    static const struct libusb_interface interfaces[] = { { one, 2 }, { liar, 1 }, { NULL, 0 } };
    static struct libusb_config_descriptor configuration = { .bNumInterfaces = 3,
                                                             .interface = interfaces };

    *c = &configuration;
    return 0;
}

void libusb_free_config_descriptor(struct libusb_config_descriptor *c)
{
}

int libusb_get_device_speed(libusb_device *dev)
{
    return LIBUSB_SPEED_HIGH;
}

int libusb_kernel_driver_active(libusb_device_handle *handle, int number)
{
    return 1;
}

int libusb_detach_kernel_driver(libusb_device_handle *handle, int number)
{
    return 0;
}

int libusb_attach_kernel_driver(libusb_device_handle *handle, int number)
{
    attached++;
    return 0;
}

int libusb_claim_interface(libusb_device_handle *handle, int number)
{
    g_assert_cmpint(number, ==, 0);
    claims++;
    return 0;
}

int libusb_release_interface(libusb_device_handle *handle, int number)
{
    claims--;
    return 0;
}

int libusb_set_configuration(libusb_device_handle *handle, int value)
{
    configurations++;
    return value == 1 ? 0 : LIBUSB_ERROR_NOT_FOUND;
}

int libusb_set_interface_alt_setting(libusb_device_handle *handle, int number, int alternate)
{
    return alternate <= 1 ? 0 : LIBUSB_ERROR_NOT_FOUND;
}

int libusb_clear_halt(libusb_device_handle *handle, unsigned char endpoint)
{
    halts++;
    return 0;
}

int libusb_reset_device(libusb_device_handle *handle)
{
    resets++;
    return 0;
}

const char *libusb_strerror(int code)
{
    return "it is the test's";
}

struct libusb_transfer *libusb_alloc_transfer(int packets)
{
    return g_malloc0(sizeof(struct libusb_transfer) +
                     (unsigned)packets * sizeof(struct libusb_iso_packet_descriptor));
}

void libusb_free_transfer(struct libusb_transfer *t)
{
    g_free(t);
}

int libusb_submit_transfer(struct libusb_transfer *t)
{
    g_assert_cmpuint(under_way_count, <, G_N_ELEMENTS(under_way));
    under_way[under_way_count++] = t;
    return 0;
}

int libusb_cancel_transfer(struct libusb_transfer *t)
{
    t->flags |= 0x80;
    return 0;
}

/* ---- the guest ---- */

static UsbDevice *add_device(const char *text)
{
    GError *err = NULL;
    struct json_object *props = keyval_parse(text, "driver", NULL);
    Device *dev = device_add(props, &err);

    g_assert_no_error(err);
    json_object_put(props);
    return object_is_a(&dev->parent, TYPE_USB_DEVICE) ? USB_DEVICE(dev) : NULL;
}

static UsbDevice *dev;
static uint8_t data[4096];

static UsbStatus packet(UsbToken token, uint8_t address, unsigned size, unsigned *done)
{
    unsigned count = size;
    UsbStatus status = usb_device_packet(dev, token, address & 0xf, data, &count);

    if (done) {
        *done = count;
    }
    g_assert_cmpuint(count, <=, size);
    return status;
}

static UsbStatus setup(uint8_t type, uint8_t request, uint16_t value, uint16_t index, uint16_t size)
{
    const uint8_t bytes[] = { type,           request,
                              (uint8_t)value, (uint8_t)(value >> 8),
                              (uint8_t)index, (uint8_t)(index >> 8),
                              (uint8_t)size,  (uint8_t)(size >> 8) };

    memcpy(data, bytes, sizeof(bytes));
    return packet(USB_SETUP, 0, sizeof(bytes), NULL);
}

static UsbStatus plain(uint8_t type, uint8_t request, uint16_t value, uint16_t index)
{
    g_assert_cmpint(setup(type, request, value, index, 0), ==, USB_OK);
    return packet(USB_IN, 0, 0, NULL);
}

static void begin(void)
{
    dev = add_device("usb-host,hostdevice=/dev/null,bus=e.0,id=h");
    g_assert_cmpuint(claims, ==, 1);
    g_assert_false(dev->absent);
}

static void finish(void)
{
    GError *err = NULL;

    device_del("h", &err);
    g_assert_no_error(err);
    g_assert_cmpuint(claims, ==, 0);
    g_assert_cmpuint(closed, ==, opened);
}

/* ---- the tests ---- */

static void test_control(void)
{
    unsigned size;

    begin();
    /* It says that more has come than there was room for. */
    g_assert_cmpint(setup(0x80, 6, 0x200, 0, 18), ==, USB_OK);
    g_assert_cmpint(packet(USB_IN, 0, 64, NULL), ==, USB_NAK);
    memset(under_way[0]->buffer + 8, 0xff, 18);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, INT32_MAX);
    g_assert_cmpint(packet(USB_IN, 0, 64, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 18);
    g_assert_cmphex(data[7], ==, 0xdf); /* it does not wake */
    g_assert_cmpint(packet(USB_OUT, 0, 0, NULL), ==, USB_OK);
    /* Less than nothing; and more than the host's kernel takes. */
    g_assert_cmpint(setup(0x80, 6, 0x100, 0, 0xffff), ==, USB_OK);
    g_assert_cmpint(under_way[0]->length, ==, 4096);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, -1);
    g_assert_cmpint(packet(USB_IN, 0, 64, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 0);
    g_assert_cmpint(setup(0x40, 1, 0, 0, 0xffff), ==, USB_OK);
    g_assert_cmpint(packet(USB_OUT, 0, 64, NULL), ==, USB_STALL);
    /* The guest gives up, and asks something else. */
    g_assert_cmpint(setup(0xc0, 1, 0, 0, 8), ==, USB_OK);
    g_assert_cmpint(setup(0x40, 1, 0, 0, 3), ==, USB_OK);
    g_assert_cmpint(packet(USB_OUT, 0, 4, NULL), ==, USB_STALL);
    g_assert_cmpint(packet(USB_OUT, 0, 3, NULL), ==, USB_OK);
    g_assert_cmpint(packet(USB_IN, 0, 0, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 2);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 8);
    g_assert_cmpint(packet(USB_IN, 0, 0, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_STALL, 0);
    g_assert_cmpint(packet(USB_IN, 0, 0, NULL), ==, USB_STALL);
    finish();
}

static void test_requests(void)
{
    begin();
    g_assert_cmpint(plain(0, 5, 200, 0), ==, USB_STALL);
    g_assert_cmpint(plain(0, 5, 7, 0), ==, USB_OK);
    g_assert_cmpuint(dev->address, ==, 7);
    g_assert_cmpint(plain(0, 9, 1, 0), ==, USB_OK);
    g_assert_cmpint(plain(0, 9, 2, 0), ==, USB_STALL);
    g_assert_cmpuint(configurations, ==, 2);
    g_assert_cmpuint(claims, ==, 1);
    g_assert_cmpint(plain(1, 11, 1, 0), ==, USB_OK);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_STALL); /* there it has none */
    g_assert_cmpint(plain(1, 11, 2, 0), ==, USB_STALL);
    g_assert_cmpint(plain(1, 11, 0, 200), ==, USB_STALL);
    g_assert_cmpint(plain(1, 11, 0, 0), ==, USB_OK);
    g_assert_cmpint(plain(2, 1, 0, BULK_IN), ==, USB_OK);
    g_assert_cmpint(plain(2, 1, 0, 0x8f), ==, USB_STALL);
    g_assert_cmpuint(halts, ==, 1);
    /* The guest has used it: a reset is one of the device. The next one is not. */
    usb_device_port_reset(dev);
    usb_device_port_reset(dev);
    g_assert_cmpuint(resets, ==, 1);
    g_assert_cmpint(plain(0, 9, 1, 0), ==, USB_OK); /* xHCI tells the device no address */
    usb_device_port_reset(dev);
    g_assert_cmpuint(resets, ==, 2);
    finish();
}

static void test_in(void)
{
    unsigned size;

    begin();
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 1);
    g_assert_cmpint(under_way[0]->length, ==, PACKET);
    /* More than the guest asked for is there for the next time. */
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 20);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 13);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 7);
    /* Whole packets, and an empty one. */
    g_assert_cmpint(packet(USB_IN, BULK_IN, 2 * PACKET, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, PACKET);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 2 * PACKET, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, PACKET);
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 0);
    /* Some bytes, and then it stalls; and what is no answer at all. */
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_STALL, 1);
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 1);
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, NULL), ==, USB_STALL);
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_ERROR, 0);
    g_assert_cmpint(packet(USB_IN, BULK_IN, PACKET, NULL), ==, USB_NONE);
    /* An endpoint whose packets have no size. */
    g_assert_cmpint(packet(USB_IN, INTERRUPT_IN, 8, NULL), ==, USB_NAK);
    g_assert_cmpint(under_way[0]->length, ==, 8);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 100);
    g_assert_cmpint(packet(USB_IN, INTERRUPT_IN, 8, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 8);
    finish();
}

static void test_out(void)
{
    unsigned size;

    begin();
    memset(data, 1, sizeof(data));
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_NAK);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 1);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 31);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, &size), ==, USB_OK);
    g_assert_cmpuint(size, ==, 31);
    /* It stalls what the guest hears of; what the guest has given up it does not hear of. */
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_STALL, 0);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_STALL);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_STALL, 0);
    memset(data, 2, sizeof(data));
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 31, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 1);
    g_assert_cmphex(under_way[0]->buffer[30], ==, 2);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 31);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 0, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 0);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 0, NULL), ==, USB_OK);
    g_assert_cmpint(packet(USB_SETUP, BULK_OUT, 8, NULL), ==, USB_STALL);
    g_assert_cmpint(packet(USB_OUT, 9, 8, NULL), ==, USB_STALL);
    finish();
}

static void test_iso(void)
{
    unsigned size;

    begin();
    g_assert_cmpint(packet(USB_IN, ISO_IN, ISO_PACKET, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 4);
    for (int i = 0; i < under_way[0]->num_iso_packets; i++) {
        under_way[0]->iso_packet_desc[i].actual_length = UINT32_MAX;
    }
    end(under_way[0], LIBUSB_TRANSFER_COMPLETED, 0);
    for (unsigned i = 0; i < 32; i++) {
        g_assert_cmpint(packet(USB_IN, ISO_IN, sizeof(data), &size), ==, USB_OK);
        g_assert_cmpuint(size, ==, ISO_PACKET);
    }
    g_assert_cmpint(packet(USB_IN, ISO_IN, ISO_PACKET, NULL), ==, USB_NAK);
    g_assert_cmpuint(under_way_count, ==, 4);
    /* The device takes nothing: the guest is not held up, and what is kept has an end. */
    for (unsigned i = 0; i < 1000; i++) {
        g_assert_cmpint(packet(USB_OUT, ISO_OUT, i % 2 ? ISO_PACKET : sizeof(data), &size), ==,
                        USB_OK);
    }
    g_assert_cmpuint(under_way_count, ==, 8);
    finish();
}

/* The device goes in the middle of a transfer. */
static void test_gone(void)
{
    begin();
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    g_assert_cmpint(packet(USB_OUT, BULK_OUT, 13, NULL), ==, USB_NAK);
    end(under_way[0], LIBUSB_TRANSFER_NO_DEVICE, 0);
    while (!dev->absent) {
        main_loop_iterate(true);
    }
    g_assert_cmpuint(closed, ==, opened);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NONE);
    usb_device_port_reset(dev);
    finish();
}

/* What was begun does not end: the device is left to itself, and nothing of it is used again. */
static void test_stuck(void)
{
    begin();
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    cancelled_end = false;
    unsigned before = closed;
    GError *err = NULL;
    save_leave();
    g_assert_cmpuint(closed, ==, before);
    runstate_stop(RUN_STATE_PAUSED);
    runstate_start();
    g_assert_false(dev->absent);
    device_del("h", &err); /* which waits for nothing of before */
    g_assert_no_error(err);
    g_assert_cmpuint(closed, ==, before + 1);
    cancelled_end = true;
    end(under_way[0], LIBUSB_TRANSFER_NO_DEVICE, 0); /* after all, when the host loses it */
    while (main_loop_iterate(false)) {
    }
    closed++;
    claims = 0;
}

static void reset_ended(struct libusb_transfer *t)
{
    HostTransfer *transfer = t->user_data;

    g_assert_true(usb_host_ended(transfer));
    usb_device_port_reset(dev);
    usb_host_done(transfer);
}

/* What one device's answer makes the guest do resets another, which is not waited for. */
static void test_nested(void)
{
    begin();
    unsigned before = resets;
    UsbHost *host = USB_HOST(dev);
    HostTransfer *t = usb_host_transfer(host, NULL, 8, 0);

    g_assert_cmpint(plain(0, 9, 1, 0), ==, USB_OK);
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    t->transfer->dev_handle = host->handle;
    t->transfer->callback = reset_ended;
    t->transfer->user_data = t;
    g_assert_true(usb_host_submit(t));
    libusb_cancel_transfer(t->transfer);
    g_assert_true(usb_host_drain(host));
    g_assert_cmpuint(resets, ==, before + 1);
    finish();
}

/* ---- what the host has ---- */

static void write_device(const char *dir, const char *name, const char *const *files)
{
    g_autofree char *folder = g_build_filename(dir, name, NULL);

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    for (; *files; files += 2) {
        g_autofree char *path = g_build_filename(folder, files[0], NULL);

        g_assert_true(g_file_set_contents(path, files[1], -1, NULL));
    }
}

static void remove_all(const char *dir)
{
    g_autoptr(GDir) list = g_dir_open(dir, 0, NULL);
    const char *name;

    while (list && (name = g_dir_read_name(list))) {
        g_autofree char *path = g_build_filename(dir, name, NULL);

        if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
            remove_all(path);
        } else {
            g_unlink(path);
        }
    }
    g_rmdir(dir);
}

static unsigned count_found(const char *dir, UsbHostMatch match)
{
    g_autoptr(GPtrArray) found = usb_host_find(dir, &match);

    return found->len;
}

static void test_find(void)
{
    static const char *const stick[] = {
        "idVendor", "46f4\n",  "idProduct", "0001\n", "busnum", "1\n",     "devnum",
        "12\n",     "devpath", "1.2\n",     "speed",  "480\n",  "product", "a\x1b[2J\xff stick\n",
        NULL
    };
    static const char *const mouse[] = { "idVendor", "1234", "idProduct", "5678", "busnum", "1",
                                         "devnum",   "3",    "devpath",   "1",    NULL };
    static const char *const hub[] = { "busnum", "1", "devnum", "1", "bDeviceClass", "09", NULL };
    static const char *const broken[] = { "busnum", "x", "devnum", "99999999999999999999", NULL };
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);

    write_device(dir, "1-1.2", stick);
    write_device(dir, "1-1", mouse);
    write_device(dir, "1-1.2:1.0", stick);
    write_device(dir, "usb1", hub);
    write_device(dir, "2-1", broken);
    UsbHostMatch any = { 0 };
    g_autoptr(GPtrArray) found = usb_host_find(dir, &any);
    g_assert_cmpuint(found->len, ==, 2);
    g_assert_cmpuint(((UsbHostInfo *)found->pdata[0])->address, ==, 3);
    g_assert_cmpstr(((UsbHostInfo *)found->pdata[1])->name, ==, "a?[2J? stick");
    g_assert_cmpuint(count_found(dir, (UsbHostMatch){ .vendor = 0x46f4 }), ==, 1);
    g_assert_cmpuint(count_found(dir, (UsbHostMatch){ .vendor = 0x46f4, .product = 2 }), ==, 0);
    g_assert_cmpuint(count_found(dir, (UsbHostMatch){ .bus = 1, .port = "1" }), ==, 1);
    g_assert_cmpuint(count_found(dir, (UsbHostMatch){ .bus = 1, .address = 4 }), ==, 0);
    g_assert_cmpuint(count_found("/nowhere", any), ==, 0);
    remove_all(dir);
}

/* Whatever the guest asks, and the device answers. */
static void test_random(void)
{
    static const uint8_t endpoints[] = {
        0, 0, 0, BULK_IN, BULK_OUT, INTERRUPT_IN, ISO_IN, ISO_OUT
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(7);

    begin();
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t address = i % 16 ? endpoints[g_rand_int_range(rand, 0, G_N_ELEMENTS(endpoints))]
                                 : (uint8_t)g_rand_int(rand);
        unsigned size = (unsigned)g_rand_int_range(rand, 0, i % 3 ? 9 : sizeof(data) + 1);

        for (unsigned n = 0; n < 8; n++) {
            data[n] = g_rand_int(rand) % 4 ? (uint8_t)g_rand_int_range(rand, 0, 12)
                                           : (uint8_t)g_rand_int(rand);
        }
        switch (g_rand_int_range(rand, 0, 8)) {
        case 0:
            packet(USB_SETUP, address, i % 4 ? 8 : size, NULL);
            break;
        case 1:
        case 2:
            packet(USB_OUT, address, size, NULL);
            break;
        case 3:
            if (g_rand_int_range(rand, 0, 50) == 0) {
                usb_device_port_reset(dev);
            }
            break;
        case 4:
        case 5:
            if (under_way_count) {
                struct libusb_transfer *t =
                    under_way[g_rand_int_range(rand, 0, (int)under_way_count)];
                enum libusb_transfer_status status =
                    i % 2 ? LIBUSB_TRANSFER_COMPLETED
                          : (enum libusb_transfer_status)g_rand_int_range(
                                rand, 0, LIBUSB_TRANSFER_OVERFLOW + 1);

                status = status == LIBUSB_TRANSFER_NO_DEVICE ? LIBUSB_TRANSFER_ERROR : status;
                for (int n = 0; n < t->num_iso_packets; n++) {
                    t->iso_packet_desc[n].actual_length = g_rand_int(rand);
                }
                end(t, status, i % 5 ? g_rand_int_range(rand, 0, 600) : (int)g_rand_int(rand));
            }
            break;
        default:
            packet(USB_IN, address, size, NULL);
            break;
        }
    }
    finish();
}

/* Before the machine is saved it leaves, and when that goes on it is there again. */
static void test_save(void)
{
    begin();
    g_assert_cmpint(packet(USB_IN, BULK_IN, 13, NULL), ==, USB_NAK);
    unsigned before = attached;
    save_leave();
    save_leave(); /* twice */
    g_assert_true(dev->absent);
    g_assert_cmpuint(closed, ==, opened);
    g_assert_cmpuint(attached, ==, before + 1);
    runstate_stop(RUN_STATE_PAUSED);
    runstate_start();
    g_assert_false(dev->absent);
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_machine("pc");
    add_device("ich9-usb-ehci1,id=e");
    runstate_start();
    g_test_add_func("/usb-host/control", test_control);
    g_test_add_func("/usb-host/requests", test_requests);
    g_test_add_func("/usb-host/in", test_in);
    g_test_add_func("/usb-host/out", test_out);
    g_test_add_func("/usb-host/isochronous", test_iso);
    g_test_add_func("/usb-host/gone", test_gone);
    g_test_add_func("/usb-host/stuck", test_stuck);
    g_test_add_func("/usb-host/nested", test_nested);
    g_test_add_func("/usb-host/find", test_find);
    g_test_add_func("/usb-host/random", test_random);
    g_test_add_func("/usb-host/save", test_save);
    return g_test_run();
}
