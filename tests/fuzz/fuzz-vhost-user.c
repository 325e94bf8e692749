/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Back-ends of vhost-user: what one answers and sends, of a disk, a folder, a network card or a
 * graphics card, which has a socket for pictures, while a driver uses the device, memory comes and
 * goes, writes are logged, and back-ends go and come. Its answers are right, or wrong in one of
 * many ways. It has its say when it is waited for; if it says nothing, it goes, so that no input
 * takes long. No descriptor may be left behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "hw/virtio/vhost-user-gpu.h"
#include "hw/virtio/vhost-user-proto.h"
#include "hw/virtio/virtio-device.h"
#include "memory/dirty.h"
#include "net/netdev.h"
#include "qom/user-object.h"
#include "tests/fuzz/driver.h"
#include "util/error.h"
#include "util/keyval.h"

#define TYPE_BACK_END "chardev-fuzz-vhost"
#define BUFFERS       0x60000u
#define ANSWER_MAX    4096
#define MESSAGE_MAX   1024
#define FDS_MAX       8
#define RIGHT_BELOW   0xb0 /* of the byte that says how it answers */

/* A chardev, with the program at its other end. */
typedef struct BackEnd {
    Chardev parent;
    int front;   /* our end of the connection; -1: nobody is there */
    int fd;      /* its end; -1: it has gone */
    int channel; /* for its requests; these: what it was given last, or -1 */
    int call, log, pictures;
    int spare;          /* goes along with answers */
    bool again;         /* another may come */
    uint64_t protocol;  /* that it offers */
    GByteArray *unsent; /* of an answer that comes in pieces */
} BackEnd;

static BackEnd *back;
static FuzzInput input;
static DirtyTracker *tracker;

/* ---- the connection ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* It goes. */
static void leave(void)
{
    close_fd(&back->fd);
    close_fd(&back->channel);
    close_fd(&back->call);
    close_fd(&back->log);
    close_fd(&back->pictures);
    g_byte_array_set_size(back->unsent, 0);
}

static void back_end_hangup(Chardev *chr)
{
    chardev_disconnected(chr);
    close_fd(&back->front);
    leave();
}

static bool back_end_wait(Chardev *chr, GError **errp)
{
    error_set(errp, "nobody comes");
    return false;
}

static bool back_end_can_reconnect(const Chardev *chr)
{
    return back->again;
}

static bool back_end_has_protocol(const Chardev *chr)
{
    return false;
}

static void back_end_init(Object *obj)
{
    back = (BackEnd *)obj;
    back->front = back->fd = back->channel = back->call = back->log = -1;
    back->pictures = -1;
    back->spare = eventfd(0, EFD_CLOEXEC);
    back->unsent = g_byte_array_new();
}

static const ChardevOps back_end_ops = {
    .wait_connected = back_end_wait,
    .can_reconnect = back_end_can_reconnect,
    .has_protocol = back_end_has_protocol,
    .hangup = back_end_hangup,
};

static const ObjectType back_end_type = {
    .name = TYPE_BACK_END,
    .parent = TYPE_CHARDEV,
    .description = "the back-end of a fuzz target",
    .instance_size = sizeof(BackEnd),
    .init = back_end_init,
    .ops = &back_end_ops,
};
OBJECT_TYPE_REGISTER(back_end_type)

static void come(void)
{
    int fds[2];

    if (back->front >= 0) {
        return;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), ==, 0);
    back->front = fds[0];
    back->fd = fds[1];
    chardev_connected(&back->parent, fds[0], fds[0]);
}

/* ---- what it sends ---- */

typedef struct Message {
    VhostUserHeader header;
    uint8_t payload[ANSWER_MAX];
    unsigned size;                    /* bytes of it that are sent */
    unsigned header_fds, payload_fds; /* descriptors that go along */
    unsigned first;                   /* bytes that come at once, the others later; 0: all */
} Message;

