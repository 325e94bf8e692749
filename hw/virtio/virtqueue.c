/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtqueue.h"

#include <stdatomic.h>
#include <string.h>

#include "util/copy.h"
#include "util/error.h"

/* Bits of a descriptor's flags; the last two of packed rings only. */
enum {
    DESC_NEXT = 1 << 0,
    DESC_WRITE = 1 << 1,
    DESC_INDIRECT = 1 << 2,
    DESC_AVAIL = 1 << 7,
    DESC_USED = 1 << 15,
};

/* Split rings: the available and the used ring begin with 16 bits of flags and a 16-bit index. */
enum {
    RING_INDEX = 2,
    RING_ENTRIES = 4,
    AVAIL_NO_INTERRUPT = 1, /* the driver wants no notifications */
    USED_NO_NOTIFY = 1,     /* nor does the device */
};

/* Packed rings: the lower half of a 32-bit word is a position, the upper half one of these. */
enum {
    EVENT_ENABLE = 0,
    EVENT_DISABLE = 1,
    EVENT_AT_POSITION = 2,
    EVENT_WRAP = 1 << 15, /* of the position */
};

#define DESC_SIZE   16
#define PACKED_ID   12 /* offsets in a packed descriptor */
#define PACKED_LEN  8
#define PACKED_FLAG 14

/* A descriptor of either kind. */
typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
    uint16_t next; /* split */
    uint16_t id;   /* packed */
} Desc;

static bool has(const VirtQueue *vq, unsigned feature)
{
    return vq->features >> feature & 1;
}

static bool is_packed(const VirtQueue *vq)
{
    return has(vq, VIRTIO_F_RING_PACKED);
}

/* False, for the caller to return. */
static bool broken(VirtQueue *vq, const char *why)
{
    if (!vq->broken) {
        vq->broken = true;
        vq->error = why;
    }
    return false;
}

void virtq_break(VirtQueue *vq, const char *why)
{
    broken(vq, why);
}

/* ---- the ring in guest memory: naturally aligned accesses, each of them one ---- */

/* NULL: the queue is broken now. */
static void *ring_at(VirtQueue *vq, uint64_t addr, unsigned size, bool write)
{
    void *host = dma_host(vq->space, addr, size, write);

    if (!host || (uintptr_t)host & (size - 1)) {
        broken(vq, "its ring is not in RAM");
        return NULL;
    }
    return host;
}

/* Acquire: what the driver stored before it is seen by later loads. */
static bool load16(VirtQueue *vq, uint64_t addr, uint16_t *value)
{
    _Atomic uint16_t *host = ring_at(vq, addr, sizeof(*value), false);

    *value = host ? atomic_load_explicit(host, memory_order_acquire) : 0;
    return host;
}

static bool load32(VirtQueue *vq, uint64_t addr, uint32_t *value)
{
    _Atomic uint32_t *host = ring_at(vq, addr, sizeof(*value), false);

    *value = host ? atomic_load_explicit(host, memory_order_acquire) : 0;
    return host;
}

/* Release: whoever sees it sees what was stored before. */
static bool store16(VirtQueue *vq, uint64_t addr, uint16_t value)
{
    _Atomic uint16_t *host = ring_at(vq, addr, sizeof(value), true);

    if (host) {
        atomic_store_explicit(host, value, memory_order_release);
        dma_written(vq->space, addr, sizeof(value));
    }
    return host;
}

static bool store32(VirtQueue *vq, uint64_t addr, uint32_t value)
{
    _Atomic uint32_t *host = ring_at(vq, addr, sizeof(value), true);

    if (host) {
        atomic_store_explicit(host, value, memory_order_release);
        dma_written(vq->space, addr, sizeof(value));
    }
    return host;
}

