/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host's kernel as a vhost back-end: what it is told of a guest's rings and memory is right,
 * whatever a driver does, memory comes and goes, writes are logged, and whichever of its ioctls
 * fails. The kernel is one of our own behind ioctl(): it refuses what a real one refuses, looks at
 * what it is given, and works on rings where it was told that they are. No descriptor may be left
 * behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/virtio/virtio-pci-regs.h"
#include "memory/dirty.h"
#include "net/netdev.h"
#include "qom/user-object.h"
#include "tests/fuzz/driver.h"
#include "util/keyval.h"
#include "util/units.h"

#define BUFFERS     0x60000u
#define FAR         (4 * GIB) /* where DIMMs are */
#define RIGHT_BELOW 0xe0      /* of the byte that says whether an ioctl fails */
#define REGIONS_MAX 64

enum { RINGS = 2, FDS = 2 };

typedef struct Ring {
    struct vhost_vring_addr addr;
    unsigned num;
    uint16_t base;
    int call;
    bool placed, works;
} Ring;

/* What is behind a descriptor of /dev/vhost-*. */
typedef struct Kernel {
    int fd; /* -1: none */
    uint64_t features;
    Ring rings[RINGS];
} Kernel;

static Kernel kernels[FDS];
static struct vhost_memory_region regions[REGIONS_MAX]; /* the same for all */
static unsigned region_count;
static FuzzInput input;
static DirtyTracker *tracker;

/* ---- what a kernel does ---- */

static Kernel *kernel_of(int fd)
{
    for (unsigned i = 0; i < FDS; i++) {
        if (kernels[i].fd == fd) {
            return &kernels[i];
        }
    }
    return NULL;
}

static bool is_guest_memory(uint64_t host, uint64_t size)
{
    for (unsigned i = 0; i < region_count; i++) {
        if (host >= regions[i].userspace_addr &&
            host + size <= regions[i].userspace_addr + regions[i].memory_size) {
            return true;
        }
    }
    return false;
}

/* No other memory of this program may ever be written to. */
static void check_place(const Ring *ring)
{
    g_assert_true(is_guest_memory(ring->addr.desc_user_addr, 16ull * ring->num));
    g_assert_true(is_guest_memory(ring->addr.avail_user_addr, 6 + 2ull * ring->num));
    g_assert_true(is_guest_memory(ring->addr.used_user_addr, 6 + 8ull * ring->num));
}

static void check_working(void)
{
    for (unsigned i = 0; i < FDS * RINGS; i++) {
        const Ring *ring = &kernels[i / RINGS].rings[i % RINGS];

        if (kernels[i / RINGS].fd >= 0 && ring->works) {
            check_place(ring);
        }
    }
}

static int set_table(const struct vhost_memory *table)
{
    g_assert_cmpuint(table->nregions, <=, REGIONS_MAX);
    for (unsigned i = 0; i < table->nregions; i++) {
        const struct vhost_memory_region *r = &table->regions[i];

        g_assert_cmpuint(r->memory_size, >, 0);
        g_assert_true(!i || r->guest_phys_addr >= r[-1].guest_phys_addr + r[-1].memory_size);
        /* It is there. */
        *(volatile uint8_t *)(uintptr_t)r->userspace_addr;
        *(volatile uint8_t *)(uintptr_t)(r->userspace_addr + r->memory_size - 1);
        regions[i] = *r;
    }
    region_count = table->nregions;
    check_working();
    return 0;
}

static int set_addr(Ring *ring, const struct vhost_vring_addr *addr)
{
    if (addr->avail_user_addr % 2 || addr->used_user_addr % 4 || addr->desc_user_addr % 16) {
        return EINVAL;
    }
    ring->addr = *addr;
    ring->placed = true;
    if (ring->works) {
        check_place(ring);
    }
    return 0;
}

static int work_on(Ring *ring, bool on)
{
    if (on && (!ring->placed || !ring->num)) {
        return EFAULT;
    }
    ring->works = on;
    if (on) {
        check_place(ring);
    }
    return 0;
}

static int set_state(Ring *ring, unsigned long request, unsigned value)
{
    g_assert_false(ring->works); /* EBUSY */
    if (request == VHOST_SET_VRING_NUM) {
        g_assert_true(value && value <= 0x8000 && !(value & (value - 1)));
        ring->num = value;
    } else {
        g_assert_cmpuint(value, <=, UINT16_MAX);
        ring->base = (uint16_t)value;
    }
    return 0;
}

