/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-balloon.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "hw/core/machine.h"
#include "hw/mem/memory-device.h"
#include "hw/virtio/virtio-pci.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/error.h"

#define QUEUE_SIZE    128
#define PAGE_SHIFT    12
#define CONFIG_SIZE   8
#define PFNS_MAX      16384      /* pages of one buffer; drivers have 256 */
#define PAGES_A_TURN  4096       /* then others have theirs */
#define RANGES_A_TURN 128        /* of free pages */
#define INTERVAL_MAX  1000000000 /* seconds */

/* Features (section 5.5.3). */
enum { F_STATS_VQ = 1, F_DEFLATE_ON_OOM = 2, F_REPORTING = 5 };

enum { INFLATE, DEFLATE, STATS, REPORTING };

typedef struct __attribute__((packed)) Stat {
    uint16_t tag;
    uint64_t value;
} Stat;

static const char *const stat_names[VIRTIO_BALLOON_STATS] = {
    "stat-swap-in",      "stat-swap-out",     "stat-major-faults",     "stat-minor-faults",
    "stat-free-memory",  "stat-total-memory", "stat-available-memory", "stat-disk-caches",
    "stat-htlb-pgalloc", "stat-htlb-pgfail",
};

/* ---- size ---- */

VirtioBalloon *virtio_balloon_find(void)
{
    Object *found = object_find_type(TYPE_VIRTIO_BALLOON);

    return found && DEVICE(found)->realized ? VIRTIO_BALLOON(found) : NULL;
}

static uint64_t all_memory(void)
{
    const Machine *machine = machine_current();

    return machine->ram.size + memory_device_plugged_size(machine);
}

uint64_t virtio_balloon_left(const VirtioBalloon *s)
{
    uint64_t all = all_memory();

    return all - MIN((uint64_t)s->actual << PAGE_SHIFT, all);
}

void virtio_balloon_set_target(VirtioBalloon *s, uint64_t bytes)
{
    uint64_t all = all_memory();

    s->target = (uint32_t)MIN((all - MIN(bytes, all)) >> PAGE_SHIFT, UINT32_MAX);
    virtio_config_changed(&s->parent);
}

static void config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VirtioBalloon *s = VIRTIO_BALLOON(vdev);

    memcpy(config, &s->target, 4);
    memcpy(config + 4, &s->actual, 4);
}

static void config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                           unsigned size)
{
    VirtioBalloon *s = VIRTIO_BALLOON(vdev);
    uint32_t before = s->actual;

    memcpy(&s->actual, config + 4, 4);
    if (s->actual != before) {
        qapi_event_send_balloon_change((int64_t)virtio_balloon_left(s));
    }
}

/* ---- pages ---- */

/* The guest goes on as if they were gone. A user, who waits for memory, hears of it once. */
static void discard(VirtioBalloon *s, const DmaHold *hold)
{
    if (!dma_discard(hold) && !s->said) {
        s->said = true;
        error_warn("%s: the host does not take pages back: %s", s->parent.name, g_strerror(errno));
    }
}

static void discard_page(VirtioBalloon *s, uint32_t pfn)
{
    const DmaSpace memory = { .as = &address_space_memory }; /* an IOMMU has no part in this */
    DmaHold hold;

    if (dma_map(&memory, (hwaddr)pfn << PAGE_SHIFT, 1u << PAGE_SHIFT, true, s->parent.name,
                &hold)) {
        discard(s, &hold);
        dma_unmap(&hold, 0);
    }
}

static unsigned inflate(VirtioBalloon *s, VirtQueue *vq, const VirtqElement *element)
{
    uint32_t pfns[256];
    size_t got;

    if (element->out_size > PFNS_MAX * sizeof(pfns[0])) {
        virtq_break(vq, "a buffer names too many pages for the balloon");
        return 0;
    }
    for (uint64_t at = 0; (got = virtq_read(element, at, pfns, sizeof(pfns))); at += got) {
        for (size_t i = 0; i < got / sizeof(pfns[0]); i++) {
            discard_page(s, pfns[i]);
        }
    }
    return (unsigned)(element->out_size / sizeof(pfns[0]));
}

/* The guest uses the pages again, and finds them as it touches them. */
static unsigned deflate(VirtioBalloon *s, VirtQueue *vq, const VirtqElement *element)
{
    return 0;
}

