/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ivshmem-doorbell: memory that guests and programs share, who can interrupt each other. A server
 * gives each of them a number, the memory, and for each of its vectors an eventfd, which all others
 * get, too. BAR 0 has the doorbell, BAR 1 MSI-X, BAR 2 the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "hw/misc/ivshmem-server.h"
#include "hw/misc/ivshmem.h"
#include "hw/pci/pci-msix.h"
#include "memory/ram-block.h"
#include "util/error.h"
#include "util/loop.h"

#define TYPE_IVSHMEM_DOORBELL "ivshmem-doorbell"
#define MAX_FAST              256 /* vectors of peers that an engine may signal by itself */

typedef struct IvshmemDoorbell {
    Ivshmem parent;
    /* configuration */
    char *chardev;
    uint32_t vectors;
    bool ioeventfd;
    /* wiring */
    CharFrontend fe;
    bool attached;
    IvshmemServer server;
    GSource *watch; /* for what it says; NULL: it has gone */
    MemoryRegion memory;
    GHashTable *peers; /* of number: GArray of eventfds, by vector; this one is among them */
    unsigned fast;     /* events of the doorbell */
} IvshmemDoorbell;
OBJECT_CAST_DEFINE(IvshmemDoorbell, IVSHMEM_DOORBELL, TYPE_IVSHMEM_DOORBELL)

static void warn(const IvshmemDoorbell *s, const char *what)
{
    g_autofree char *name = device_describe(&s->parent.parent.parent);

    error_warn("%s: %s", name, what);
}

/* ---- peers ---- */

static GArray *fds_of(const IvshmemDoorbell *s, unsigned peer)
{
    return g_hash_table_lookup(s->peers, GUINT_TO_POINTER(peer));
}

/* The guest rings: what is not there hears nothing. */
static void ring(Ivshmem *common, unsigned peer, unsigned vector)
{
    const GArray *fds = fds_of(IVSHMEM_DOORBELL(common), peer);
    const uint64_t one = 1;

    if (fds && vector < fds->len && write(g_array_index(fds, int, vector), &one, sizeof(one)) < 0) {
        /* Its counter is full: it is signalled as it is. */
    }
}

static MemoryEvent event_of(unsigned peer, unsigned vector, int fd)
{
    return (MemoryEvent){ .offset = IVSHMEM_RING,
                          .size = 4,
                          .match = true,
                          .value = (uint32_t)peer << 16 | vector,
                          .fd = fd };
}

/* Those that came first are fast: which ones they are is told by how many there are. */
static bool is_fast(const IvshmemDoorbell *s, const MemoryEvent *event)
{
    const GArray *events = s->parent.registers.events;

    for (unsigned i = 0; events && i < events->len; i++) {
        if (g_array_index(events, MemoryEvent, i).fd == event->fd) {
            return true;
        }
    }
    return false;
}

static void forget_peer(IvshmemDoorbell *s, unsigned peer)
{
    const GArray *fds = fds_of(s, peer);

    for (unsigned i = 0; fds && i < fds->len; i++) {
        int fd = g_array_index(fds, int, i);
        MemoryEvent event = event_of(peer, i, fd);

        if (is_fast(s, &event)) {
            memory_region_del_event(&s->parent.registers, &event);
            s->fast--;
        }
        if (peer == s->parent.position && i < s->vectors) {
            pci_msix_set_eventfd(&s->parent.parent, i, -1);
        }
        close(fd);
    }
    g_hash_table_remove(s->peers, GUINT_TO_POINTER(peer));
}

/* Nobody waits for another program that could fill something else, and nothing else can be a
 * vector. */
static bool is_eventfd(int fd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);
    g_autofree char *target = g_file_read_link(path, NULL);

    return target && strcmp(target, "anon_inode:[eventfd]") == 0 &&
           g_unix_set_fd_nonblocking(fd, true, NULL);
}