static void send_bytes(int fd, const void *bytes, size_t size, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(2 * FDS_MAX * sizeof(int))];
    } control = { 0 };
    struct iovec iov = { (void *)(uintptr_t)bytes, size };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    int fds[2 * FDS_MAX];

    if (!size || fd < 0) {
        return;
    }
    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = back->spare;
    }
    if (fd_count) {
        msg.msg_control = &control;
        msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        CMSG_FIRSTHDR(&msg)->cmsg_level = SOL_SOCKET;
        CMSG_FIRSTHDR(&msg)->cmsg_type = SCM_RIGHTS;
        CMSG_FIRSTHDR(&msg)->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(CMSG_FIRSTHDR(&msg)), fds, fd_count * sizeof(int));
    }
    (void)!sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_message(const Message *m)
{
    if (m->first) {
        g_byte_array_append(back->unsent, (const uint8_t *)&m->header, sizeof(m->header));
        g_byte_array_append(back->unsent, m->payload, m->size);
        send_bytes(back->fd, back->unsent->data, MIN(m->first, back->unsent->len), 0);
        g_byte_array_remove_range(back->unsent, 0, MIN(m->first, back->unsent->len));
        return;
    }
    send_bytes(back->fd, &m->header, sizeof(m->header), m->header_fds);
    send_bytes(back->fd, m->payload, m->size, m->payload_fds);
}

/* A request of its own: which, its flags, how long it says that it is, and how long it is. */
static void send_request(void)
{
    const unsigned what = (unsigned)fuzz_take(&input, 1);
    uint32_t words[3 + 64] = { what & 1 ? VHOST_USER_BACKEND_CONFIG_CHANGE_MSG : what >> 4,
                               VHOST_USER_VERSION | (what & 2 ? VHOST_USER_NEED_REPLY : 0) };
    const unsigned size = what & 4 ? (unsigned)fuzz_take(&input, 1) : 0;

    words[2] = what & 8 ? (uint32_t)fuzz_take(&input, 4) : size;
    send_bytes(back->channel, words, 12 + size, what & 0x40 ? 1 + what % 3 : 0);
}

/* ---- how its answers are wrong ---- */

static void answer_number(Message *m)
{
    for (unsigned i = 0; i < MIN(m->size, 8); i++) {
        m->payload[i] = (uint8_t)fuzz_take(&input, 1);
    }
}

static void answer_bits(Message *m)
{
    if (m->size) {
        m->payload[fuzz_take(&input, 1) % m->size] ^= (uint8_t)fuzz_take(&input, 1);
    }
}

static void answer_bytes(Message *m)
{
    for (unsigned i = 0; i < m->size; i++) {
        m->payload[i] = (uint8_t)fuzz_take(&input, 1);
    }
}

static void answer_other_length(Message *m)
{
    m->header.size = m->size = (unsigned)fuzz_take(&input, 2) % (ANSWER_MAX + 1);
}

static void answer_short(Message *m)
{
    m->size = (unsigned)fuzz_take(&input, 1) % (m->size + 1);
}

static void answer_length_lies(Message *m)
{
    m->header.size = (uint32_t)fuzz_take(&input, 4);
}

static void answer_other_request(Message *m)
{
    m->header.request = (uint32_t)fuzz_take(&input, 1);
}

static void answer_other_flags(Message *m)
{
    m->header.flags ^= (uint32_t)fuzz_take(&input, 1);
}

static void answer_header_fds(Message *m)
{
    m->header_fds = (unsigned)fuzz_take(&input, 1) % (2 * FDS_MAX + 1);
}

static void answer_payload_fds(Message *m)
{
    m->payload_fds = (unsigned)fuzz_take(&input, 1) % (2 * FDS_MAX + 1);
}

static void answer_in_pieces(Message *m)
{
    m->first = 1 + (unsigned)fuzz_take(&input, 1) % (sizeof(m->header) + m->size);
}

static void answer_goes(Message *m)
{
    leave();
}

static void answer_twice(Message *m)
{
    send_message(m);
}

static void answer_asks(Message *m)
{
    send_request();
}

static void answer_closes_channel(Message *m)
{
    close_fd(&back->channel);
}

static void answer_nothing(Message *m)
{
    m->header.size = 0;
    m->size = 0;
    m->first = sizeof(m->header);
}

static void (*const deviations[])(Message *m) = {
    answer_number,     answer_bits,        answer_bytes,          answer_other_length,
    answer_short,      answer_length_lies, answer_other_request,  answer_other_flags,
    answer_header_fds, answer_payload_fds, answer_in_pieces,      answer_goes,
    answer_twice,      answer_asks,        answer_closes_channel, answer_nothing,
};

/* ---- what it is asked ---- */

static uint64_t number_of(uint32_t request)
{
    static const uint64_t features = 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_RING_PACKED |
                                     1ull << VHOST_USER_F_PROTOCOL_FEATURES |
                                     1ull << VHOST_F_LOG_ALL | 0xffffff;

    return request == VHOST_USER_GET_FEATURES            ? features
           : request == VHOST_USER_GET_PROTOCOL_FEATURES ? back->protocol
           : request == VHOST_USER_GET_QUEUE_NUM         ? 4
           : request == VHOST_USER_GET_MAX_MEM_SLOTS     ? 16
                                                         : 0;
}

