/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Random steps: virtio-mem, with a driver of ours. */
#include <string.h>

#include "tests/qtest/ospm/random.h"
#include "tests/qtest/vmem.h"

#define DEVFN  0x28u /* slot 5 */
#define BLOCK  QVMEM_BLOCK
#define SIZE   (RANDOM_BLOCKS * BLOCK)
#define EXTENT 128u /* blocks that are usable beyond what is asked for: more than there are */

typedef struct RandomVmem {
    QVmem driver;
    /* The model. */
    bool plugged[RANDOM_BLOCKS];
    uint32_t marks[RANDOM_BLOCKS]; /* what is in each block; of those that are plugged */
    unsigned wanted, count;        /* blocks */
    bool usable; /* something was asked for since all was unplugged: then all blocks are */
} RandomVmem;

G_STATIC_ASSERT(EXTENT > RANDOM_BLOCKS);

/* ---- the model ---- */

static void set(RandomVmem *s, unsigned first, unsigned count, bool plugged)
{
    for (unsigned i = first; i < first + count; i++) {
        s->count += plugged - s->plugged[i];
        s->plugged[i] = plugged;
        s->marks[i] = 0;
    }
}

static void all_gone(RandomVmem *s)
{
    set(s, 0, RANDOM_BLOCKS, false);
    s->usable = s->wanted;
}

static unsigned plugged_of(const RandomVmem *s, unsigned first, unsigned count)
{
    unsigned found = 0;

    for (unsigned i = first; i < first + count; i++) {
        found += s->plugged[i];
    }
    return found;
}

/* What is answered, and *@state; the model is then what it is afterwards. */
static uint16_t expect(RandomVmem *s, unsigned type, unsigned first, unsigned count,
                       uint16_t *state)
{
    const bool fits = s->usable && count && first + count <= RANDOM_BLOCKS;
    const unsigned there = fits ? plugged_of(s, first, count) : 0;

    if (type == QVMEM_UNPLUG_ALL) {
        all_gone(s);
        return QVMEM_ACK;
    }
    if (!fits) {
        return QVMEM_ERROR;
    }
    if (type == QVMEM_STATE) {
        *state = there == count ? QVMEM_PLUGGED : there ? QVMEM_MIXED : QVMEM_UNPLUGGED;
        return QVMEM_ACK;
    }
    if (there != (type == QVMEM_UNPLUG ? count : 0)) {
        return QVMEM_ERROR;
    }
    if (type == QVMEM_PLUG && s->count + count > s->wanted) {
        return QVMEM_NACK;
    }
    set(s, first, count, type == QVMEM_PLUG);
    return QVMEM_ACK;
}

/* ---- steps ---- */

static uint16_t send(RandomTest *t, unsigned type, unsigned first, unsigned count, uint16_t *state)
{
    RandomVmem *s = t->vmem;

    uint16_t answer =
        qvmem_ask(&s->driver, (uint16_t)type, RANDOM_VMEM + first * BLOCK, (uint16_t)count);

    *state = answer == QVMEM_ACK && type == QVMEM_STATE ? qvmem_state(&s->driver) : 0;
    return answer;
}

static void ask(RandomTest *t, unsigned type, unsigned first, unsigned count)
{
    uint16_t state, wanted_state = 0;
    uint16_t answer = send(t, type, first, count, &state);
    uint16_t wanted = expect(t->vmem, type, first, count, &wanted_state);

    if (answer != wanted || state != wanted_state) {
        random_die(t, "request %u of %u blocks from %u on: %u, %u instead of %u, %u", type, count,
                   first, answer, state, wanted, wanted_state);
    }
}

static bool step_request(RandomTest *t)
{
    static const uint8_t types[] = { QVMEM_PLUG, QVMEM_PLUG, QVMEM_UNPLUG, QVMEM_UNPLUG,
                                     QVMEM_STATE };

    ask(t, types[random_pick(t, G_N_ELEMENTS(types))], random_pick(t, RANDOM_BLOCKS + 2),
        random_pick(t, 6));
    return true;
}

static bool step_unplug_all(RandomTest *t)
{
    ask(t, QVMEM_UNPLUG_ALL, 0, 0);
    return true;
}

static bool step_write(RandomTest *t)
{
    RandomVmem *s = t->vmem;
    unsigned n = random_pick(t, RANDOM_BLOCKS);

    if (!s->count) {
        return false;
    }
    while (!s->plugged[n]) {
        n = (n + 1) % RANDOM_BLOCKS;
    }
    s->marks[n] = g_rand_int(t->rand);
    qtest_writel(t->qt, RANDOM_VMEM + n * BLOCK, s->marks[n]);
    return true;
}