/* The next vector of @peer. */
static void add_vector(IvshmemDoorbell *s, unsigned peer, int fd)
{
    bool own = peer == s->parent.position;
    GArray *fds = fds_of(s, peer);

    if (!fds) {
        fds = g_array_new(FALSE, FALSE, sizeof(int));
        g_hash_table_insert(s->peers, GUINT_TO_POINTER(peer), fds);
    }
    if (!is_eventfd(fd) || fds->len == (own ? s->vectors : PCI_MSIX_MAX_VECTORS)) {
        warn(s,
             own ? "the ivshmem server has more vectors for it than vectors= says, or what is no "
                   "eventfd"
                 : "the ivshmem server has too many vectors for a peer, or what is no eventfd");
        close(fd);
        return;
    }
    const MemoryEvent event = event_of(peer, fds->len, fd);
    if (s->ioeventfd && s->fast < MAX_FAST) {
        memory_region_add_event(&s->parent.registers, &event);
        s->fast++;
    }
    if (own) {
        pci_msix_set_eventfd(&s->parent.parent, fds->len, fd);
    }
    g_array_append_val(fds, fd);
}

/* ---- the server ---- */

static void stop_listening(IvshmemDoorbell *s)
{
    if (s->watch) {
        g_source_destroy(s->watch);
        g_clear_pointer(&s->watch, g_source_unref);
    }
    ivshmem_server_end(&s->server);
}

static void handle_message(IvshmemDoorbell *s, int64_t number, int fd)
{
    if (number < 0 || number >= IVSHMEM_MAX_PEERS) {
        warn(s, "the ivshmem server tells of a peer whose number is not from 0 to 65535");
        if (fd >= 0) {
            close(fd);
        }
    } else if (fd >= 0) {
        add_vector(s, (unsigned)number, fd);
    } else if (number != s->parent.position) {
        forget_peer(s, (unsigned)number);
    }
}

/* One message a turn of the loop: a server that never stops keeps nobody else from it. */
static gboolean server_says(gint unused, GIOCondition condition, gpointer opaque)
{
    IvshmemDoorbell *s = opaque;
    g_autoptr(GError) err = NULL;
    int64_t number;
    int fd;

    switch (ivshmem_server_next(&s->server, &number, &fd, &err)) {
    case IVSHMEM_MESSAGE:
        handle_message(s, number, fd);
        break;
    case IVSHMEM_ERROR:
        warn(s, err->message);
        stop_listening(s);
        char_hang_up(&s->fe);
        break;
    case IVSHMEM_NOTHING:
        break;
    }
    return G_SOURCE_CONTINUE;
}

/* Without the server all goes on as it is, but nobody new comes. */
static void server_event(void *opaque, CharEvent event)
{
    IvshmemDoorbell *s = opaque;

    if (event == CHAR_EVENT_CLOSED) {
        stop_listening(s);
    } else if (event == CHAR_EVENT_OPENED && !s->watch) {
        warn(s, "a second ivshmem server, or the first one again, has other memory: unplug the "
                "device, and plug it again");
        char_hang_up(&s->fe);
    }
}

static void listen(IvshmemDoorbell *s)
{
    s->watch = g_unix_fd_source_new(char_fd(&s->fe), G_IO_IN);
    g_source_set_callback(s->watch, G_SOURCE_FUNC(server_says), s, NULL);
    loop_attach(loop_main(), s->watch);
}

static bool connect_server(IvshmemDoorbell *s, GError **errp)
{
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : NULL;

    if (!chr) {
        error_set(errp,
                  s->chardev
                      ? "chardev '%s' not found; make it with -chardev socket,id=%s,path=PATH"
                      : "'chardev' is missing: the id of the socket at which the ivshmem "
                        "server is",
                  s->chardev, s->chardev);
        return false;
    }
    if (!char_can_be_raw(chr)) {
        error_set(errp,
                  "chardev '%s' is no plain socket: make it with -chardev socket,id=%s,path=PATH",
                  s->chardev, s->chardev);
        return false;
    }
    s->fe = (CharFrontend){ .raw = true, .opaque = s };
    s->attached = char_attach(chr, &s->fe, errp);
    if (s->attached && char_fd(&s->fe) < 0 && machine_current()->ready) {
        error_set(errp,
                  "nobody is at the other end of its chardev: start the ivshmem server first");
        return false;
    }
    return s->attached && char_wait_connected(&s->fe, errp);
}

