/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/postcopy-dest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/large-page.h"
#include "migration/migration.h"
#include "migration/page-maps.h"
#include "migration/postcopy-blocktime.h"
#include "migration/postcopy-end.h"
#include "migration/userfault.h"
#include "util/error.h"
#include "util/main-loop.h"

#define TELL_PAGES    256   /* that have come, before the other end is told again */
#define FIRST_WAIT_MS 10000 /* for who connects to begin: the one who is meant does at once */

static struct {
    /* the thread that reads, first the one of the whole stream, then that of pages */
    GPtrArray *blocks; /* of RamBlock *, references; NULL: nobody has advised it */
    uint8_t id[POSTCOPY_ID_SIZE];
    LargePage large; /* one that is not whole */
    bool tells;      /* the other end wants to know what is there */
    GThread *fault_thread;
    int fd;              /* of userfaultfd */
    _Atomic bool active; /* from _begin() to the end */

    GMutex lock; /* the next three; nobody waits with it */
    PageMaps *maps;
    bool begun;          /* those who touch what is missing wait; so it stays until all is there */
    uint64_t came, told; /* pages over this connection; of which the other end was told */

    GMutex send_lock; /* who writes to `stream` has it, taken before lock and state_lock */

    GMutex state_lock; /* all that follows; nobody waits with it */
    GCond state_changed;
    Stream *stream; /* NULL: the connection is lost */
    Stream *trying; /* a new one, which may be that of a stranger */
    MigrationStatus status;
    char *err;
    bool runs, says_runs, ends;
    void (*over)(void);
    TlsSetup *tls;   /* of new connections; NULL: none */
    char *place;     /* NULL: no new connection but by migrate-recover */
    Channel channel; /* where one is waited for */
    int kick;        /* for the thread of pages, which waits there: look again */
    int fault_kick;  /* the same for the other thread */
} dest = {
    .fd = -1,
    .channel = { .fd = -1, .listener = -1 },
    .kick = -1,
    .fault_kick = -1,
};

/* ---- before it begins ---- */

static bool check_advice(const Record *record, GError **errp)
{
    bool ok = postcopy_read_advice(dest.blocks, record, dest.id, errp);

    for (unsigned i = 0; ok && i < dest.blocks->len; i++) {
        ok = userfault_check(dest.blocks->pdata[i], errp);
    }
    return ok;
}

bool postcopy_dest_advise(Stream *stream, const Record *record, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (dest.blocks) {
        error_set(errp, "it is said twice that there may be postcopy");
        return false;
    }
    dest.blocks = ram_blocks_list_used();
    if (!check_advice(record, &err)) {
        stream_put_record(stream, RECORD_REFUSAL, "", err->message, strlen(err->message), NULL);
        g_propagate_prefixed_error(errp, g_steal_pointer(&err), "postcopy: ");
        return false;
    }
    dest.maps = page_maps_new(dest.blocks);
    dest.tells = strcmp(record->name, POSTCOPY_TELL_ME) == 0;
    return stream_put_answer(stream, errp);
}

static bool take_lacking(void *opaque, unsigned n, const PageRange *range, GError **errp)
{
    const RamBlock *block = dest.blocks->pdata[n];
    const uint64_t unit = block->page_size / RAM_PAGE;

    if (range->first % unit || range->count % unit) {
        error_set(errp, "RAM '%s': a part of a large page is missing, which cannot be",
                  block->name);
        return false;
    }
    page_maps_lack(dest.maps, &dest.maps->maps[n], range);
    return true;
}

bool postcopy_dest_lacks(const Record *record, GError **errp)
{
    if (!dest.maps) {
        error_set(errp, "nobody has said that there may be postcopy");
        return false;
    }
    return postcopy_read_lacks(dest.blocks, record, take_lacking, NULL, errp);
}

/* ---- those who wait ---- */

/* With send_lock. */
static bool send_locked(RecordKind kind, const char *name, const void *data, size_t size)
{
    bool ok = true;

    g_mutex_lock(&dest.state_lock);
    Stream *stream = dest.stream; /* whoever takes it away gets send_lock first */
    g_mutex_unlock(&dest.state_lock);
    if (stream) {
        ok = stream_put_record(stream, kind, name, data, size, NULL);
    }
    if (!ok) {
        stream_cancel(stream); /* who reads it sees to it */
    }
    return stream && ok;
}

