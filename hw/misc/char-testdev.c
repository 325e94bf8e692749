/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev testdev: orders of test programs in the guest. There is one, a number and a "q": the
 * program ends, with twice the number and one as its status, as by isa-debug-exit.
 */
#include "accel/vcpu.h"
#include "chardev/char-backend.h"
#include "hw/core/runstate.h"

#define TYPE_CHAR_TESTDEV "chardev-testdev"
#define STATUS_MASK       0xff

typedef struct CharTestdev {
    Chardev parent;
    unsigned number; /* digits of the order so far */
} CharTestdev;
OBJECT_CAST_DEFINE(CharTestdev, CHAR_TESTDEV, TYPE_CHAR_TESTDEV)

static void obey(Chardev *chr, const uint8_t *buf, size_t len)
{
    CharTestdev *t = CHAR_TESTDEV(chr);

    for (size_t i = 0; i < len; i++) {
        if (g_ascii_isdigit(buf[i])) {
            t->number = (t->number * 10 + (buf[i] - '0')) & 0xffffff;
            continue;
        }
        if (buf[i] == 'q') {
            runstate_set_exit_status((int)((t->number << 1 | 1) & STATUS_MASK));
            runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
            vcpu_stop_self();
        }
        t->number = 0;
    }
}

static bool testdev_complete(Object *obj, GError **errp)
{
    chardev_connected(CHARDEV(obj), -1, -1);
    return true;
}

static const ChardevOps testdev_ops = {
    .write = obey,
};

static const ObjectType testdev_type = {
    .name = TYPE_CHAR_TESTDEV,
    .parent = TYPE_CHARDEV,
    .description = "orders of test programs in the guest: NUMBERq ends the program",
    .instance_size = sizeof(CharTestdev),
    .ops = &testdev_ops,
    .complete = testdev_complete,
};
OBJECT_TYPE_REGISTER(testdev_type)