/* ---- life ---- */

static bool map_memory(IvshmemDoorbell *s, int fd, GError **errp)
{
    g_autofree char *name = object_path(OBJECT(s));
    struct stat st;
    RamBlock *ram;

    if (fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "the memory of the ivshmem server cannot be looked at");
        return false;
    }
    if (!ivshmem_check_size("the memory of the ivshmem server", (uint64_t)st.st_size, errp)) {
        return false;
    }
    ram = ram_block_new(name, (uint64_t)st.st_size, fd, true, true, 0, errp);
    if (!ram) {
        return false;
    }
    memory_region_init_ram(&s->memory, "ivshmem-memory", ram);
    ram_block_unref(ram);
    return true;
}

static void disconnect(IvshmemDoorbell *s)
{
    stop_listening(s);
    if (s->attached) {
        char_detach(&s->fe);
        s->attached = false;
    }
}

static bool doorbell_realize(PciDevice *dev, GError **errp)
{
    IvshmemDoorbell *s = IVSHMEM_DOORBELL(dev);
    int memory;

    if (!s->vectors || s->vectors > PCI_MSIX_MAX_VECTORS) {
        error_set(errp, "vectors=%u: it must be 1 to %d; without any, ivshmem-plain is the device",
                  s->vectors, PCI_MSIX_MAX_VECTORS);
        return false;
    }
    ivshmem_server_init(&s->server, &s->fe);
    if (!connect_server(s, errp) ||
        !ivshmem_server_meet(&s->server, &s->parent.position, &memory, errp)) {
        disconnect(s);
        return false;
    }
    if (!map_memory(s, memory, errp)) {
        close(memory);
        disconnect(s);
        return false;
    }
    s->parent.ring = ring;
    s->peers = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)g_array_unref);
    pci_add_msix(dev, s->vectors, IVSHMEM_MSIX_BAR);
    ivshmem_add(&s->parent, &s->memory);
    s->fe.event = server_event;
    listen(s);
    return true;
}

static void doorbell_unrealize(PciDevice *dev)
{
    IvshmemDoorbell *s = IVSHMEM_DOORBELL(dev);
    g_autoptr(GList) peers = g_hash_table_get_keys(s->peers);

    disconnect(s);
    for (const GList *at = peers; at; at = at->next) {
        forget_peer(s, GPOINTER_TO_UINT(at->data));
    }
    g_clear_pointer(&s->peers, g_hash_table_unref);
    ivshmem_remove(&s->parent);
    memory_region_destroy(&s->memory);
}

static const PciFunctionClass doorbell_ops = IVSHMEM_CLASS(doorbell_realize, doorbell_unrealize);

static const Property doorbell_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(IvshmemDoorbell, chardev),
      .description = "a unix socket, at whose other end the ivshmem server is" },
    { .name = "vectors",
      .kind = PROP_UINT32,
      .offset = offsetof(IvshmemDoorbell, vectors),
      .has_default = true,
      .default_int = 1,
      .description = "interrupts by which others call the guest, 1 to 2048" },
    { .name = "ioeventfd",
      .kind = PROP_BOOL,
      .offset = offsetof(IvshmemDoorbell, ioeventfd),
      .has_default = true,
      .default_int = true,
      .description = "others are called without leaving the guest, where the engine can" },
    { 0 },
};

static const ObjectType doorbell_type = {
    .name = TYPE_IVSHMEM_DOORBELL,
    .parent = TYPE_IVSHMEM,
    .description = "Memory that is shared with others, who can be interrupted",
    .instance_size = sizeof(IvshmemDoorbell),
    .properties = doorbell_properties,
    .ops = &doorbell_ops,
};
OBJECT_TYPE_REGISTER(doorbell_type)