static void want(RandomTest *t, unsigned blocks)
{
    RandomVmem *s = t->vmem;
    const uint64_t size = blocks * BLOCK;

    if (blocks > RANDOM_BLOCKS) {
        json_object_put(qtest_qmp_error(t->qt, "qom-set",
                                        "{'path': '/machine/peripheral/v0', 'property': "
                                        "'requested-size', 'value': %" G_GINT64_MODIFIER "u}",
                                        size));
        return;
    }
    qtest_qmp_ok(t->qt, "qom-set",
                 "{'path': '/machine/peripheral/v0', 'property': 'requested-size', 'value': "
                 "%" G_GINT64_MODIFIER "u}",
                 size);
    s->wanted = blocks;
    s->usable |= blocks;
}

static bool step_want(RandomTest *t)
{
    want(t, random_pick(t, RANDOM_BLOCKS + 3));
    return true;
}

/* What is asked for, bytes; another may have asked. */
static uint64_t asked_for(const RandomTest *t)
{
    g_autoptr(json_object) list = qtest_qmp(t->qt, "query-memory-devices", NULL);

    return (uint64_t)qtest_get_int(random_find(list, "v0"), "requested-size");
}

/* It may not be asked for any more when the driver comes to it. */
static void try_plug(RandomTest *t, unsigned n)
{
    uint16_t state;

    if (send(t, QVMEM_PLUG, n, 1, &state) == QVMEM_ACK) {
        set(t->vmem, n, 1, true);
    }
}

void random_vmem_follow(RandomTest *t)
{
    RandomVmem *s = t->vmem;
    unsigned most = 1 + random_pick(t, RANDOM_BLOCKS);
    const unsigned wanted = (unsigned)(asked_for(t) / BLOCK);

    s->usable |= s->count;
    for (unsigned n = 0; n < RANDOM_BLOCKS && most && s->count != wanted; n++) {
        if (s->count < wanted && !s->plugged[n]) {
            try_plug(t, n);
            most--;
        } else if (s->count > wanted && s->plugged[n]) {
            ask(t, QVMEM_UNPLUG, n, 1);
            most--;
        }
    }
}

void random_vmem_settle(RandomTest *t)
{
    want(t, 1 + random_pick(t, RANDOM_BLOCKS));
}

/* While the guest has some of it, or is asked to. */
static bool step_remove(RandomTest *t)
{
    if (t->vmem->count || t->vmem->wanted) {
        json_object_put(qtest_qmp_error(t->qt, "device_del", "{'id': 'v0'}"));
    }
    return t->vmem->count || t->vmem->wanted;
}

static const RandomStep vmem_steps[] = {
    { "request of virtio-mem", 12, step_request },
    { "unplug all of virtio-mem", 1, step_unplug_all },
    { "write to virtio-mem", 4, step_write },
    { "want of virtio-mem", 4, step_want },
    { "remove virtio-mem", 1, step_remove },
    {},
};

/* ---- what must hold ---- */

static void check_vmem(RandomTest *t)
{
    const RandomVmem *s = t->vmem;
    json_object *data = random_find(t->devices, "v0");

    if (!data || (uint64_t)qtest_get_int(data, "size") != s->count * BLOCK ||
        (uint64_t)qtest_get_int(data, "requested-size") != s->wanted * BLOCK) {
        random_die(t, "%u blocks of virtio-mem, %u are wanted: %s", s->count, s->wanted,
                   json_object_to_json_string(data));
    }
    random_add_range(t, RANDOM_VMEM, SIZE);
    t->peripherals++;
}

static void check_marks(RandomTest *t)
{
    const RandomVmem *s = t->vmem;

    for (unsigned i = 0; i < RANDOM_BLOCKS; i++) {
        if (s->plugged[i] && qtest_readl(t->qt, RANDOM_VMEM + i * BLOCK) != s->marks[i]) {
            random_die(t, "block %u of virtio-mem has been changed", i);
        }
    }
}

/* ---- other programs ---- */

static void vmem_options(const RandomTest *t, GString *line)
{
    g_string_append_printf(line,
                           " -object memory-backend-ram,id=vm,size=%u -device virtio-mem-pci,"
                           "id=v0,memdev=vm,addr=%u,memaddr=%" G_GINT64_MODIFIER "u",
                           (unsigned)SIZE, DEVFN >> 3, RANDOM_VMEM);
}

static void vmem_booted(RandomTest *t, bool anew)
{
    RandomVmem *s = t->vmem;

    if (anew) {
        s->wanted = 0;
    }
    all_gone(s);
    qvmem_open(&s->driver, t->qt, DEVFN, 0);
}

static void vmem_moved(RandomTest *t)
{
    qvmem_moved(&t->vmem->driver, t->qt);
    check_marks(t);
}

static void give_all_back(RandomTest *t)
{
    want(t, 0);
    ask(t, QVMEM_UNPLUG_ALL, 0, 0);
}

RandomVmem *random_vmem_new(void)
{
    return g_new0(RandomVmem, 1);
}

const RandomPart random_vmem = {
    .steps = vmem_steps,
    .check = check_vmem,
    .check_all = check_marks,
    .options = vmem_options,
    .booted = vmem_booted,
    .moved = vmem_moved,
    .empty = give_all_back,
};