/* Free pages of the guest, which it does not use before it has the buffer again. */
static unsigned report(VirtioBalloon *s, VirtQueue *vq, const VirtqElement *element)
{
    for (unsigned i = 0; i < element->in_num; i++) {
        discard(s, &element->in[i]);
    }
    return element->in_num;
}

/* Until about @most of what @use counts is done, a buffer being 1 more. */
static void use_buffers(VirtioDevice *vdev, VirtQueue *vq, unsigned most,
                        unsigned (*use)(VirtioBalloon *s, VirtQueue *vq,
                                        const VirtqElement *element))
{
    VirtqElement *element = NULL;

    for (unsigned n = 0; n < most && (element = virtq_pop(vq)); n++) {
        n += use(VIRTIO_BALLOON(vdev), vq, element);
        virtq_push(vq, element, 0);
    }
    virtio_notify(vdev, vq);
    if (element) {
        virtio_queue_again(vdev, vq);
    }
}

static void handle_inflate(VirtioDevice *vdev, VirtQueue *vq)
{
    use_buffers(vdev, vq, PAGES_A_TURN, inflate);
}

static void handle_deflate(VirtioDevice *vdev, VirtQueue *vq)
{
    use_buffers(vdev, vq, QUEUE_SIZE, deflate);
}

static void handle_reporting(VirtioDevice *vdev, VirtQueue *vq)
{
    use_buffers(vdev, vq, RANGES_A_TURN, report);
}

/* ---- statistics ---- */

/* The driver's buffer is kept by its place in the ring alone, as holding its memory would keep a
 * DIMM from being ejected. */
static void give_back_stats(VirtioBalloon *s)
{
    VirtQueue *vq = virtio_queue(&s->parent, STATS);
    VirtqElement *element = s->has_stats ? virtq_pop_again(vq, &s->stats_place) : NULL;

    s->has_stats = false;
    if (element) {
        virtq_push(vq, element, 0);
    }
    virtio_notify(&s->parent, vq);
}

static void forget_stats(VirtioBalloon *s)
{
    memset(s->stats, 0xff, sizeof(s->stats));
    s->stats_time = 0;
}

static void read_stats(VirtioBalloon *s, const VirtqElement *element)
{
    Stat stat;

    forget_stats(s);
    for (unsigned i = 0; i < 4 * VIRTIO_BALLOON_STATS &&
                         virtq_read(element, i * sizeof(stat), &stat, sizeof(stat)) == sizeof(stat);
         i++) {
        if (stat.tag < VIRTIO_BALLOON_STATS) {
            s->stats[stat.tag] = stat.value;
        }
    }
    s->stats_time = (uint64_t)time(NULL);
}

static void poll_again(VirtioBalloon *s)
{
    if (s->interval) {
        timer_mod(s->poll, clock_ns() + s->interval * NS_PER_SEC);
    } else {
        timer_del(s->poll);
    }
}

static void handle_stats(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioBalloon *s = VIRTIO_BALLOON(vdev);
    VirtqElement *element = virtq_pop(vq);

    if (!element) {
        return;
    }
    if (s->has_stats) {
        give_back_stats(s); /* only one is kept */
    }
    read_stats(s, element);
    s->stats_place = element->place;
    s->has_stats = true;
    virtq_drop(vq, element);
    poll_again(s);
}

static void poll_due(void *opaque)
{
    VirtioBalloon *s = opaque;

    if (s->has_stats && virtio_device_runs(&s->parent)) {
        give_back_stats(s);
    } else {
        poll_again(s);
    }
}

static struct json_object *get_stats(Object *obj, const Property *prop, GError **errp)
{
    const VirtioBalloon *s = VIRTIO_BALLOON(obj);
    struct json_object *all = json_object_new_object(), *stats = json_object_new_object();

    for (unsigned i = 0; i < VIRTIO_BALLOON_STATS; i++) {
        json_object_object_add(stats, stat_names[i], json_object_new_uint64(s->stats[i]));
    }
    json_object_object_add(all, "stats", stats);
    json_object_object_add(all, "last-update", json_object_new_uint64(s->stats_time));
    return all;
}

static struct json_object *get_interval(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_int64(VIRTIO_BALLOON(obj)->interval);
}