/* A copy, which the driver cannot change any more. */
static bool load_desc(VirtQueue *vq, uint64_t addr, Desc *desc)
{
    const void *host = ring_at(vq, addr, DESC_SIZE, false);
    struct {
        uint64_t addr;
        uint32_t len;
        uint16_t half[2];
    } raw;

    if (!host) {
        return false;
    }
    copy_operand(&raw, host, sizeof(raw));
    *desc = (Desc){ .addr = raw.addr,
                    .len = raw.len,
                    .flags = raw.half[is_packed(vq)],
                    .next = raw.half[1],
                    .id = raw.half[0] };
    return true;
}

/* ---- buffers ---- */

/* An element that is being made. */
typedef struct Walk {
    VirtQueue *vq;
    VirtqElement *element;
    unsigned capacity; /* pieces */
} Walk;

static void unmap_all(VirtqElement *element)
{
    for (unsigned i = 0; i < element->out_num + element->in_num; i++) {
        dma_unmap(&element->pieces[i], 0);
    }
    g_free(element);
}

static bool add_pieces(Walk *walk, uint64_t addr, uint64_t len, bool write)
{
    while (len) {
        unsigned count = walk->element->out_num + walk->element->in_num;

        if (count == VIRTQ_MAX_PIECES) {
            return broken(walk->vq, "a buffer has more than 1024 pieces");
        }
        if (count == walk->capacity) {
            walk->capacity = MAX(4, 2 * walk->capacity);
            walk->element =
                g_realloc(walk->element, sizeof(VirtqElement) + walk->capacity * sizeof(DmaHold));
        }
        DmaHold *hold = &walk->element->pieces[count];
        if (!dma_map(walk->vq->space, addr, len, write, walk->vq->holder, hold)) {
            return broken(walk->vq, "a buffer is not in RAM that it can be in");
        }
        *(write ? &walk->element->in_num : &walk->element->out_num) += 1;
        addr += hold->size;
        len -= hold->size;
    }
    return true;
}

static bool add_desc(Walk *walk, const Desc *desc)
{
    bool write = desc->flags & DESC_WRITE;
    VirtqElement *element = walk->element;

    if (!write && element->in_num) {
        return broken(walk->vq, "a buffer has pieces to read after those to write to");
    }
    *(write ? &element->in_size : &element->out_size) += desc->len;
    if (element->in_size + element->out_size > UINT32_MAX) {
        return broken(walk->vq, "a buffer is longer than 4 GiB");
    }
    return add_pieces(walk, desc->addr, desc->len, write);
}

/* A table of descriptors (2.7.5.3, 2.8.7): split ones are chained, packed ones follow each other.
 */
static bool add_table(Walk *walk, const Desc *table)
{
    unsigned entries = table->len / DESC_SIZE, at = 0;
    bool more = true;
    Desc desc;

    if (!has(walk->vq, VIRTIO_RING_F_INDIRECT_DESC) || table->flags & DESC_NEXT) {
        return broken(walk->vq, "an indirect descriptor is where none can be");
    }
    if (!entries || table->len % DESC_SIZE || entries > VIRTQ_MAX_PIECES ||
        table->addr % DESC_SIZE) {
        return broken(walk->vq, "a table of descriptors has a wrong length or place");
    }
    for (unsigned n = 0; more; n++) {
        if (n == entries || at >= entries) {
            return broken(walk->vq, "a chain leads out of its table, or in a circle");
        }
        if (!load_desc(walk->vq, table->addr + (uint64_t)at * DESC_SIZE, &desc)) {
            return false;
        }
        if (desc.flags & DESC_INDIRECT) {
            return broken(walk->vq, "a table of descriptors leads to another one");
        }
        if (!add_desc(walk, &desc)) {
            return false;
        }
        more = is_packed(walk->vq) ? n + 1 < entries : desc.flags & DESC_NEXT;
        at = is_packed(walk->vq) ? at + 1 : desc.next;
    }
    return true;
}

