/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * input-linux and virtio-input-host, with a terminal as the host's device: what its kernel is asked
 * the test answers.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/input.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "hw/core/save-check.h"
#include "hw/input/input.h"
#include "hw/input/key-codes.h"
#include "hw/virtio/virtio-input.h"
#include "migration/reader.h"
#include "qom/user-object.h"
#include "tests/unit/saved-machine.h"
#include "tests/unit/virtq-driver.h"
#include "util/keyval.h"
#include "util/units.h"

static int grabs[64]; /* by descriptor: how often it was grabbed, less how often given back */
static uint8_t held[KEY_CNT / 8]; /* what the kernel says */
static bool refuses;

int __wrap_ioctl(int fd, unsigned long request, ...);
int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    if (_IOC_TYPE(request) != 'E') {
        return __real_ioctl(fd, request, arg);
    }
    if (request == EVIOCGVERSION) {
        *(int *)arg = EV_VERSION;
        return 0;
    }
    if (request == EVIOCGRAB) {
        grabs[fd] += refuses ? 0 : arg ? 1 : -1;
        return refuses ? -1 : 0;
    }
    if (request == EVIOCGABS(ABS_X)) {
        *(struct input_absinfo *)arg =
            (struct input_absinfo){ .minimum = INT32_MIN, .maximum = INT32_MAX };
        return 0;
    }
    if (request == EVIOCGABS(ABS_Y)) { /* which makes no sense */
        *(struct input_absinfo *)arg = (struct input_absinfo){ .minimum = 5, .maximum = 5 };
        return 0;
    }
    if (_IOC_NR(request) == _IOC_NR(EVIOCGNAME(0))) {
        g_strlcpy(arg, "a device", _IOC_SIZE(request));
        return 9;
    }
    if (_IOC_NR(request) ==
        _IOC_NR(EVIOCGUNIQ(0))) { /* it says that it is longer than there was room for */
        memset(arg, 'x', _IOC_SIZE(request));
        return INT32_MAX;
    }
    if (request == EVIOCGID) {
        memcpy(arg, &(struct input_id){ BUS_USB, 1, 2, 3 }, sizeof(struct input_id));
        return 0;
    }
    if (_IOC_NR(request) == _IOC_NR(EVIOCGBIT(0, 0))) {
        const uint32_t kinds =
            1 << EV_SYN | 1 << EV_KEY | 1 << EV_ABS | 1 << EV_LED | 1 << EV_REP | 1 << EV_FF;

        memcpy(arg, &kinds, sizeof(kinds));
        return sizeof(kinds);
    }
    if (_IOC_NR(request) == _IOC_NR(EVIOCGBIT(EV_LED, 0)) ||
        _IOC_NR(request) == _IOC_NR(EVIOCGBIT(EV_ABS, 0))) {
        const uint32_t codes = 1 << LED_CAPSL | 1 << ABS_X;

        memcpy(arg, &codes, sizeof(codes));
        return 64;
    }
    if (request == EVIOCGKEY(sizeof(held))) {
        memcpy(arg, held, sizeof(held));
        return sizeof(held);
    }
    return -1;
}

/* ---- the guest's ---- */

static GString *seen;

static void key(void *opaque, uint8_t number, bool down)
{
    g_string_append_printf(seen, "%c%x ", down ? '+' : '-', number);
}

static void pointer(void *opaque, const InputPointerEvent *e)
{
    if (e->kind == INPUT_POINTER_BUTTON) {
        g_string_append_printf(seen, "%c%s ", e->down ? '+' : '-', InputButton_str(e->button));
    } else {
        g_string_append_printf(seen, "%s%s%d ", InputAxis_str(e->axis),
                               e->kind == INPUT_POINTER_ABSOLUTE ? "=" : "", e->value);
    }
}

static void sync_pointer(void *opaque)
{
    g_string_append(seen, "sync ");
}

static InputKeyboard keyboard = { .name = "keys", .key = key };
static InputPointer mouse = { .name = "mouse", .event = pointer, .sync = sync_pointer };
static InputPointer tablet = {
    .name = "tablet", .absolute = true, .event = pointer, .sync = sync_pointer
};

/* ---- the host's ---- */

typedef struct Host {
    char *path;
    int fd; /* the test's end */
} Host;