/* The right one; false: none is waited for. @asked: what came with the request. */
static bool right_answer(Message *m, const VhostUserHeader *request, const uint8_t *asked)
{
    const uint64_t number = number_of(request->request);
    const VhostUserInflight inflight = { .size = 4096, .rings = 4, .entries = 128 };

    *m = (Message){ .header = { request->request, VHOST_USER_VERSION | VHOST_USER_REPLY, 8 },
                    .size = 8 };
    memcpy(m->payload, &number, sizeof(number));
    if (request->request == VHOST_USER_GET_CONFIG ||
        request->request == VHOST_USER_GET_VRING_BASE) {
        m->header.size = m->size = request->size;
        memcpy(m->payload, asked, request->size);
    } else if (request->request == VHOST_USER_GET_INFLIGHT_FD) {
        m->header.size = m->size = sizeof(inflight);
        m->header_fds = 1;
        memcpy(m->payload, &inflight, sizeof(inflight));
    } else {
        return number || request->request == VHOST_USER_SET_LOG_BASE ||
               request->flags & VHOST_USER_NEED_REPLY;
    }
    return true;
}

/* It keeps those with which it can do something. */
static void keep_fd(uint32_t request, int fd)
{
    int *kept = request == VHOST_USER_SET_BACKEND_REQ_FD ? &back->channel
                : request == VHOST_USER_SET_VRING_CALL   ? &back->call
                : request == VHOST_USER_SET_LOG_BASE     ? &back->log
                : request == VHOST_USER_GPU_SET_SOCKET   ? &back->pictures
                                                         : NULL;

    if (kept) {
        close_fd(kept);
        *kept = fd;
    } else {
        close(fd);
    }
}

/* What comes next, with its payload, or false. */
static bool take_request(VhostUserHeader *header, uint8_t *payload)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = { header, sizeof(*header) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };

    if (back->fd < 0 || recvmsg(back->fd, &msg, MSG_DONTWAIT) != sizeof(*header)) {
        return false;
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
        for (size_t at = 0; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + at, sizeof(int));
            keep_fd(header->request, fd);
        }
    }
    g_assert_cmpuint(header->size, <=, MESSAGE_MAX);
    return recv(back->fd, payload, header->size, MSG_DONTWAIT) == header->size || !header->size;
}

static void answer(const VhostUserHeader *header, const uint8_t *asked)
{
    const unsigned how = (unsigned)fuzz_take(&input, 1);
    Message m;
    const bool waited_for = right_answer(&m, header, asked);

    if (how >= RIGHT_BELOW) {
        deviations[how % G_N_ELEMENTS(deviations)](&m);
    }
    if (waited_for && back->fd >= 0) {
        send_message(&m);
    }
}

/* What it has to say now. */
static void talk(void)
{
    uint8_t payload[MESSAGE_MAX];
    VhostUserHeader header;

    send_bytes(back->fd, back->unsent->data, back->unsent->len, 0);
    g_byte_array_set_size(back->unsent, 0);
    while (take_request(&header, payload)) {
        answer(&header, payload);
    }
}

int __real_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms);
int __wrap_poll(struct pollfd *fds, nfds_t count, int ms)
{
    if (back && back->front >= 0 && count && fds[0].fd == back->front) {
        talk();
        if (!__real_poll(fds, count, 0)) {
            leave();
        }
    }
    return __real_poll(fds, count, ms);
}

/* ---- the machine ---- */

static void object_from(const char *type, const char *id, const char *text)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);

    user_object_add(type, id, props, NULL);
    json_object_put(props);
}

static void prepare(Machine *machine)
{
    object_from("memory-backend-memfd", "ram", "size=1M");
    g_assert_true(object_property_parse(&machine->parent, "memory-backend", "ram", NULL));
    g_assert_true(object_add_child(object_container("/chardevs"), "c0",
                                   object_new(TYPE_BACK_END, NULL), NULL));
}

/* ---- steps: devices and memory ---- */

static void add(const char *text)
{
    struct json_object *props = keyval_parse(text, "driver", NULL);

    device_add(props, NULL);
    json_object_put(props);
}