/* All descriptors from place.head on; its other members are set. */
static bool add_chain(Walk *walk)
{
    VirtQueue *vq = walk->vq;
    unsigned at = walk->element->place.head;
    bool more = true;
    Desc desc;

    for (unsigned n = 0; more; n++) {
        if (n == vq->size || at >= vq->size) {
            return broken(vq, "a chain leads out of the ring, or in a circle");
        }
        if (!load_desc(vq, vq->desc + (uint64_t)at * DESC_SIZE, &desc) ||
            !(desc.flags & DESC_INDIRECT ? add_table(walk, &desc) : add_desc(walk, &desc))) {
            return false;
        }
        if (is_packed(vq)) {
            walk->element->place.id = desc.id;
            walk->element->place.count = n + 1;
        }
        more = desc.flags & DESC_NEXT;
        at = is_packed(vq) ? (at + 1) % vq->size : desc.next;
    }
    return true;
}

/* NULL: the queue is broken now. */
static VirtqElement *map_element(VirtQueue *vq, const VirtqPlace *place)
{
    Walk walk = { vq, g_new0(VirtqElement, 1), 0 };

    walk.element->place = *place;
    if (!add_chain(&walk)) {
        unmap_all(walk.element);
        return NULL;
    }
    walk.element->out = walk.element->pieces;
    walk.element->in = walk.element->pieces + walk.element->out_num;
    vq->in_flight++;
    return walk.element;
}

/* ---- from the driver ---- */

/* Is there a buffer at the place where the next one will be? */
static bool split_ready(VirtQueue *vq, bool *ready)
{
    uint16_t index;
    bool ok = load16(vq, vq->driver + RING_INDEX, &index);

    *ready = index != vq->avail;
    return (ok && (uint16_t)(index - vq->avail) <= vq->size) ||
           broken(vq, "more buffers are available than the ring has entries");
}

static bool packed_ready(VirtQueue *vq, bool *ready)
{
    uint16_t flags;
    bool ok = load16(vq, vq->desc + (uint64_t)vq->avail * DESC_SIZE + PACKED_FLAG, &flags);

    *ready = !!(flags & DESC_AVAIL) == vq->avail_wrap && !!(flags & DESC_USED) != vq->avail_wrap;
    return ok;
}

static bool is_ready(VirtQueue *vq)
{
    bool ready, ok = is_packed(vq) ? packed_ready(vq, &ready) : split_ready(vq, &ready);

    return ok && ready;
}

/* With our wish to be notified from the next buffer on, which moves with it. */
static bool store_event(VirtQueue *vq)
{
    uint16_t position = vq->avail | (vq->avail_wrap ? EVENT_WRAP : 0);

    return is_packed(vq)
               ? store32(vq, vq->device, position | EVENT_AT_POSITION << 16)
               : store16(vq, vq->device + RING_ENTRIES + 8 * (uint64_t)vq->size, vq->avail);
}

static bool moves_event(const VirtQueue *vq)
{
    return has(vq, VIRTIO_RING_F_EVENT_IDX) && !vq->quiet;
}

bool virtq_is_empty(VirtQueue *vq)
{
    if (!virtq_works(vq)) {
        return true;
    }
    if (is_ready(vq)) {
        return false;
    }
    if (vq->broken || !moves_event(vq)) {
        return true;
    }
    /* The driver may have looked for our event just before the last pop stored it. */
    atomic_thread_fence(memory_order_seq_cst);
    return !is_ready(vq);
}

static bool next_place(VirtQueue *vq, VirtqPlace *place)
{
    *place = (VirtqPlace){ .head = vq->avail, .count = 1 };
    if (virtq_is_empty(vq)) {
        return false;
    }
    if (vq->in_flight >= vq->size) {
        return broken(vq, "more buffers are in use than the ring has entries");
    }
    return is_packed(vq) ||
           load16(vq, vq->driver + RING_ENTRIES + 2 * (uint64_t)(vq->avail % vq->size),
                  &place->head);
}

/* By @count entries, back if negative. */
static void move(const VirtQueue *vq, uint16_t *position, bool *wrap, int count)
{
    int next = *position + count;

    if (is_packed(vq) && (next < 0 || next >= vq->size)) {
        next += next < 0 ? vq->size : -vq->size;
        *wrap = !*wrap;
    }
    *position = next;
}