static bool send_record(RecordKind kind, const char *name, const void *data, size_t size)
{
    g_mutex_lock(&dest.send_lock);
    const bool ok = send_locked(kind, name, data, size);
    g_mutex_unlock(&dest.send_lock);
    return ok;
}

static void handle_fault(const Userfault *fault)
{
    PageMap *map = page_maps_find_host(dest.maps, fault->at);

    if (!map) {
        return;
    }
    const RamBlock *block = map->block;
    const uint64_t offset =
        (uint64_t)(fault->at - block->host) / block->page_size * block->page_size;
    const PageRange range = { offset / RAM_PAGE, block->page_size / RAM_PAGE };
    bool ask = false;

    g_mutex_lock(&dest.lock);
    if (page_map_has(map, range.first)) { /* it was there, and was given back: a balloon */
        userfault_put(dest.fd, block, offset, block->page_size, NULL, NULL);
    } else {
        postcopy_blocktime_wait(fault->thread, fault->at);
        ask = page_map_ask(map, range.first);
    }
    g_mutex_unlock(&dest.lock);
    if (ask) {
        send_record(RECORD_REQUEST, block->name, &range, sizeof(range));
    }
}

static void say_runs(void)
{
    g_mutex_lock(&dest.state_lock);
    const bool says = dest.says_runs;
    dest.says_runs = false;
    g_mutex_unlock(&dest.state_lock);
    if (says) {
        send_record(RECORD_RUNS, "", "", 0);
    }
}

/* With the lock: is there enough to tell? */
static bool is_news(void)
{
    return dest.tells && dest.came - dest.told >= TELL_PAGES;
}

/* Not in the thread that reads pages: the other end may take nothing before those are read. */
static void say_came(void)
{
    g_mutex_lock(&dest.send_lock);
    g_mutex_lock(&dest.lock);
    const uint64_t came = dest.came;
    const bool says = is_news();
    dest.told = says ? came : dest.told;
    g_mutex_unlock(&dest.lock);
    if (says) {
        send_locked(RECORD_HAS, "", &came, sizeof(came));
    }
    g_mutex_unlock(&dest.send_lock);
}

static gpointer fault_thread(gpointer opaque)
{
    struct pollfd fds[] = { { .fd = dest.fd, .events = POLLIN },
                            { .fd = dest.fault_kick, .events = POLLIN } };
    bool on = true;

    while (on) {
        Userfault fault;
        eventfd_t count;

        poll(fds, G_N_ELEMENTS(fds), -1);
        while (userfault_read(dest.fd, &fault)) {
            handle_fault(&fault);
        }
        if (eventfd_read(dest.fault_kick, &count) == 0) {
            say_runs();
            say_came();
        }
        g_mutex_lock(&dest.lock);
        on = dest.begun;
        g_mutex_unlock(&dest.lock);
    }
    return NULL;
}

/* ---- pages that come ---- */

/* Those of them that are missing. With the lock: who waits for one that was there, and is not any
 * more, finds that it was. */
static bool put_missing(PageMap *map, uint64_t offset, uint64_t size, const uint8_t *data,
                        GError **errp)
{
    const uint64_t first = offset / RAM_PAGE, end = (offset + size) / RAM_PAGE;
    PageRange range = { first, 0 };
    bool ok = true;

    g_mutex_lock(&dest.lock);
    while (ok && page_map_next(map, range.first + range.count, end, &range)) {
        ok = userfault_put(dest.fd, map->block, range.first * RAM_PAGE, range.count * RAM_PAGE,
                           data ? data + (range.first - first) * RAM_PAGE : NULL, errp);
        if (ok) {
            page_maps_have(dest.maps, map, &range);
            postcopy_blocktime_arrived(map->block->host + range.first * RAM_PAGE,
                                       range.count * RAM_PAGE);
        }
    }
    dest.came += ok ? size / RAM_PAGE : 0; /* the other end gives back what has come */
    const bool news = is_news();
    g_mutex_unlock(&dest.lock);
    if (news) {
        eventfd_write(dest.fault_kick, 1);
    }
    return ok;
}

