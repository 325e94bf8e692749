/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include "migration/hello.h"
#include "util/clock.h"
#include "util/error.h"

#define MAGIC          "DIMMABLE"
#define FORMAT_VERSION 2u                /* 1 had no pages that are left out */
#define WINDOW_NS      (100 * NS_PER_MS) /* over which the speed is kept */

/* Little endian, as on the host. */
typedef struct StreamHeader {
    char magic[8];
    uint32_t version;
    uint32_t sum; /* CRC-32 of what is before */
} StreamHeader;

typedef struct RecordHeader {
    uint8_t kind, name_len;
    uint16_t zero;
    uint32_t size;
    uint32_t sum; /* CRC-32 of kind to size, the name, and the contents */
} RecordHeader;

struct Stream {
    int fd, cancel_fd;
    GByteArray *buffer; /* of the record that is read */
    uint64_t got, put;  /* records */
    uint64_t place;     /* bytes that were read */
    _Atomic uint64_t bytes;
    Stream *total;          /* NULL, or counts these, too */
    _Atomic uint64_t limit; /* bytes a second, 0: none; relaxed: a number of its own */
    int64_t window_start;
    uint64_t window_bytes;
};

Stream *stream_new(int fd)
{
    Stream *stream = g_new0(Stream, 1);

    stream->fd = fd;
    stream->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    stream->buffer = g_byte_array_new();
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    return stream;
}

void stream_free(Stream *stream)
{
    if (stream) {
        close(stream->fd);
        close(stream->cancel_fd);
        g_byte_array_unref(stream->buffer);
        g_free(stream);
    }
}

void stream_cancel(Stream *stream)
{
    eventfd_write(stream->cancel_fd, 1);
}

uint64_t stream_bytes(const Stream *stream)
{
    return atomic_load_explicit(&stream->bytes, memory_order_relaxed);
}

void stream_set_total(Stream *stream, Stream *total)
{
    stream->total = total;
}

void stream_set_limit(Stream *stream, uint64_t bytes)
{
    atomic_store_explicit(&stream->limit, bytes, memory_order_relaxed);
}

/* ---- bytes ---- */

/* Wait for @events, or for @timeout_ms if that is not -1; false: cancelled. */
static bool wait_for(Stream *stream, short events, int timeout_ms, GError **errp)
{
    struct pollfd fds[] = { { .fd = stream->cancel_fd, .events = POLLIN },
                            { .fd = stream->fd, .events = events } };

    while (poll(fds, events ? 2 : 1, timeout_ms) < 0 && errno == EINTR) {
    }
    if (fds[0].revents) {
        error_set(errp, "it was cancelled");
        return false;
    }
    return true;
}

bool stream_pause(Stream *stream, unsigned ms, GError **errp)
{
    return wait_for(stream, 0, (int)ms, errp);
}

bool stream_wait_input(Stream *stream, unsigned ms, GError **errp)
{
    struct pollfd fd = { .fd = stream->fd, .events = POLLIN };

    if (!wait_for(stream, POLLIN, (int)ms, errp)) {
        return false;
    }
    if (poll(&fd, 1, 0) == 0) {
        error_set(errp, "the other end says nothing for %u ms", ms);
        return false;
    }
    return true;
}

/* Sleep if more than the limit went over it in this window of time. */
static bool keep_limit(Stream *stream, size_t size, GError **errp)
{
    uint64_t limit = atomic_load_explicit(&stream->limit, memory_order_relaxed);
    int64_t now = clock_host_ns(), passed = now - stream->window_start;

    stream->window_bytes += size;
    if (limit) {
        double needed = (double)stream->window_bytes * NS_PER_SEC / (double)limit;
        if (needed - passed > NS_PER_MS &&
            !wait_for(stream, 0, (int)MIN((needed - passed) / NS_PER_MS, 1000), errp)) {
            return false;
        }
    }
    if (clock_host_ns() - stream->window_start > WINDOW_NS) {
        stream->window_start = clock_host_ns();
        stream->window_bytes = 0;
    }
    return true;
}

