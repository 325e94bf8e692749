/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -object filter-dump: the packets of a netdev in a file, as pcap has it (draft-ietf-opsawg-pcap),
 * for tcpdump and its kind. Into a pipe goes what its reader makes room for, whole packets only.
 * Machine lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/netdev.h"
#include "util/error.h"
#include "util/made-files.h"

#define PCAP_MAGIC    0xa1b2c3d4 /* times are in microseconds, all is in our byte order */
#define LINK_ETHERNET 1

typedef struct PcapFile {
    uint32_t magic;
    uint16_t major, minor;
    uint32_t reserved[2];
    uint32_t max_len; /* of what is kept of a packet */
    uint32_t link;
} PcapFile;

typedef struct PcapPacket {
    uint32_t seconds, microseconds;
    uint32_t len, full_len;
} PcapPacket;

enum { QUEUE_ALL, QUEUE_RX, QUEUE_TX };
static const char *const queue_names[] = { "all", "rx", "tx", NULL };
static const char *const status_names[] = { "on", "off", NULL };

typedef struct FilterDump {
    Object parent;
    /* properties */
    char *netdev, *file;
    uint32_t maxlen;
    int queue;  /* QUEUE_* */
    int status; /* an index of status_names */
    /* private */
    NetWatcher watcher;
    bool is_pipe;
    int fd;           /* -1: none, or it takes no more */
    GByteArray *rest; /* of a packet of which a pipe has taken only a part; owned */
} FilterDump;
OBJECT_CAST_DEFINE(FilterDump, FILTER_DUMP, "filter-dump")

static void give_up(FilterDump *dump, const char *why)
{
    error_report("filter-dump '%s': %s takes no more: %s", dump->parent.name, dump->file, why);
    close(dump->fd);
    dump->fd = -1;
}

/* Does the file take something new? What a pipe has no room for waits for the next packet. */
static bool write_rest(FilterDump *dump)
{
    ssize_t written = 0;

    if (dump->rest->len) {
        written = write(dump->fd, dump->rest->data, dump->rest->len);
    }
    if (written < 0 && errno != EAGAIN && errno != EINTR) {
        give_up(dump, g_strerror(errno));
        return false;
    }
    g_byte_array_remove_range(dump->rest, 0, (guint)MAX(written, 0));
    return !dump->rest->len;
}

/* All of it, or the rest of the file would make no sense; or nothing, if a pipe is full. */
static void append(FilterDump *dump, const struct iovec *parts, int count)
{
    g_autoptr(GByteArray) packet = g_byte_array_new();
    ssize_t written;

    if (!write_rest(dump)) {
        return;
    }
    for (int i = 0; i < count; i++) {
        g_byte_array_append(packet, parts[i].iov_base, (guint)parts[i].iov_len);
    }
    do {
        written = write(dump->fd, packet->data, packet->len);
    } while (written < 0 && errno == EINTR);
    if (written == (ssize_t)packet->len || (written < 0 && errno == EAGAIN)) {
        return;
    }
    if (written < 0 || !dump->is_pipe) {
        give_up(dump, written < 0 ? g_strerror(errno) : "it is full");
    } else {
        g_byte_array_append(dump->rest, packet->data + written, packet->len - (guint)written);
    }
}

/* queue=rx is what the netdev gets to receive from the guest. */
static void dump_packet(void *opaque, bool sent, const uint8_t *packet, size_t size)
{
    FilterDump *dump = opaque;
    int64_t now_us = g_get_real_time();
    PcapPacket header = { .seconds = (uint32_t)(now_us / G_USEC_PER_SEC),
                          .microseconds = (uint32_t)(now_us % G_USEC_PER_SEC),
                          .len = (uint32_t)MIN(size, dump->maxlen),
                          .full_len = (uint32_t)size };
    struct iovec parts[] = { { &header, sizeof(header) },
                             { (void *)(uintptr_t)packet, header.len } };

    if (dump->fd >= 0 && dump->status == 0 && dump->queue != (sent ? QUEUE_RX : QUEUE_TX)) {
        append(dump, parts, G_N_ELEMENTS(parts));
    }
}