VirtqElement *virtq_pop(VirtQueue *vq)
{
    VirtqPlace place;
    VirtqElement *element = next_place(vq, &place) ? map_element(vq, &place) : NULL;

    if (!element) {
        return NULL;
    }
    move(vq, &vq->avail, &vq->avail_wrap, element->place.count);
    if (moves_event(vq) && !store_event(vq)) {
        virtq_unpop(vq, element);
        return NULL;
    }
    return element;
}

VirtqElement *virtq_pop_again(VirtQueue *vq, const VirtqPlace *place)
{
    VirtqElement *element;

    if (!virtq_works(vq)) {
        return NULL;
    }
    if (place->count < 1 || place->count > (is_packed(vq) ? vq->size : 1) ||
        vq->in_flight >= vq->size) {
        broken(vq, "what is in flight is more than the ring has entries");
        return NULL;
    }
    element = map_element(vq, place);
    if (element) {
        element->place = *place; /* the driver may not change it, but who knows */
    }
    return element;
}

void virtq_unpop(VirtQueue *vq, VirtqElement *element)
{
    move(vq, &vq->avail, &vq->avail_wrap, -element->place.count);
    vq->in_flight--;
    unmap_all(element);
}

bool virtq_set_notification(VirtQueue *vq, bool on)
{
    bool ok = true;

    vq->quiet = !on;
    if (!virtq_works(vq)) {
        return false;
    }
    if (moves_event(vq)) {
        ok = store_event(vq);
    } else if (is_packed(vq)) {
        ok = store32(vq, vq->device, (on ? EVENT_ENABLE : EVENT_DISABLE) << 16);
    } else if (!has(vq, VIRTIO_RING_F_EVENT_IDX)) {
        ok = store16(vq, vq->device, on ? 0 : USED_NO_NOTIFY);
    } /* else the event stays behind, and is not met again before the index has gone around */
    atomic_thread_fence(memory_order_seq_cst); /* the store before the load of the driver's index */
    return ok && on && !virtq_is_empty(vq);
}

/* ---- to the driver ---- */

static void unmap_written(VirtqElement *element, uint64_t written)
{
    for (unsigned i = 0; i < element->out_num; i++) {
        dma_unmap(&element->out[i], 0);
    }
    for (unsigned i = 0; i < element->in_num; i++) {
        uint64_t here = MIN(written, element->in[i].size);

        dma_unmap(&element->in[i], here);
        written -= here;
    }
}

void virtq_drop(VirtQueue *vq, VirtqElement *element)
{
    unmap_written(element, element->in_size);
    vq->in_flight--;
    g_free(element);
}

static bool fill_split(VirtQueue *vq, const VirtqPlace *place, uint32_t written)
{
    uint64_t at = vq->device + RING_ENTRIES + 8 * (uint64_t)((vq->used + vq->filled) % vq->size);

    vq->filled++;
    return store32(vq, at, place->head) && store32(vq, at + 4, written);
}

/* All but the flags of the first one, by which the driver sees it, and those after it. */
static bool fill_packed(VirtQueue *vq, const VirtqPlace *place, uint32_t written)
{
    uint64_t at = vq->desc + (uint64_t)vq->used * DESC_SIZE;
    uint16_t flags = (vq->used_wrap ? DESC_AVAIL | DESC_USED : 0) | (written ? DESC_WRITE : 0);
    bool first = !vq->filled;

    if (first) {
        vq->first_filled = vq->used;
        vq->first_flags = flags;
    }
    vq->filled += place->count;
    move(vq, &vq->used, &vq->used_wrap, place->count);
    return store16(vq, at + PACKED_ID, place->id) && store32(vq, at + PACKED_LEN, written) &&
           (first || store16(vq, at + PACKED_FLAG, flags));
}