static int set_file(Ring *ring, unsigned long request, int fd)
{
    g_assert_true(fd == -1 || fcntl(fd, F_GETFD) >= 0);
    if (request == VHOST_NET_SET_BACKEND) {
        return work_on(ring, fd >= 0);
    }
    g_assert_cmpint(fd, >=, 0);
    if (request == VHOST_SET_VRING_CALL) {
        ring->call = fd;
    }
    return 0;
}

/* Of a ring: its number is first in what all of them are given. */
static int ring_ioctl(Kernel *k, unsigned long request, void *argument)
{
    const struct vhost_vring_file *file = argument;
    struct vhost_vring_state *state = argument;
    Ring *ring;

    g_assert_cmpuint(state->index, <, RINGS);
    ring = &k->rings[state->index];
    switch (request) {
    case VHOST_SET_VRING_NUM:
    case VHOST_SET_VRING_BASE:
        return set_state(ring, request, state->num);
    case VHOST_SET_VRING_ADDR:
        return set_addr(ring, argument);
    case VHOST_GET_VRING_BASE:
        g_assert_false(ring->works);
        state->num = ring->base;
        return 0;
    case VHOST_SET_VRING_KICK:
    case VHOST_SET_VRING_CALL:
    case VHOST_NET_SET_BACKEND:
        return set_file(ring, request, file->fd);
    default:
        return ENOTTY;
    }
}

static uint64_t features_of(void)
{
    return UINT64_MAX & ~(UINT64_C(1) << VIRTIO_F_RING_PACKED);
}

static int kernel_ioctl(Kernel *k, unsigned long request, void *argument)
{
    int err = 0;

    switch (request) {
    case VHOST_SET_OWNER:
    case VHOST_VSOCK_SET_GUEST_CID:
        return 0;
    case VHOST_GET_FEATURES:
        *(uint64_t *)argument = features_of();
        return 0;
    case VHOST_SET_FEATURES:
        k->features = *(uint64_t *)argument;
        g_assert_cmpuint(k->features & ~features_of(), ==, 0);
        return 0;
    case VHOST_SET_MEM_TABLE:
        return set_table(argument);
    case VHOST_SET_LOG_BASE:
        *(volatile uint64_t *)(uintptr_t) * (uint64_t *)argument;
        return 0;
    case VHOST_VSOCK_SET_RUNNING:
        for (unsigned i = 0; i < RINGS && !err; i++) {
            err = work_on(&k->rings[i], *(int *)argument);
        }
        return err;
    default:
        return ring_ioctl(k, request, argument);
    }
}

/* Who stops is always let. */
static bool stops(unsigned long request, const void *argument)
{
    return (request == VHOST_NET_SET_BACKEND &&
            ((const struct vhost_vring_file *)argument)->fd < 0) ||
           (request == VHOST_VSOCK_SET_RUNNING && !*(const int *)argument);
}

/* A tap whose packets have headers. */
static int tap_ioctl(unsigned long request, void *argument)
{
    if (request == TUNGETIFF) {
        *(struct ifreq *)argument = (struct ifreq){ .ifr_flags = IFF_TAP | IFF_VNET_HDR };
    } else if (request == TUNGETVNETHDRSZ) {
        *(int *)argument = 10;
    }
    return 0;
}

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...)
{
    static const int errors[] = { EFAULT, ENOMEM, EINVAL, EBUSY, EOPNOTSUPP, ENOBUFS };
    va_list ap;
    void *argument;
    unsigned how;

    va_start(ap, request);
    argument = va_arg(ap, void *);
    va_end(ap);
    if (_IOC_TYPE(request) == 'T' && _IOC_NR(request) >= 200) {
        return tap_ioctl(request, argument);
    }
    if (_IOC_TYPE(request) != VHOST_VIRTIO || !kernel_of(fd)) {
        return __real_ioctl(fd, request, argument);
    }
    how = (unsigned)fuzz_take(&input, 1);
    errno = how >= RIGHT_BELOW && !stops(request, argument)
                ? errors[how % G_N_ELEMENTS(errors)]
                : kernel_ioctl(kernel_of(fd), request, argument);
    return errno ? -1 : 0;
}

/* ---- steps: devices and memory ---- */

static void object_from(const char *type, const char *id, const char *text)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);

    user_object_add(type, id, props, NULL);
    json_object_put(props);
}

static bool add(const char *text)
{
    struct json_object *props = keyval_parse(text, "driver", NULL);
    bool ok = device_add(props, NULL);

    json_object_put(props);
    return ok;
}

static Object *device(const char *id)
{
    return object_child(object_container("/machine/peripheral"), id);
}

static int open_kernel(unsigned n)
{
    kernels[n] = (Kernel){ .fd = eventfd(0, EFD_CLOEXEC) };
    return kernels[n].fd;
}