static bool put_large(void *opaque, RamBlock *block, uint64_t offset, uint64_t size,
                      const uint8_t *data, GError **errp)
{
    return put_missing(opaque, offset, size, data, errp);
}

static bool take_pages(void *opaque, RamBlock *block, uint64_t offset, uint64_t size,
                       const uint8_t *data, GError **errp)
{
    PageMap *map = page_maps_find(dest.maps, block);

    return block->page_size > RAM_PAGE
               ? large_page_add(&dest.large, block, offset, size, data, put_large, map, errp)
               : put_missing(map, offset, size, data, errp);
}

static bool somebody_waits(uint64_t *left)
{
    g_mutex_lock(&dest.lock);
    const bool waits = page_maps_wait(dest.maps);
    *left = dest.maps->left;
    g_mutex_unlock(&dest.lock);
    return waits;
}

static uint64_t missing(void)
{
    uint64_t left;

    somebody_waits(&left);
    return left;
}

/* Until the end of the pages. */
static bool read_pages(GError **errp)
{
    Record record;

    do {
        if (!stream_get_record(dest.stream, &record, errp)) {
            return false;
        }
        if (record.kind == RECORD_RAM) {
            if (!ram_load_by(dest.blocks, &record, take_pages, NULL, errp)) {
                return false;
            }
        } else if (record.kind != RECORD_END) {
            error_set(errp, "a record of kind %u comes where pages must come", record.kind);
            return false;
        }
    } while (record.kind != RECORD_END);
    if (missing()) {
        error_set(errp, "the stream ends, and memory is missing");
        return false;
    }
    return true;
}

/* ---- the state, for users ---- */

/* Main thread: @opaque is the status. Each is told, however soon the next one came. */
static void tell(void *opaque)
{
    g_mutex_lock(&dest.state_lock);
    const bool runs = dest.runs;
    g_mutex_unlock(&dest.state_lock);
    if (runs && postcopy_dest_active()) {
        migration_set_status((MigrationStatus)GPOINTER_TO_UINT(opaque));
    }
}

static void set_status(MigrationStatus status)
{
    g_mutex_lock(&dest.state_lock);
    dest.status = status;
    g_mutex_unlock(&dest.state_lock);
    main_loop_schedule(tell, GUINT_TO_POINTER(status));
}

/* ---- a new connection ---- */

/* Wait where the machine came from, if nothing else was said. */
static void listen_again(void)
{
    Channel channel = { .fd = -1, .listener = -1 };

    g_mutex_lock(&dest.state_lock);
    const bool none = dest.channel.fd < 0 && dest.channel.listener < 0 && !dest.ends;
    g_autofree char *place = none ? g_strdup(dest.place) : NULL;
    g_mutex_unlock(&dest.state_lock);
    if (!place || !channel_open_in(&channel, place, NULL, NULL)) {
        return;
    }
    fcntl(channel.listener, F_SETFL, O_NONBLOCK);
    g_mutex_lock(&dest.state_lock);
    if (dest.channel.fd < 0 && dest.channel.listener < 0 && !dest.ends) {
        dest.channel = channel;
    } else {
        channel_close(&channel, NULL);
    }
    g_mutex_unlock(&dest.state_lock);
}

static void lose_stream(const GError *err)
{
    stream_cancel(dest.stream);
    g_mutex_lock(&dest.send_lock);
    g_mutex_lock(&dest.lock);
    dest.came = dest.told = 0;
    g_mutex_unlock(&dest.lock);
    g_mutex_lock(&dest.state_lock);
    Stream *stream = g_steal_pointer(&dest.stream);
    g_free(dest.err);
    dest.err = g_strdup(err->message);
    g_mutex_unlock(&dest.state_lock);
    g_mutex_unlock(&dest.send_lock);
    large_page_forget(&dest.large);
    listen_again(); /* who hears that it is lost may come at once */
    stream_free(stream);
    error_warn("postcopy: the connection is lost: %s", err->message);
    set_status(MIGRATION_STATUS_POSTCOPY_PAUSED);
}