void virtq_fill(VirtQueue *vq, VirtqElement *element, uint32_t written)
{
    unmap_written(element, MIN(written, element->in_size)); /* before the driver may look */
    vq->in_flight--;
    if (virtq_works(vq)) {
        (is_packed(vq) ? fill_packed : fill_split)(vq, &element->place, written);
    }
    g_free(element);
}

void virtq_flush(VirtQueue *vq)
{
    unsigned filled = vq->filled;

    vq->filled = 0;
    if (!virtq_works(vq) || !filled) {
        return;
    }
    vq->unsaid = MIN(vq->unsaid + filled, VIRTQ_MAX_SIZE + 1);
    if (is_packed(vq)) {
        store16(vq, vq->desc + (uint64_t)vq->first_filled * DESC_SIZE + PACKED_FLAG,
                vq->first_flags);
    } else {
        vq->used += filled;
        store16(vq, vq->device + RING_INDEX, vq->used);
    }
}

void virtq_push(VirtQueue *vq, VirtqElement *element, uint32_t written)
{
    virtq_fill(vq, element, written);
    virtq_flush(vq);
}

/* Did the index, that is now @now, come past @event with the last @count entries? (2.7.10) */
static bool passed(uint16_t event, uint16_t now, unsigned count)
{
    return (uint16_t)(now - event - 1) < count;
}

static bool split_wants(VirtQueue *vq, unsigned unsaid)
{
    uint16_t value;

    if (!has(vq, VIRTIO_RING_F_EVENT_IDX)) {
        return load16(vq, vq->driver, &value) && !(value & AVAIL_NO_INTERRUPT);
    }
    return load16(vq, vq->driver + RING_ENTRIES + 2 * (uint64_t)vq->size, &value) &&
           passed(value, vq->used, unsaid);
}

static bool packed_wants(VirtQueue *vq, unsigned unsaid)
{
    uint32_t word;

    if (!load32(vq, vq->driver, &word)) {
        return false;
    }
    uint16_t position = word & (EVENT_WRAP - 1), flags = word >> 16 & 3;
    if (flags != EVENT_AT_POSITION || !has(vq, VIRTIO_RING_F_EVENT_IDX)) {
        return flags != EVENT_DISABLE;
    }
    if (!!(word & EVENT_WRAP) != vq->used_wrap) {
        position -= vq->size; /* the last time around */
    }
    return passed(position, vq->used, unsaid);
}

bool virtq_should_notify(VirtQueue *vq)
{
    unsigned unsaid = vq->unsaid;
    bool wants;

    if (!virtq_works(vq) || !unsaid) {
        return false;
    }
    vq->unsaid = 0;
    atomic_thread_fence(memory_order_seq_cst); /* our index before the load of its wish */
    wants = is_packed(vq) ? packed_wants(vq, unsaid) : split_wants(vq, unsaid);
    return virtq_works(vq) && (wants || unsaid > vq->size);
}

/* ---- set up ---- */

void virtq_init(VirtQueue *vq, uint16_t max_size, const DmaSpace *space, const char *holder)
{
    *vq = (VirtQueue){ .max_size = max_size, .space = space, .holder = holder };
    virtq_reset(vq);
}

void virtq_reset(VirtQueue *vq)
{
    g_return_if_fail(!vq->in_flight);
    *vq = (VirtQueue){ .max_size = vq->max_size,
                       .space = vq->space,
                       .holder = vq->holder,
                       .size = vq->max_size,
                       .avail_wrap = true,
                       .used_wrap = true };
}

/* Sizes and alignments of the three parts, by section 2.7 and 2.8. */
static bool places_fit(const VirtQueue *vq)
{
    bool packed = is_packed(vq);
    uint64_t size = vq->size;
    const struct {
        uint64_t addr, len;
        unsigned alignment;
    } parts[] = {
        { vq->desc, size * DESC_SIZE, DESC_SIZE },
        { vq->driver, packed ? 4 : RING_ENTRIES + 2 * size, packed ? 4 : 2 },
        { vq->device, packed ? 4 : RING_ENTRIES + 8 * size, 4 },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        if (parts[i].addr % parts[i].alignment ||
            !dma_is_ram(vq->space, parts[i].addr, parts[i].len)) {
            return false;
        }
    }
    return true;
}