static bool set_interval(Object *obj, const Property *prop, struct json_object *value,
                         GError **errp)
{
    VirtioBalloon *s = VIRTIO_BALLOON(obj);
    int64_t interval;

    if (!qapi_place_from_json(&qapi_int_type, value, prop->name, &interval, errp)) {
        return false;
    }
    if (interval < 0 || interval > INTERVAL_MAX) {
        error_set(errp, "'%s' must be from 0 (never) to %d seconds", prop->name, INTERVAL_MAX);
        return false;
    }
    s->interval = interval;
    if (s->poll) {
        poll_again(s);
    }
    return true;
}

/* ---- life ---- */

static void balloon_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    if (virtio_queue_number(vdev, vq) == STATS) {
        VIRTIO_BALLOON(vdev)->has_stats = false;
    }
}

/* All memory is the guest's again. */
static void balloon_reset(VirtioDevice *vdev)
{
    VirtioBalloon *s = VIRTIO_BALLOON(vdev);

    s->actual = 0;
    forget_stats(s);
}

static bool balloon_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioBalloon *s = VIRTIO_BALLOON(vdev);

    if (virtio_balloon_find()) {
        error_set(errp, "the machine has a balloon already: it can have only one");
        return false;
    }
    forget_stats(s);
    s->poll = timer_new(poll_due, s);
    virtio_offer(vdev, F_STATS_VQ);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_inflate);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_deflate);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_stats);
    if (s->deflate_on_oom) {
        virtio_offer(vdev, F_DEFLATE_ON_OOM);
    }
    if (s->free_page_reporting) {
        virtio_offer(vdev, F_REPORTING);
        virtio_add_queue(vdev, QUEUE_SIZE, handle_reporting);
    }
    return true;
}

static void balloon_unrealize(VirtioDevice *vdev)
{
    g_clear_pointer(&VIRTIO_BALLOON(vdev)->poll, timer_free);
}

static const StateField balloon_fields[] = {
    STATE_STRUCT(VirtioBalloon, parent, &virtio_device_state),
    STATE_UINT(VirtioBalloon, target),
    STATE_UINT(VirtioBalloon, actual),
    STATE_UINTS(VirtioBalloon, stats),
    STATE_UINT(VirtioBalloon, stats_time),
    STATE_BOOL(VirtioBalloon, has_stats),
    STATE_STRUCT(VirtioBalloon, stats_place, &virtq_place_state),
    STATE_TIMER(VirtioBalloon, poll),
    {},
};
static const StateTable balloon_state = { .name = "virtio-balloon",
                                          .version = 1,
                                          .fields = balloon_fields };

static const Property balloon_properties[] = {
    { .name = "deflate-on-oom",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioBalloon, deflate_on_oom),
      .description = "the guest may take pages out of the balloon before it kills programs",
      .has_default = true },
    { .name = "free-page-reporting",
      .kind = PROP_BOOL,
      .offset = offsetof(VirtioBalloon, free_page_reporting),
      .description = "the guest may name free pages, which the host gets back",
      .has_default = true },
    { .name = "guest-stats",
      .kind = PROP_CUSTOM,
      .custom_type = "guest statistics",
      .description = "what the guest told of its memory last; 18446744073709551615: nothing",
      .read_only = true,
      .get = get_stats },
    { .name = "guest-stats-polling-interval",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .description = "seconds after which the guest is asked again; 0: never",
      .live = true,
      .get = get_interval,
      .set = set_interval },
    { 0 },
};

static const VirtioDeviceClass balloon_class = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &balloon_state },
    .id = VIRTIO_ID_BALLOON,
    .config_size = CONFIG_SIZE,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .queue_reset = balloon_queue_reset,
    .reset = balloon_reset,
    .config_read = config_read,
    .config_written = config_written,
};

static const ObjectType balloon_type = {
    .name = TYPE_VIRTIO_BALLOON,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "memory that the guest gives back",
    .instance_size = sizeof(VirtioBalloon),
    .properties = balloon_properties,
    .ops = &balloon_class,
};
OBJECT_TYPE_REGISTER(balloon_type)

static const VirtioPciClass balloon_pci = VIRTIO_PCI_CLASS("misc", 0x00ff, 0);
VIRTIO_PCI_TYPES(balloon, "virtio-balloon", TYPE_VIRTIO_BALLOON, &balloon_pci,
                 "memory that the guest gives back")