static Host host_open(void)
{
    Host h = { .fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK) };
    struct termios raw;
    int theirs;

    g_assert_true(grantpt(h.fd) == 0 && unlockpt(h.fd) == 0);
    h.path = g_strdup(ptsname(h.fd));
    theirs = open(h.path, O_RDWR | O_NOCTTY);
    g_assert_cmpint(tcgetattr(theirs, &raw), ==, 0);
    cfmakeraw(&raw);
    g_assert_cmpint(tcsetattr(theirs, TCSANOW, &raw), ==, 0);
    close(theirs);
    return h;
}

static Host host_new(const char *id, const char *options)
{
    Host h = host_open();
    g_autofree char *text = g_strdup_printf("evdev=%s%s", h.path, options);
    struct json_object *props = keyval_parse(text, NULL, NULL);
    GError *err = NULL;

    user_object_add("input-linux", id, props, &err);
    g_assert_no_error(err);
    json_object_put(props);
    g_string_truncate(seen, 0);
    return h;
}

static void host_free(Host *h, const char *id)
{
    GError *err = NULL;

    user_object_del(id, &err);
    g_assert_no_error(err);
    close(h->fd);
    g_free(h->path);
    memset(grabs, 0, sizeof(grabs));
}

static void say(const Host *h, unsigned type, unsigned code, int32_t value)
{
    const struct input_event event = { .type = (uint16_t)type,
                                       .code = (uint16_t)code,
                                       .value = value };

    g_assert_cmpint(write(h->fd, &event, sizeof(event)), ==, sizeof(event));
}

static void press(const Host *h, unsigned code)
{
    say(h, EV_KEY, code, 1);
}

static void release(const Host *h, unsigned code)
{
    say(h, EV_KEY, code, 0);
}

static void expect(const char *text)
{
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpstr(seen->str, ==, text);
    g_string_truncate(seen, 0);
}

static int all_grabs(void)
{
    int count = 0;

    for (unsigned i = 0; i < G_N_ELEMENTS(grabs); i++) {
        count += grabs[i];
    }
    return count;
}

/* ---- the tests ---- */

static void test_keys(void)
{
    Host h = host_new("k", "");

    g_assert_cmpint(all_grabs(), ==, 1);
    press(&h, KEY_A);
    say(&h, EV_KEY, KEY_A, 2);
    press(&h, KEY_A);
    release(&h, KEY_A);
    release(&h, KEY_A);
    expect("+1e -1e ");
    press(&h, KEY_RIGHTALT);
    release(&h, KEY_RIGHTALT);
    expect("+b8 -b8 ");
    /* What no keyboard has, and what is no key. */
    press(&h, 0xffff);
    press(&h, KEY_MAX);
    release(&h, KEY_MAX);
    say(&h, 0xffff, 0xffff, -1);
    say(&h, EV_KEY, KEY_B, INT32_MIN);
    release(&h, KEY_B);
    expect("+30 -30 ");
    host_free(&h, "k");
    h = host_new("r", ",repeat=on");
    press(&h, KEY_A);
    say(&h, EV_KEY, KEY_A, 2);
    say(&h, EV_KEY, KEY_B, 2); /* which is not held */
    release(&h, KEY_A);
    expect("+1e +1e -1e ");
    host_free(&h, "r");
}

static void test_pointer(void)
{
    Host h = host_new("m", "");

    say(&h, EV_REL, REL_X, -3);
    say(&h, EV_REL, REL_Y, 4);
    say(&h, EV_SYN, SYN_REPORT, 0);
    say(&h, EV_REL, REL_WHEEL, -1);
    press(&h, BTN_MIDDLE);
    release(&h, BTN_MIDDLE);
    expect("x-3 y4 sync sync +wheel-down -wheel-down +middle -middle ");
    say(&h, EV_ABS, ABS_X, INT32_MIN);
    say(&h, EV_ABS, ABS_X, 0);
    say(&h, EV_ABS, ABS_X, INT32_MAX);
    say(&h, EV_ABS, ABS_Y, 5); /* it has no size */
    say(&h, EV_ABS, 0xffff, 5);
    expect("x=0 x=16383 x=32767 ");
    host_free(&h, "m");
}