/* The next one who comes; -1: the program ends. */
static int next_connection(void)
{
    for (;;) {
        eventfd_t count;
        int fd = -1, timeout_ms = -1;

        listen_again();
        g_mutex_lock(&dest.state_lock);
        const bool ends = dest.ends;
        struct pollfd fds[] = { { .fd = dest.kick, .events = POLLIN },
                                { .fd = dest.channel.listener, .events = POLLIN } };
        if (!ends && dest.channel.fd >= 0) {
            fd = channel_take_fd(&dest.channel);
        } else if (!ends && dest.channel.listener >= 0) {
            fd = accept4(dest.channel.listener, NULL, NULL, SOCK_CLOEXEC);
            if (fd < 0 && errno != EAGAIN) { /* there are no descriptors, for instance */
                fds[1].fd = -1;
                timeout_ms = 100;
            }
        }
        g_mutex_unlock(&dest.state_lock);
        if (ends || fd >= 0) {
            return fd;
        }
        poll(fds, G_N_ELEMENTS(fds),
             timeout_ms); /* of one that is closed meanwhile the kick tells */
        eventfd_read(dest.kick, &count);
    }
}

static bool put_lacks(Stream *stream, const PageMap *map, GError **errp)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(PageRange));
    PageRange range = { 0 };

    g_mutex_lock(&dest.lock);
    while (page_map_next(map, range.first + range.count, UINT64_MAX, &range)) {
        g_array_append_val(ranges, range);
    }
    g_mutex_unlock(&dest.lock);
    return postcopy_put_lacks(stream, map->block, ranges, errp);
}

/* Only the one who knows the id learns anything. */
static bool agree(Stream *stream, GError **errp)
{
    Record record;

    if (!stream_wait_input(stream, FIRST_WAIT_MS, errp) || !stream_get_header(stream, errp) ||
        !stream_get_record(stream, &record, errp) ||
        !postcopy_check_resume(&record, dest.id, errp)) {
        return false;
    }
    set_status(MIGRATION_STATUS_POSTCOPY_RECOVER);
    for (unsigned i = 0; i < dest.maps->count; i++) {
        if (!put_lacks(stream, &dest.maps->maps[i], errp)) {
            return false;
        }
    }
    return postcopy_put_resume(stream, dest.id, errp);
}

static void ask_again(const PageMap *map)
{
    PageRange range = { 0, map->block->page_size / RAM_PAGE };
    bool more = true;

    while (more) {
        g_mutex_lock(&dest.lock);
        more = page_map_next_wait(map, &range.first);
        g_mutex_unlock(&dest.lock);
        more = more && send_record(RECORD_REQUEST, map->block->name, &range, sizeof(range));
        range.first += range.count;
    }
}

/* @fd is what the other end says by TLS then; -1. */
static int secure(int fd, GError **errp)
{
    TlsRelay *relay = tls_relay_new(dest.tls, fd, TLS_RELAY_WAIT_MS, NULL, NULL, errp);

    fd = relay ? tls_relay_wait(relay, errp) : -1;
    tls_relay_unref(relay);
    return fd;
}

static void refuse_connection(const GError *err)
{
    error_warn("postcopy: who connects is not taken: %s", err->message);
    set_status(MIGRATION_STATUS_POSTCOPY_PAUSED);
}

static void try_connection(int fd)
{
    g_autoptr(GError) err = NULL;

    fd = dest.tls ? secure(fd, &err) : fd;
    if (fd < 0) {
        refuse_connection(err);
        return;
    }
    Stream *stream = stream_new(fd);
    g_mutex_lock(&dest.state_lock);
    dest.trying = stream;
    g_mutex_unlock(&dest.state_lock);
    const bool ok = agree(stream, &err);
    g_mutex_lock(&dest.state_lock);
    dest.trying = NULL;
    if (ok) {
        dest.stream = stream;
        dest.says_runs = dest.runs;
        channel_close(&dest.channel, NULL);
    }
    g_mutex_unlock(&dest.state_lock);
    if (ok) {
        eventfd_write(dest.fault_kick, 1);
        for (unsigned i = 0; i < dest.maps->count; i++) {
            ask_again(&dest.maps->maps[i]);
        }
        set_status(MIGRATION_STATUS_POSTCOPY_ACTIVE);
    } else {
        stream_free(stream);
        refuse_connection(err);
    }
}