static bool put_bytes(Stream *stream, const void *data, size_t size, GError **errp)
{
    const char *at = data;

    while (size > 0) {
        /* What is more than the limit in a second could not be kept back. */
        bool limited = atomic_load_explicit(&stream->limit, memory_order_relaxed);
        ssize_t done = write(stream->fd, at, MIN(size, limited ? 64u << 10 : 1u << 20));
        if (done < 0 && errno != EAGAIN && errno != EINTR) {
            error_set_errno(errp, errno, "the other end takes no more bytes");
            return false;
        }
        if (done < 0) {
            if (!wait_for(stream, POLLOUT, -1, errp)) {
                return false;
            }
            continue;
        }
        at += done;
        size -= (size_t)done;
        atomic_fetch_add_explicit(&stream->bytes, (uint64_t)done, memory_order_relaxed);
        if (stream->total) {
            atomic_fetch_add_explicit(&stream->total->bytes, (uint64_t)done, memory_order_relaxed);
        }
        if (!keep_limit(stream, (size_t)done, errp)) {
            return false;
        }
    }
    return true;
}

static bool get(Stream *stream, void *data, size_t size, GError **errp)
{
    char *at = data;

    while (size > 0) {
        ssize_t done = read(stream->fd, at, size);
        if (done < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (!wait_for(stream, POLLIN, -1, errp)) {
                return false;
            }
            continue;
        }
        if (done < 0) {
            error_set_errno(errp, errno, "at byte %" PRIu64 ": the stream cannot be read",
                            stream->place);
            return false;
        }
        if (done == 0) {
            error_set(errp,
                      "at byte %" PRIu64 ": the stream ends here, before the machine is whole",
                      stream->place);
            return false;
        }
        at += done;
        size -= (size_t)done;
        stream->place += (uint64_t)done;
        atomic_fetch_add_explicit(&stream->bytes, (uint64_t)done, memory_order_relaxed);
    }
    return true;
}

/* ---- writing ---- */

static uint32_t sum_of(const RecordHeader *header, const char *name, const void *data)
{
    uLong sum = crc32(0, (const Bytef *)header, offsetof(RecordHeader, sum));

    sum = crc32(sum, (const Bytef *)name, header->name_len);
    return header->size ? (uint32_t)crc32_z(sum, data, header->size) : (uint32_t)sum;
}

bool stream_put_header(Stream *stream, GError **errp)
{
    StreamHeader header = { .magic = MAGIC, .version = FORMAT_VERSION };

    header.sum = (uint32_t)crc32(0, (const Bytef *)&header, offsetof(StreamHeader, sum));
    return put_bytes(stream, &header, sizeof(header), errp);
}

bool stream_put_record(Stream *stream, RecordKind kind, const char *name, const void *data,
                       size_t size, GError **errp)
{
    RecordHeader header = { .kind = (uint8_t)kind, .name_len = (uint8_t)strlen(name) };

    if (size > RECORD_MAX_SIZE || strlen(name) > UINT8_MAX) {
        error_set(errp, "'%s' with %zu bytes is too large for a record", name, size);
        return false;
    }
    header.size = (uint32_t)size;
    header.sum = sum_of(&header, name, data);
    stream->put++;
    return put_bytes(stream, &header, sizeof(header), errp) &&
           put_bytes(stream, name, header.name_len, errp) && put_bytes(stream, data, size, errp);
}

static bool put_end(Stream *stream, const char *name, GError **errp)
{
    uint64_t records = stream->put;

    return stream_put_record(stream, RECORD_END, name, &records, sizeof(records), errp);
}

bool stream_put_end(Stream *stream, bool ask, GError **errp)
{
    return put_end(stream, ask ? STREAM_ASKS : "end", errp);
}