/* Keys give both devices back to the host, and take them again. */
static void test_toggle(void)
{
    static const struct {
        const char *option;
        unsigned one, other;
        const char *seen;
    } cases[] = {
        { "", KEY_LEFTCTRL, KEY_RIGHTCTRL, "-9d " },
        { ",grab-toggle=alt-alt", KEY_RIGHTALT, KEY_LEFTALT, "-38 " },
        { ",grab-toggle=shift-shift", KEY_LEFTSHIFT, KEY_RIGHTSHIFT, "-36 " },
        { ",grab-toggle=meta-meta", KEY_LEFTMETA, KEY_RIGHTMETA, "-dc " },
        { ",grab-toggle=ctrl-scrolllock", KEY_RIGHTCTRL, KEY_SCROLLLOCK, "-46 " },
        { ",grab-toggle=scrolllock", KEY_A, KEY_SCROLLLOCK, "-46 " },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *options = g_strconcat(cases[i].option, ",grab_all=on", NULL);
        Host k = host_new("k", options), m = host_new("m", "");

        g_assert_cmpint(all_grabs(), ==, 2);
        for (unsigned round = 0; round < 2; round++) {
            press(&k, cases[i].one);
            press(&k, cases[i].other);
            say(&m, EV_REL, REL_X, 1);
            release(&k, cases[i].one);
            release(&k, cases[i].other);
            while (main_loop_iterate(false)) {
            }
            g_assert_cmpint(all_grabs(), ==, round ? 2 : 0);
            g_assert_true((strstr(seen->str, cases[i].seen) != NULL) == (round == 0));
            g_string_truncate(seen, 0);
        }
        host_free(&k, "k");
        host_free(&m, "m");
    }
}

/* Who held keys when it began is not grabbed before they are released; nor is one that refuses. */
static void test_held(void)
{
    held[KEY_ENTER / 8] |= 1 << KEY_ENTER % 8;
    Host h = host_new("h", "");

    g_assert_cmpint(all_grabs(), ==, 0);
    held[KEY_ENTER / 8] = 0;
    release(&h, KEY_ENTER);
    press(&h, KEY_A);
    expect("+1e ");
    g_assert_cmpint(all_grabs(), ==, 1);
    /* What the kernel could not tell. */
    say(&h, EV_SYN, SYN_DROPPED, 0);
    expect("-1e ");
    held[KEY_B / 8] |= 1 << KEY_B % 8;
    say(&h, EV_SYN, SYN_DROPPED, 0);
    expect("+30 ");
    memset(held, 0, sizeof(held));
    host_free(&h, "h");
    refuses = true;
    h = host_new("h", "");
    press(&h, KEY_A);
    release(&h, KEY_A);
    expect("");
    host_free(&h, "h");
    refuses = false;
}

/* Bytes that are no event yet; a device that goes while a key is held. */
static void test_gone(void)
{
    const struct input_event event = { .type = EV_KEY, .code = KEY_A, .value = 1 };
    Host h = host_new("g", "");
    GError *err = NULL;

    for (size_t i = 0; i < sizeof(event); i++) {
        g_assert_cmpint(write(h.fd, (const char *)&event + i, 1), ==, 1);
        expect(i + 1 < sizeof(event) ? "" : "+1e ");
    }
    close(h.fd);
    expect("-1e ");
    user_object_del("g", &err);
    g_assert_no_error(err);
    g_free(h.path);
    memset(grabs, 0, sizeof(grabs));
}

/* ---- virtio-input-host ---- */

static VirtioInput *input;
static VirtqDriver driver;

static const VirtioInputClass *class_of_input(void)
{
    return (const VirtioInputClass *)virtio_device_class(&input->parent);
}

static void begin(Host *h)
{
    *h = host_open();
    g_autofree char *text = g_strdup_printf("virtio-input-host-pci,evdev=%s", h->path);
    struct json_object *props = keyval_parse(text, "driver", NULL);
    GError *err = NULL;
    Device *card = device_add(props, &err);

    g_assert_no_error(err);
    json_object_put(props);
    pci_config_write(pci_bus_of(PCI_DEVICE(card)), 0, PCI_DEVICE(card)->devfn, PCI_COMMAND,
                     PCI_COMMAND_MASTER, 2);
    input = VIRTIO_INPUT(object_child(&card->parent, "virtio-backend"));
    g_assert_cmpint(all_grabs(), ==, 1);
}