static void forget_kernels(void)
{
    for (unsigned i = 0; i < FDS; i++) {
        kernels[i] = (Kernel){ .fd = -1 };
    }
    region_count = 0;
}

static bool is_there(void)
{
    return device("d0") || netdev_find("n0");
}

static void add_vsock(void)
{
    const int fd = open_kernel(0);
    g_autofree char *text =
        g_strdup_printf("vhost-vsock-pci,id=d0,addr=10,guest-cid=3,vhostfd=%d", fd);

    if (!add(text)) {
        forget_kernels();
    }
}

static void add_card(bool two)
{
    int taps[FDS][2], fds[FDS] = { open_kernel(0), two ? open_kernel(1) : -1 };
    g_autofree char *text = NULL;

    for (unsigned i = 0; i < (two ? 2 : 1); i++) {
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, taps[i]), ==, 0);
        close(taps[i][1]);
    }
    text = two ? g_strdup_printf("tap,id=n0,fds=%d:%d,vhostfds=%d:%d,vhost=on", taps[0][0],
                                 taps[1][0], fds[0], fds[1])
               : g_strdup_printf("tap,id=n0,fd=%d,vhostfd=%d,vhost=on", taps[0][0], fds[0]);
    g_autoptr(Netdev) options = qapi_from_option(&Netdev_type, text, "type", NULL);

    if (!netdev_add(options, NULL)) { /* which takes one behind the other */
        for (unsigned i = 0; i < FDS; i++) {
            if (fds[i] >= 0 && fcntl(fds[i], F_GETFD) >= 0) {
                close(fds[i]);
            }
        }
        forget_kernels();
        return;
    }
    add(two ? "virtio-net-pci,id=d0,addr=10,netdev=n0,mq=on"
            : "virtio-net-pci,id=d0,addr=10,netdev=n0");
}

static void step_device(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1) % 3;

    if (is_there()) {
        return;
    }
    if (how) {
        add_card(how == 2);
    } else {
        add_vsock();
    }
    driver_map(0);
}

static void unplug(void)
{
    if (device("d0")) {
        device_unplug(DEVICE(device("d0")));
    }
    if (netdev_find("n0")) {
        netdev_del("n0", NULL);
    }
    forget_kernels();
}

static void step_unplug(FuzzInput *in)
{
    if (fuzz_take(in, 1) & 1 && netdev_find("n0") && device("d0")) {
        netdev_del("n0", NULL); /* the card stays */
    } else {
        unplug();
    }
}

static void step_dimm(FuzzInput *in)
{
    const unsigned n = (unsigned)fuzz_take(in, 1) % 3;
    g_autofree char *id = g_strdup_printf("m%u", n), *dimm = g_strdup_printf("d%u", 1 + n);
    g_autofree char *text = g_strdup_printf("pc-dimm,id=%s,memdev=%s", dimm, id);

    if (device(dimm)) {
        device_unplug(DEVICE(device(dimm)));
        object_unparent(object_child(object_container("/objects"), id));
    } else {
        object_from("memory-backend-ram", id, "size=128M");
        add(text);
    }
}

/* Writes are logged, are looked for, or not logged any more. */
static void step_log(FuzzInput *in)
{
    if (!tracker) {
        g_autoptr(GPtrArray) blocks = ram_blocks_list();

        tracker = dirty_tracker_new(blocks);
    } else if (fuzz_take(in, 1) & 1) {
        dirty_tracker_sync(tracker);
    } else {
        g_clear_pointer(&tracker, dirty_tracker_free);
    }
}

/* ---- steps: the driver ---- */

static void step_bring_up(FuzzInput *in)
{
    const unsigned how = (unsigned)fuzz_take(in, 1);

    driver_start(0, UINT64_C(1) << 32 | 0x3fffffff, 1u << how % 4);
}