/* ---- the thread ---- */

/* The answer is that of the whole machine. False: the program ends. */
static bool wait_runs(void)
{
    g_mutex_lock(&dest.state_lock);
    while (!dest.runs && !dest.ends) {
        g_cond_wait(&dest.state_changed, &dest.state_lock);
    }
    const bool ends = dest.ends;
    g_mutex_unlock(&dest.state_lock);
    return !ends;
}

/* Main thread: all of it is there. */
static void all_there(void *opaque)
{
    g_thread_join(dest.fault_thread);
    postcopy_end_over();
    for (unsigned i = 0; i < dest.maps->count; i++) {
        userfault_unregister(dest.fd, dest.maps->maps[i].block);
    }
    close(dest.fd);
    dest.fd = -1;
    dest.active = false;
    stream_free(g_steal_pointer(&dest.stream));
    channel_close(&dest.channel, NULL);
    postcopy_dest_forget();
    large_page_clear(&dest.large);
    dest.over();
}

static gpointer pages_thread(gpointer opaque)
{
    GError *err = NULL;

    while (!read_pages(&err) && missing()) {
        lose_stream(err);
        g_clear_error(&err);
        while (!dest.stream) {
            const int fd = next_connection();
            if (fd < 0) {
                return NULL;
            }
            try_connection(fd);
        }
    }
    g_clear_error(&err);
    if (!wait_runs()) {
        return NULL;
    }
    /* If it does not arrive, the machine is here all the same. */
    send_record(RECORD_ANSWER, "", "", 0);
    stream_cancel(dest.stream);
    g_mutex_lock(&dest.lock);
    dest.begun = false;
    g_mutex_unlock(&dest.lock);
    eventfd_write(dest.fault_kick, 1);
    main_loop_schedule(all_there, NULL);
    return NULL;
}

/* ---- the beginning ---- */

/* From now on who touches what is missing waits. */
static bool take_away(const PageMap *map, GError **errp)
{
    PageRange range = { 0 };

    if (!map->lacks) {
        return true;
    }
    if (!userfault_register(dest.fd, map->block, errp)) {
        return false;
    }
    while (page_map_next(map, range.first + range.count, UINT64_MAX, &range)) {
        if (!userfault_discard(map->block, range.first * RAM_PAGE, range.count * RAM_PAGE, errp)) {
            return false;
        }
    }
    return true;
}

static bool start_threads(GError **errp)
{
    if (postcopy_end_watch(somebody_waits, errp)) {
        dest.fault_thread = g_thread_try_new("postcopy-fault", fault_thread, NULL, errp);
    }
    if (!dest.fault_thread) {
        return false;
    }
    g_autoptr(GThread) thread = g_thread_try_new("postcopy-pages", pages_thread, NULL, errp);
    return thread;
}

bool postcopy_dest_begin(Stream *stream, GError **errp)
{
    uint64_t largest = 0;

    if (!dest.maps) {
        error_set(errp, "nobody has said that there may be postcopy");
        return false;
    }
    dest.fd = userfault_open(errp);
    if (dest.fd < 0) {
        return false;
    }
    dest.kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    dest.fault_kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (unsigned i = 0; i < dest.maps->count; i++) {
        largest = MAX(largest, dest.maps->maps[i].block->page_size);
        if (!take_away(&dest.maps->maps[i], errp)) {
            return false;
        }
    }
    if (!large_page_init(&dest.large, largest, errp)) {
        return false;
    }
    dest.begun = true;
    dest.status = MIGRATION_STATUS_POSTCOPY_ACTIVE;
    dest.stream = stream;
    dest.active = start_threads(errp);
    if (!dest.active) {
        dest.stream = NULL;
    }
    return dest.active;
}

/* ---- machine lock ---- */

void postcopy_dest_set_place(const char *uri, TlsSetup *tls)
{
    dest.tls = tls ? tls_setup_ref(tls) : NULL;
    if (g_str_has_prefix(uri, "tcp:") || g_str_has_prefix(uri, "unix:")) {
        g_mutex_lock(&dest.state_lock);
        g_free(dest.place);
        dest.place = g_strdup(uri);
        g_mutex_unlock(&dest.state_lock);
    }
}