/* It would wait for the guest to eject it. */
static void finish(Host *h)
{
    class_of_input()->virtio.unrealize(&input->parent);
    close(h->fd);
    g_free(h->path);
    memset(grabs, 0, sizeof(grabs));
}

/* The guest has a driver for it. */
static void drive(void)
{
    input->parent.status = VIRTIO_STATUS_DRIVER_OK;
    class_of_input()->virtio.status_written(&input->parent, 0);
}

/* And gives it 64 buffers for events. */
static void give_buffers(void)
{
    enum { RING = 0x10000, BUFFERS = 0x30000, COUNT = 64 };
    g_autoptr(GPtrArray) blocks = ram_blocks_list();
    VirtQueue *vq = virtio_queue(&input->parent, 0);
    RamBlock *ram = NULL;

    for (guint i = 0; !ram || ram->size < MIB; i++) { /* the machine has other memory, too */
        ram = blocks->pdata[i];
    }
    virtq_driver_init(&driver, ram->host, RING, COUNT, false, false);
    vq->size = COUNT;
    vq->desc = driver.desc;
    vq->driver = driver.driver;
    vq->device = driver.device;
    virtq_enable(vq, 0);
    for (uint16_t i = 0; i < COUNT; i++) {
        virtq_driver_add(&driver, i, &(VirtqBuffer){ BUFFERS + 8u * i, 8, DRIVER_WRITE }, 1);
    }
}

static unsigned shown(uint8_t select, uint8_t subsel, const void *data, unsigned size)
{
    uint8_t config[136] = { 0 };

    input->select = select;
    input->subsel = subsel;
    class_of_input()->virtio.config_read(&input->parent, config);
    g_assert_cmpuint(config[2], <=, VIRTIO_INPUT_DATA);
    if (data) {
        g_assert_cmpmem(config + 8, config[2], data, size);
    }
    return config[2];
}

static void test_shown(void)
{
    const VirtioInputIds ids = { BUS_USB, 1, 2, 3 };
    const VirtioInputAxis axis = { .min = (uint32_t)INT32_MIN, .max = INT32_MAX };
    Host h;

    begin(&h);
    shown(VIRTIO_INPUT_NAME, 0, "a device", 8);
    g_assert_cmpuint(shown(VIRTIO_INPUT_SERIAL, 0, NULL, 0), ==, VIRTIO_INPUT_DATA);
    shown(VIRTIO_INPUT_IDS, 0, &ids, sizeof(ids));
    shown(VIRTIO_INPUT_AXIS, ABS_X, &axis, sizeof(axis));
    shown(VIRTIO_INPUT_CODES, EV_LED, "\3", 1);
    shown(VIRTIO_INPUT_CODES, EV_REP, "", 1); /* it is there, and has no codes */
    for (unsigned select = 0; select < 256; select++) {
        for (unsigned subsel = 0; subsel < 256; subsel++) {
            unsigned size = shown((uint8_t)select, (uint8_t)subsel, NULL, 0);

            g_assert_true(!size || select <= VIRTIO_INPUT_AXIS);
            g_assert_true(!size || select != VIRTIO_INPUT_CODES || (subsel && subsel != EV_FF));
        }
    }
    finish(&h);
}

static void expect_events(const struct input_event *events, unsigned count)
{
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(input->count, ==, count);
    for (unsigned i = 0; i < count; i++) {
        g_assert_cmphex(input->events[(input->head + i) % VIRTIO_INPUT_BUFFER], ==,
                        events[i].type | (uint64_t)events[i].code << 16 |
                            (uint64_t)(uint32_t)events[i].value << 32);
    }
    input->count = 0;
    class_of_input()->taken(input);
}