/* Nothing here waits for a reader. */
static bool open_file(FilterDump *dump, GError **errp)
{
    struct stat st;

    dump->fd =
        made_files_open(dump->file, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0644, MADE_DATA);
    if (dump->fd < 0 && errno == ENXIO) {
        error_set(errp, "nobody reads the pipe %s: start the reader first", dump->file);
        return false;
    }
    if (dump->fd < 0) {
        error_set_errno(errp, errno, "could not open %s", dump->file);
        return false;
    }
    dump->is_pipe = fstat(dump->fd, &st) == 0 && S_ISFIFO(st.st_mode);
    return true;
}

static bool dump_complete(Object *obj, GError **errp)
{
    FilterDump *dump = FILTER_DUMP(obj);
    NetBackend *netdev = dump->netdev ? netdev_find(dump->netdev) : NULL;
    PcapFile header = {
        .magic = PCAP_MAGIC, .major = 2, .minor = 4, .max_len = dump->maxlen, .link = LINK_ETHERNET
    };

    if (!netdev) {
        error_set(errp,
                  dump->netdev ? "there is no netdev '%s'; netdev= must name one"
                               : "netdev=ID is missing: the netdev whose packets are kept",
                  dump->netdev);
        return false;
    }
    if (!dump->file || !dump->maxlen) {
        error_set(errp, "%s",
                  dump->file ? "maxlen=0 would keep nothing; it must be 1 or more"
                             : "file=PATH is missing: where the packets go");
        return false;
    }
    if (!open_file(dump, errp)) {
        return false;
    }
    errno = ENOSPC; /* if a part is written */
    if (write(dump->fd, &header, sizeof(header)) != (ssize_t)sizeof(header)) {
        error_set_errno(errp, errno, "could not write to %s", dump->file);
        return false;
    }
    dump->watcher = (NetWatcher){ .packet = dump_packet, .opaque = dump };
    net_watch(&netdev->client, &dump->watcher);
    return true;
}

static void dump_init(Object *obj)
{
    FILTER_DUMP(obj)->fd = -1;
    FILTER_DUMP(obj)->rest = g_byte_array_new();
}

static void dump_finalize(Object *obj)
{
    FilterDump *dump = FILTER_DUMP(obj);

    net_unwatch(&dump->watcher);
    if (dump->fd >= 0) {
        close(dump->fd);
    }
    g_byte_array_unref(dump->rest);
}

static const Property dump_properties[] = {
    { .name = "netdev",
      .kind = PROP_STRING,
      .offset = offsetof(FilterDump, netdev),
      .description = "the netdev" },
    { .name = "file",
      .kind = PROP_STRING,
      .offset = offsetof(FilterDump, file),
      .description = "where its packets go" },
    { .name = "maxlen",
      .kind = PROP_UINT32,
      .offset = offsetof(FilterDump, maxlen),
      .description = "bytes that are kept of each",
      .has_default = true,
      .default_int = 65536 },
    { .name = "queue",
      .kind = PROP_ENUM,
      .offset = offsetof(FilterDump, queue),
      .enum_names = queue_names,
      .description = "which: rx, those to the netdev; tx, those from it; all",
      .has_default = true,
      .default_int = QUEUE_ALL },
    { .name = "status",
      .kind = PROP_ENUM,
      .offset = offsetof(FilterDump, status),
      .enum_names = status_names,
      .description = "off: none are kept for now",
      .has_default = true,
      .live = true,
      .default_int = 0 },
    { 0 },
};

static const ObjectType dump_type = {
    .name = "filter-dump",
    .parent = "object",
    .description = "the packets of a netdev in a file",
    .instance_size = sizeof(FilterDump),
    .user_creatable = true,
    .properties = dump_properties,
    .init = dump_init,
    .finalize = dump_finalize,
    .complete = dump_complete,
};
OBJECT_TYPE_REGISTER(dump_type)