static void add_netdev(void)
{
    g_autoptr(Netdev) options =
        qapi_from_option(&Netdev_type, "vhost-user,id=n0,chardev=c0,queues=2", "type", NULL);

    netdev_add(options, NULL);
}

/* Which device; what its back-end offers. */
static void step_device(FuzzInput *in)
{
    static const char *const devices[] = {
        "vhost-user-blk-pci,id=d0,addr=10,chardev=c0,num-queues=2",
        "vhost-user-blk-pci,id=d0,addr=10,chardev=c0,packed=on",
        "vhost-user-fs-pci,id=d0,addr=10,chardev=c0,tag=t",
        "virtio-net-pci,id=d0,addr=10,netdev=n0,mq=on,host_mtu=1500",
        "vhost-user-gpu-pci,id=d0,addr=10,chardev=c0,max_outputs=2,max_hostmem=1M",
    };
    const unsigned how = (unsigned)fuzz_take(in, 1);

    back->again = how & 4;
    back->protocol = how & 8 ? fuzz_take(in, 2) : 0xffff;
    come();
    if (how % 5 == 3) {
        add_netdev();
    }
    add(devices[how % 5]);
    driver_map(0);
}

static void step_unplug(FuzzInput *in)
{
    Object *device = object_child(object_container("/machine/peripheral"), "d0");

    if (fuzz_take(in, 1) & 1) {
        netdev_del("n0", NULL);
    } else if (device) {
        device_unplug(DEVICE(device));
    }
}