static void test_events(void)
{
    static const struct input_event keys[] = { { .type = EV_KEY, .code = KEY_A, .value = 1 },
                                               { .type = EV_SYN },
                                               { .type = EV_KEY, .code = KEY_A },
                                               { .type = EV_SYN } };
    static const struct input_event led = { .type = EV_LED, .code = LED_CAPSL, .value = 1 };
    struct input_event told;
    GError *err = NULL;
    Host h;

    begin(&h);
    press(&h, KEY_A); /* which nobody hears */
    say(&h, EV_SYN, SYN_REPORT, 0);
    expect_events(NULL, 0);
    drive();
    press(&h, KEY_A);
    say(&h, EV_SYN, SYN_REPORT, 0);
    release(&h, KEY_A);
    say(&h, EV_SYN, SYN_REPORT, 0);
    say(&h, 0xffff, 0xffff, 0);
    say(&h, EV_KEY, 0xffff, 1);
    expect_events(keys, 4);
    /* Events are lost, in which the key was released. */
    press(&h, KEY_A);
    say(&h, EV_SYN, SYN_REPORT, 0);
    expect_events(keys, 2);
    say(&h, EV_SYN, SYN_DROPPED, 0);
    expect_events(keys + 2, 2);
    /* The guest reads nothing: what there is waits at the host. */
    for (unsigned i = 0; i < 150; i++) {
        say(&h, EV_REL, REL_X, 1);
    }
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(input->count, ==, VIRTIO_INPUT_BUFFER / 2 + 1);
    input->count = 0;
    class_of_input()->taken(input);
    while (main_loop_iterate(false)) {
    }
    g_assert_cmpuint(input->count, ==, 150 - VIRTIO_INPUT_BUFFER / 2 - 1);
    input->count = 0;
    /* It switches a light; it presses no keys, and switches none that there are not. */
    class_of_input()->status(input, EV_KEY, KEY_A, 1);
    class_of_input()->status(input, EV_LED, LED_CAPSL, 1);
    class_of_input()->status(input, EV_LED, 0xffff, 1);
    class_of_input()->status(input, 0xffff, 0xffff, 1);
    g_assert_cmpint(read(h.fd, &told, sizeof(told)), ==, sizeof(told));
    g_assert_cmpmem(&told, sizeof(told), &led, sizeof(led));
    g_assert_cmpint(read(h.fd, &told, sizeof(told)), ==, -1);
    g_assert_false(save_check(&err));
    g_assert_nonnull(strstr(err->message, h.path));
    g_error_free(err);
    /* It goes while a key is held. */
    press(&h, KEY_A);
    say(&h, EV_SYN, SYN_REPORT, 0);
    expect_events(keys, 2);
    close(h.fd);
    expect_events(keys + 2, 2);
    class_of_input()->status(input, EV_LED, LED_CAPSL, 1);
    h.fd = -1;
    finish(&h);
}

/* More belongs together than there is room for: the guest, which waits, gets what there is. */
static void test_many(void)
{
    unsigned got = 0;
    uint16_t head;
    uint32_t len;
    Host h;

    begin(&h);
    drive();
    give_buffers();
    for (unsigned i = 0; i < 150; i++) {
        say(&h, EV_REL, REL_X, 1);
    }
    while (main_loop_iterate(false)) {
    }
    while (virtq_driver_take(&driver, &head, &len)) {
        got++;
    }
    g_assert_cmpuint(got, ==, 64);
    g_assert_cmpuint(input->count, ==, 150 - 64);
    virtq_reset(virtio_queue(&input->parent, 0));
    finish(&h);
}

/* Another program has it. */
static void test_taken(void)
{
    Host h = host_open();
    g_autofree char *text = g_strdup_printf("virtio-input-host-pci,evdev=%s", h.path);
    struct json_object *props = keyval_parse(text, "driver", NULL);
    GError *err = NULL;

    refuses = true;
    g_assert_null(device_add(props, &err));
    g_assert_nonnull(strstr(err->message, "cannot be taken from the host"));
    refuses = false;
    g_error_free(err);
    json_object_put(props);
    close(h.fd);
    g_free(h.path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    make_machine("pc");
    runstate_start();
    seen = g_string_new(NULL);
    input_keyboard_add(&keyboard);
    input_pointer_add(&mouse);
    input_pointer_add(&tablet);
    input_keyboard_activate(&keyboard);
    input_pointer_activate(&tablet);
    input_pointer_activate(&mouse);
    g_test_add_func("/input-linux/keys", test_keys);
    g_test_add_func("/input-linux/pointer", test_pointer);
    g_test_add_func("/input-linux/toggle", test_toggle);
    g_test_add_func("/input-linux/held", test_held);
    g_test_add_func("/input-linux/gone", test_gone);
    g_test_add_func("/virtio-input-host/shown", test_shown);
    g_test_add_func("/virtio-input-host/events", test_events);
    g_test_add_func("/virtio-input-host/many", test_many);
    g_test_add_func("/virtio-input-host/taken", test_taken);
    return g_test_run();
}