void postcopy_dest_runs(void (*over)(void))
{
    g_mutex_lock(&dest.state_lock);
    dest.runs = dest.says_runs = true;
    dest.over = over;
    const MigrationStatus status = dest.status;
    g_cond_broadcast(&dest.state_changed);
    g_mutex_unlock(&dest.state_lock);
    postcopy_blocktime_begin();
    eventfd_write(dest.fault_kick, 1);
    tell(GUINT_TO_POINTER(status));
}

void postcopy_dest_forget(void)
{
    g_clear_pointer(&dest.maps, page_maps_free);
    g_clear_pointer(&dest.blocks, g_ptr_array_unref);
    g_clear_pointer(&dest.tls, tls_setup_unref);
}

void postcopy_dest_refuse(Stream *unused, const char *why)
{
    g_mutex_lock(&dest.send_lock);
    g_mutex_lock(&dest.state_lock);
    Stream *stream = unused ? unused : dest.stream;
    g_mutex_unlock(&dest.state_lock);
    if (stream && dest.maps) {
        stream_put_record(stream, RECORD_REFUSAL, "", why, strlen(why), NULL);
    }
    g_mutex_unlock(&dest.send_lock);
}

bool postcopy_dest_active(void)
{
    return dest.active;
}

bool postcopy_dest_pause(GError **errp)
{
    g_mutex_lock(&dest.state_lock);
    const bool there = postcopy_dest_active() && dest.stream;
    if (there) {
        stream_cancel(dest.stream);
    }
    g_mutex_unlock(&dest.state_lock);
    if (!there) {
        error_set(errp, "there is no connection of a migration in postcopy");
    }
    return there;
}

/* With state_lock. */
static bool recover(const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    Channel channel = { .fd = -1, .listener = -1 };

    if (!postcopy_dest_active() || dest.stream) {
        error_set(errp, "there is no migration in postcopy-paused here, where the machine went to");
        return false;
    }
    if (!channel_may_resume(uri, errp)) {
        return false;
    }
    channel_close(&dest.channel, NULL); /* it may be the same place */
    if (!channel_open_in(&channel, uri, take_fd, errp)) {
        return false;
    }
    if (channel.fd >= 0 && !stream_fd_answers(channel.fd)) {
        error_set(errp, "'%s' is no socket: nobody could be asked for memory", uri);
        channel_close(&channel, NULL);
        return false;
    }
    if (channel.listener >= 0) {
        fcntl(channel.listener, F_SETFL, O_NONBLOCK);
    }
    dest.channel = channel;
    if (dest.trying) {
        stream_cancel(dest.trying);
    }
    return true;
}

bool postcopy_dest_recover(const char *uri, ChannelTakeFd *take_fd, GError **errp)
{
    g_mutex_lock(&dest.state_lock);
    const bool ok = recover(uri, take_fd, errp);
    g_mutex_unlock(&dest.state_lock);
    if (dest.kick >= 0) {
        eventfd_write(dest.kick, 1);
    }
    return ok;
}

char *postcopy_dest_error(void)
{
    g_mutex_lock(&dest.state_lock);
    char *err = dest.stream ? NULL : g_strdup(dest.err);
    g_mutex_unlock(&dest.state_lock);
    return err;
}

bool postcopy_dest_check_stop(GError **errp)
{
    g_autofree char *lost = postcopy_dest_active() ? postcopy_dest_error() : NULL;
    uint64_t left;

    if (!lost || !somebody_waits(&left)) {
        return true;
    }
    error_set(errp,
              "a CPU waits for memory of the other end, and the connection is lost: it cannot "
              "be stopped before migrate-recover");
    return false;
}

void postcopy_dest_finish(void)
{
    if (!postcopy_dest_active()) {
        return;
    }
    error_report("the machine ends while %" PRIu64 " pages of its memory are missing", missing());
    g_mutex_lock(&dest.state_lock);
    dest.ends = true;
    channel_close(&dest.channel, NULL); /* migration/postcopy-end.h sees to who waits */
    g_cond_broadcast(&dest.state_changed);
    g_mutex_unlock(&dest.state_lock);
    eventfd_write(dest.kick, 1);
}