bool stream_put_postcopy(Stream *stream, GError **errp)
{
    return put_end(stream, STREAM_POSTCOPY, errp);
}

/* ---- reading ---- */

bool stream_get_header(Stream *stream, GError **errp)
{
    StreamHeader header;

    if (!get(stream, &header, sizeof(header), errp)) {
        return false;
    }
    if (memcmp(header.magic, HELLO_MAGIC, sizeof(header.magic)) == 0) {
        error_set(errp,
                  "at byte 0: the other end uses multifd: switch the capability on here, too, "
                  "or off there");
        return false;
    }
    if (memcmp(header.magic, MAGIC, sizeof(header.magic)) != 0) {
        error_set(errp, "at byte 0: this is no saved machine: it does not begin with " MAGIC);
        return false;
    }
    if (header.sum != crc32(0, (const Bytef *)&header, offsetof(StreamHeader, sum))) {
        error_set(errp, "at byte 0: the header is damaged: its sum is wrong");
        return false;
    }
    if (header.version < 1 || header.version > FORMAT_VERSION) {
        error_set(errp, "at byte 8: the format has version %u, and only 1 to %u can be read",
                  header.version, FORMAT_VERSION);
        return false;
    }
    return true;
}

static bool check_end(Stream *stream, const Record *record, GError **errp)
{
    uint64_t records;

    if (record->size != sizeof(records)) {
        error_set(errp, "the last record has %zu bytes instead of %zu", record->size,
                  sizeof(records));
        return false;
    }
    memcpy(&records, record->data, sizeof(records));
    if (records != stream->got) {
        error_set(errp, "there were %" PRIu64 " records, and must be %" PRIu64, stream->got,
                  records);
        return false;
    }
    return true;
}

/* The record at @start, whose header was read. */
static bool get_rest(Stream *stream, const RecordHeader *header, Record *record, GError **errp)
{
    if (header->zero || header->size > RECORD_MAX_SIZE) {
        error_set(errp, "a record cannot have %u bytes: the stream is damaged", header->size);
        return false;
    }
    g_byte_array_set_size(stream->buffer, header->size);
    memset(record->name, 0, sizeof(record->name));
    if (!get(stream, record->name, header->name_len, errp) ||
        !get(stream, stream->buffer->data, header->size, errp)) {
        return false;
    }
    if (header->sum != sum_of(header, record->name, stream->buffer->data)) {
        g_autofree char *name = g_strescape(record->name, NULL);
        error_set(errp, "the record '%s' is damaged: its sum is wrong", name);
        return false;
    }
    record->kind = header->kind;
    record->data = stream->buffer->data;
    record->size = header->size;
    if (record->kind == RECORD_END && !check_end(stream, record, errp)) {
        return false;
    }
    stream->got++;
    return true;
}

bool stream_get_record(Stream *stream, Record *record, GError **errp)
{
    uint64_t start = stream->place;
    RecordHeader header;

    if (!get(stream, &header, sizeof(header), errp)) {
        return false;
    }
    if (!get_rest(stream, &header, record, errp)) {
        g_prefix_error(errp, "in the record at byte %" PRIu64 ": ", start);
        return false;
    }
    return true;
}

/* ---- answers ---- */

bool stream_fd_answers(int fd)
{
    int type;
    socklen_t size = sizeof(type);

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0;
}

bool stream_put_answer(Stream *stream, GError **errp)
{
    return stream_put_record(stream, RECORD_ANSWER, "", "", 0, errp);
}

bool stream_get_answer(Stream *stream, GError **errp)
{
    Record record;

    if (!stream_get_record(stream, &record, errp)) {
        g_prefix_error(errp, "the other end did not say that the machine is there: ");
        return false;
    }
    if (record.kind != RECORD_ANSWER) {
        error_set(errp, "the other end said something else than that the machine is there");
        return false;
    }
    return true;
}