static void step_dimm(FuzzInput *in)
{
    const unsigned n = (unsigned)fuzz_take(in, 1) % 3;
    g_autofree char *id = g_strdup_printf("m%u", n), *dimm = g_strdup_printf("d%u", 1 + n);
    g_autofree char *text = g_strdup_printf("pc-dimm,id=%s,memdev=%s", dimm, id);
    Object *device = object_child(object_container("/machine/peripheral"), dimm);

    if (device) {
        device_unplug(DEVICE(device));
    } else {
        object_from("memory-backend-memfd", id, "size=128M");
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
    const uint64_t high = 1 | (how & 4 ? 4 : 0);

    driver_start(0, high << 32 | 0x3fffffff, 1u << how % 4);
}

/* A store to its registers or its configuration, or a load from there. */
static void step_store(FuzzInput *in)
{
    static const uint8_t sizes[] = { 1, 2, 4, 4 };
    const unsigned how = (unsigned)fuzz_take(in, 1), size = sizes[how & 3];
    const unsigned at = (how & 0x10 ? 2 * DRIVER_PAGE : 0) + (unsigned)fuzz_take(in, 1) % 64;

    if (how & 0x20) {
        address_space_load(&address_space_memory, driver_bar(0) + at, size);
    } else {
        driver_store(0, at, (uint32_t)fuzz_take(in, size), size);
    }
}

/* A buffer, which may be none, and a notification. */
static void step_offer(FuzzInput *in)
{
    const unsigned q = (unsigned)fuzz_take(in, 1) % DRIVER_QUEUES;
    const unsigned entry = (unsigned)fuzz_take(in, 1) % 8;
    const uint32_t ring = driver_ring(0, q);
    const uint16_t index =
        (uint16_t)address_space_load(&address_space_memory, ring + DRIVER_PAGE + 2, 2);

    address_space_store(&address_space_memory, ring + 16 * entry, BUFFERS + (fuzz_take(in, 1) << 8),
                        8);
    address_space_store(&address_space_memory, ring + 16 * entry + 8, fuzz_take(in, 1), 4);
    address_space_store(&address_space_memory, ring + 16 * entry + 12, fuzz_take(in, 2), 4);
    address_space_store(&address_space_memory, ring + DRIVER_PAGE + 4 + 2 * (index & 7), entry, 2);
    address_space_store(&address_space_memory, ring + DRIVER_PAGE + 2, index + 1u, 2);
    driver_notify(0, q);
}

static void step_config(FuzzInput *in)
{
    driver_config_write(0, (unsigned)fuzz_take(in, 1) & ~3u, (uint32_t)fuzz_take(in, 4), 4);
}

/* ---- steps: the back-end ---- */

/* It has the guest's memory, and writes to the rings. */
static void step_memory(FuzzInput *in)
{
    const unsigned where = (unsigned)fuzz_take(in, 2) % (DRIVER_QUEUES * DRIVER_QUEUE_GAP);

    address_space_store(&address_space_memory, DRIVER_RINGS + where, fuzz_take(in, 2), 2);
}

static void step_come(FuzzInput *in)
{
    come();
}

static void step_go(FuzzInput *in)
{
    leave();
}

static void step_request(FuzzInput *in)
{
    send_request();
}

/* A message about pictures, mostly of the right shape, on the socket for them. */
static void step_pictures(FuzzInput *in)
{
    static const uint16_t sizes[VHOST_GPU_MESSAGES] = {
        0, 0, 8, 0, 12, 12, sizeof(VhostGpuCursor), 12, 20, 40, 20
    };
    const unsigned how = (unsigned)fuzz_take(in, 1), request = how % (VHOST_GPU_MESSAGES + 1);
    const unsigned size = request < VHOST_GPU_MESSAGES ? sizes[request] : how;
    const unsigned width = (unsigned)fuzz_take(in, 1) & 63,
                   height = (unsigned)fuzz_take(in, 1) & 63;
    const unsigned more = request == VHOST_GPU_UPDATE ? 4 * width * height : 0;
    uint32_t words[3 + sizeof(VhostGpuCursor) / 4 + 64 * 64] = { request, 0, size + more };

    words[3] = how >> 6 & 1;
    if (request == VHOST_GPU_SCANOUT || request >= VHOST_GPU_MESSAGES) {
        words[4] = width;
        words[5] = height;
    } else if (request == VHOST_GPU_UPDATE || request >= VHOST_GPU_DMABUF_SCANOUT) {
        words[6] = width;
        words[7] = height;
        words[8] = words[9] = 64;
        words[10] = 256;
        words[12] = 0x34325258;
    }
    if (how & 0x80) {
        words[fuzz_take(in, 1) % 13] = (uint32_t)fuzz_take(in, 4);
    }
    send_bytes(back->pictures, words, 12 + size + more, request == VHOST_GPU_DMABUF_SCANOUT);
}

/* It interrupts the driver, or makes us wait where there is no interrupt. */
static void step_call(FuzzInput *in)
{
    const uint64_t value = fuzz_take(in, 1);

    if (back->call >= 0 && value & 0x80) {
        fcntl(back->call, F_SETFL, 0);
    } else if (back->call >= 0) {
        (void)!eventfd_write(back->call, value);
    }
}

/* Anything may be marked, and the file be made another. */
static void step_mark(FuzzInput *in)
{
    const uint64_t bits = fuzz_take(in, 2), at = fuzz_take(in, 2);

    if (back->log >= 0 && fuzz_take(in, 1) & 7) {
        (void)!pwrite(back->log, &bits, sizeof(bits), (off_t)at);
    } else if (back->log >= 0) {
        (void)!ftruncate(back->log, (off_t)at);
    }
}

/* Bytes that nobody has asked for. */
static void step_bytes(FuzzInput *in)
{
    uint8_t bytes[16];
    const unsigned size = 1 + (unsigned)fuzz_take(in, 1) % sizeof(bytes);

    for (unsigned i = 0; i < size; i++) {
        bytes[i] = (uint8_t)fuzz_take(in, 1);
    }
    send_bytes(back->fd, bytes, size, size & 1);
}

/* Zeros, which are right answers too, do no harm as steps. */
static FuzzStep *const steps[FUZZ_STEPS] = {
    fuzz_step_settle, step_unplug,   step_dimm,     step_log,       step_bring_up, step_store,
    step_offer,       step_config,   step_memory,   step_come,      step_go,       step_request,
    step_call,        step_mark,     step_bytes,    fuzz_step_time, fuzz_step_run, fuzz_step_reset,
    step_device,      step_device,   step_bring_up, fuzz_step_run,  step_offer,    step_pictures,
    step_pictures,    step_come,     step_device,   step_bring_up,  step_pictures, fuzz_step_settle,
    step_pictures,    fuzz_step_run,
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
    leave();
    fuzz_settle();
    fuzz_input_end();
    netdev_del("n0", NULL);
    if (back->front >= 0) {
        back_end_hangup(&back->parent);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "pc", .cpu_count = "2", .prepare = prepare };
    unsigned before;

    fuzz_board(&board);
    before = open_fds();
    fuzz_input_begin();
    input = (FuzzInput){ data, size };
    while (input.left) {
        steps[fuzz_take(&input, 1) % FUZZ_STEPS](&input);
        fuzz_settle();
        if (back->fd >= 0) {
            talk();
        }
    }
    end();
    g_assert_cmpuint(open_fds(), ==, before);
    return 0;
}