static bool size_fits(const VirtQueue *vq)
{
    return vq->size && vq->size <= vq->max_size && vq->size <= VIRTQ_MAX_SIZE &&
           (is_packed(vq) || !(vq->size & (vq->size - 1)));
}

void virtq_enable(VirtQueue *vq, uint64_t features)
{
    vq->features = features;
    vq->enabled = true;
    if (!size_fits(vq)) {
        broken(vq, "its size is none that a ring can have");
    } else if (!places_fit(vq)) {
        broken(vq, "its ring is not in RAM, or not aligned");
    }
}

/* ---- contents ---- */

/* @to_pieces: from @buf to the pieces, else the other way. */
static size_t copy(const DmaHold *pieces, unsigned count, uint64_t offset, uint8_t *buf, size_t len,
                   bool to_pieces)
{
    size_t done = 0;

    for (unsigned i = 0; i < count && done < len; i++) {
        if (offset >= pieces[i].size) {
            offset -= pieces[i].size;
            continue;
        }
        size_t here = MIN(len - done, pieces[i].size - offset);
        uint8_t *host = pieces[i].host + offset;
        memcpy(to_pieces ? host : buf + done, to_pieces ? buf + done : host, here);
        done += here;
        offset = 0;
    }
    return done;
}

size_t virtq_read(const VirtqElement *element, uint64_t offset, void *buf, size_t len)
{
    return copy(element->out, element->out_num, offset, buf, len, false);
}

size_t virtq_write(const VirtqElement *element, uint64_t offset, const void *buf, size_t len)
{
    return copy(element->in, element->in_num, offset, (uint8_t *)buf, len, true);
}

/* ---- state ---- */

static bool virtqueue_loaded(void *obj, GError **errp)
{
    VirtQueue *vq = obj;
    bool placed = !is_packed(vq) || (vq->avail < vq->size && vq->used < vq->size);

    if (vq->size > vq->max_size || (vq->enabled && !vq->broken && (!size_fits(vq) || !placed))) {
        error_set(
            errp,
            "a virtqueue of %u entries, which is at %u and %u, cannot be in one of at most %u",
            vq->size, vq->avail, vq->used, vq->max_size);
        return false;
    }
    vq->error = vq->broken ? "it was broken when the machine was saved" : NULL;
    vq->in_flight = vq->filled = 0;
    vq->unsaid = VIRTQ_MAX_SIZE + 1; /* a notification too many does no harm */
    return true;
}

static const StateField virtqueue_fields[] = {
    STATE_UINT(VirtQueue, size),
    STATE_BOOL(VirtQueue, enabled),
    STATE_UINT(VirtQueue, desc),
    STATE_UINT(VirtQueue, driver),
    STATE_UINT(VirtQueue, device),
    STATE_UINT(VirtQueue, features),
    STATE_UINT(VirtQueue, avail),
    STATE_UINT(VirtQueue, used),
    STATE_BOOL(VirtQueue, avail_wrap),
    STATE_BOOL(VirtQueue, used_wrap),
    STATE_BOOL(VirtQueue, quiet),
    STATE_BOOL(VirtQueue, broken),
    {},
};
const StateTable virtqueue_state = {
    .name = "virtqueue", .version = 1, .fields = virtqueue_fields, .post_load = virtqueue_loaded
};

static const StateField virtq_place_fields[] = {
    STATE_UINT(VirtqPlace, head),
    STATE_UINT(VirtqPlace, id),
    STATE_UINT(VirtqPlace, count),
    {},
};
const StateTable virtq_place_state = { .name = "virtqueue-place",
                                       .version = 1,
                                       .fields = virtq_place_fields };