/* Rings anywhere: in RAM, in DIMMs, in a hole, at its edge, not aligned. */
static void step_place(FuzzInput *in)
{
    static const unsigned parts[] = { VIRTIO_COMMON_QUEUE_DESC, VIRTIO_COMMON_QUEUE_DRIVER,
                                      VIRTIO_COMMON_QUEUE_DEVICE };
    const unsigned how = (unsigned)fuzz_take(in, 1);

    driver_store(0, VIRTIO_COMMON_STATUS, 0, 1);
    driver_store(0, VIRTIO_COMMON_STATUS, 3, 1);
    driver_store(0, VIRTIO_COMMON_DRIVER_FEATURE_SELECT, 1, 4);
    driver_store(0, VIRTIO_COMMON_DRIVER_FEATURE, 1, 4);
    driver_store(0, VIRTIO_COMMON_STATUS, 11, 1);
    for (unsigned q = 0; q < RINGS; q++) {
        driver_store(0, VIRTIO_COMMON_QUEUE_SELECT, q, 2);
        driver_store(0, VIRTIO_COMMON_QUEUE_SIZE, 1u << how % 8, 2);
        for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
            const uint64_t far = how & 8 ? FAR : 0, page = fuzz_take(in, 1);
            const uint64_t at = far + page * DRIVER_PAGE + (how & 0x80 ? fuzz_take(in, 2) : 0);

            driver_store(0, parts[i], (uint32_t)at, 4);
            driver_store(0, parts[i] + 4, (uint32_t)(at >> 32), 4);
        }
        driver_store(0, VIRTIO_COMMON_QUEUE_ENABLE, 1, 2);
    }
    driver_store(0, VIRTIO_COMMON_STATUS, 15, 1);
}

static void step_store(FuzzInput *in)
{
    static const uint8_t sizes[] = { 1, 2, 4, 4 };
    const unsigned how = (unsigned)fuzz_take(in, 1), size = sizes[how & 3];
    const unsigned at = (how & 0x10 ? 2 * DRIVER_PAGE : 0) + (unsigned)fuzz_take(in, 1) % 64;

    driver_store(0, at, (uint32_t)fuzz_take(in, size), size);
}

/* A buffer of the control queue, of the event queue or of a ring, and a notification. */
static void step_offer(FuzzInput *in)
{
    const unsigned q = (unsigned)fuzz_take(in, 1) % DRIVER_QUEUES;
    const uint32_t ring = driver_ring(0, q);
    const uint16_t index =
        (uint16_t)address_space_load(&address_space_memory, ring + DRIVER_PAGE + 2, 2);

    address_space_store(&address_space_memory, ring, BUFFERS + (fuzz_take(in, 1) << 8), 8);
    address_space_store(&address_space_memory, ring + 8, fuzz_take(in, 1), 4);
    address_space_store(&address_space_memory, ring + 12, fuzz_take(in, 1) & 3, 4);
    address_space_store(&address_space_memory, ring + DRIVER_PAGE + 4 + 2 * (index & 7), 0, 2);
    address_space_store(&address_space_memory, ring + DRIVER_PAGE + 2, index + 1u, 2);
    driver_notify(0, q);
}

static void step_config(FuzzInput *in)
{
    driver_config_write(0, (unsigned)fuzz_take(in, 1) & ~3u, (uint32_t)fuzz_take(in, 4), 4);
}

/* ---- steps: the kernel ---- */

/* It writes to its rings, and interrupts. */
static void step_work(FuzzInput *in)
{
    const uint16_t used = (uint16_t)fuzz_take(in, 2);

    for (unsigned i = 0; i < FDS * RINGS; i++) {
        Ring *ring = &kernels[i / RINGS].rings[i % RINGS];

        if (kernels[i / RINGS].fd >= 0 && ring->works) {
            memcpy((void *)(uintptr_t)(ring->addr.used_user_addr + 2), &used, sizeof(used));
            ring->base = used;
            (void)!eventfd_write(ring->call, 1);
        }
    }
}

/* New ones come behind the others, so that the corpus keeps its meaning. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    fuzz_step_settle, step_unplug,   step_dimm,     step_log,      step_bring_up, step_store,
    step_offer,       step_config,   step_place,    step_work,     fuzz_step_run, fuzz_step_reset,
    fuzz_step_time,   step_device,   step_bring_up, step_place,    step_work,     step_dimm,
    step_device,      fuzz_step_run, step_offer,    step_bring_up, step_place,    step_log,
    step_device,      step_dimm,     step_work,     step_store,    step_bring_up, step_place,
    fuzz_step_run,    step_work,
};

static unsigned open_fds(void)
{
    unsigned count = 0;

    for (int fd = 0; fd < 512; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void end(void)
{
    g_clear_pointer(&tracker, dirty_tracker_free);
    fuzz_settle();
    unplug();
    fuzz_input_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "pc", .cpu_count = "2" };
    unsigned before;

    fuzz_board(&board);
    forget_kernels();
    before = open_fds();
    fuzz_input_begin();
    input = (FuzzInput){ data, size };
    while (input.left) {
        steps[fuzz_take(&input, 1) % FUZZ_STEPS](&input);
        fuzz_settle();
        check_working();
    }
    end();
    g_assert_cmpuint(open_fds(), ==, before);
    return 0;
}
