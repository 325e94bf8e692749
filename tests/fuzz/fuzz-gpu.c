/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-gpu: requests of a driver, right or wrong, while a viewer looks and asks for sizes, the
 * machine is reset, and the device is saved, damaged and loaded. What the device keeps is counted
 * anew, and what is shown is of the size that was asked for.
 *
 * With FUZZ_GL: the same of a card with 3D, which is not saved, with a renderer that looks at what
 * it gets (virgl-fake.h), and while a DIMM comes and goes in which there may be backings.
 */
#include "hw/core/runstate.h"
#include "hw/virtio/virtio-gpu-gl.h"
#include "hw/virtio/virtio-pci-regs.h"
#include "tests/fuzz/driver.h"
#include "tests/fuzz/virgl-fake.h"
#include "ui/gl.h"

#define RING_SIZE 8
#define REQUEST   0x60000u /* in RAM */
#define RESPONSE  0x61000u
#define BACKING   0x62000u
#define MOST      0x300000u /* max_hostmem */

static VirtioGpu *gpu;
static Console *console;

#ifdef FUZZ_GL
#define CARD     "virtio-gpu-gl-pci"
#define FEATURES (UINT64_C(1) << 32 | 3)
#define DIMM     0x100000000ull /* where one is, if there is one */
#else
#define CARD     "virtio-gpu-pci"
#define FEATURES (UINT64_C(1) << 32 | 2)
#endif

static void populate(Machine *machine)
{
#ifdef FUZZ_GL
    g_assert_true(gl_start(NULL, NULL));
#endif
    driver_add(CARD ",id=v0,addr=10,max_outputs=2,max_hostmem=3M");
    gpu = VIRTIO_GPU(object_find_type(TYPE_VIRTIO_GPU));
    console = console_by_device(OBJECT(gpu)->parent, 0);
}

/* ---- what holds ---- */

typedef struct Sum {
    uint64_t pixels, records;
    unsigned count;
} Sum;

static gboolean add(gpointer key, gpointer value, gpointer opaque)
{
    const VirtioGpuResource *r = value;
    Sum *sum = opaque;

    sum->pixels += r->gl_size + (r->image ? 4ull * r->width * r->height : 0);
    sum->records += r->entry_count * sizeof(*r->entries);
    sum->count++;
    return false;
}

static void check(void)
{
    Sum sum = { 0 };

    g_tree_foreach(gpu->resources, add, &sum);
    for (unsigned i = 0; i < gpu->max_outputs; i++) {
        const VirtioGpuScanout *scanout = &gpu->scanouts[i];
        const VirtioGpuResource *r = virtio_gpu_find(gpu, scanout->resource_id);

        g_assert_true(!scanout->resource_id == !scanout->surface);
        if (scanout->surface) {
            g_assert_cmpuint(scanout->x + scanout->width, <=, r->width);
            g_assert_cmpuint(scanout->y + scanout->height, <=, r->height);
            g_assert_cmpuint(pixman_image_get_width(scanout->surface), ==, scanout->width);
            g_assert_cmpuint(pixman_image_get_height(scanout->surface), ==, scanout->height);
            sum.pixels += 4ull * scanout->width * scanout->height;
        }
    }
    g_assert_cmpuint(gpu->hostmem, ==, sum.pixels);
    g_assert_cmpuint(gpu->hostmem, <=, MOST);
    g_assert_cmpuint(gpu->records, >=, sum.records + sum.count);
    g_assert_cmpuint(gpu->records, <=, VIRTIO_GPU_MAX_RECORDS);
    console_refresh(console);
    g_assert_true(!gpu->scanouts[0].surface ||
                  console_surface(console) == gpu->scanouts[0].surface);
}

/* ---- steps ---- */

#ifdef FUZZ_GL
static bool wait = true; /* for the renderer, after each request */

static void nothing(void *opaque)
{
}

/* Until the renderer has done all, and it was answered. */
static void settle_gl(void)
{
    const VirtioGpuGl *gl = VIRTIO_GPU_GL(gpu);

    do {
        gl_call(nothing, NULL);
        fuzz_settle();
    } while (virtio_device_runs(&gpu->parent) && (gl->jobs[0] || gl->jobs[1]));
}
#endif

static void send(unsigned queue, uint32_t size, uint32_t room)
{
    const uint32_t ring = driver_ring(0, queue), avail = ring + DRIVER_PAGE;
    const uint16_t flags[2][2] = { { 1, 1 }, { 2, 0 } };
    AddressSpace *as = &address_space_memory;
    const uint16_t index = (uint16_t)address_space_load(as, avail + 2, 2);

    address_space_store(as, ring, REQUEST, 8);
    address_space_store(as, ring + 8, size, 4);
    address_space_write(as, ring + 12, flags[0], 4);
    address_space_store(as, ring + 16, RESPONSE, 8);
    address_space_store(as, ring + 24, room, 4);
    address_space_write(as, ring + 28, flags[1], 4);
    address_space_store(as, avail + 4 + 2 * (index % RING_SIZE), 0, 2);
    address_space_store(as, avail + 2, (uint16_t)(index + 1), 2);
    driver_access(&address_space_memory, driver_bar(0) + 3 * DRIVER_PAGE + 4 * queue, queue, 2);
#ifdef FUZZ_GL
    if (wait) {
        settle_gl();
    }
#endif
}

static void step_start(FuzzInput *in)
{
    driver_map(0);
    driver_store(0, VIRTIO_COMMON_STATUS, 0, 1);
    for (unsigned q = 0; q < 2; q++) {
        address_space_set(&address_space_memory, driver_ring(0, q), 0, DRIVER_QUEUE_GAP);
    }
    driver_start(0, FEATURES, RING_SIZE);
}

/* Words of a request; large ones are rare. */
static uint32_t word(FuzzInput *in)
{
    const uint32_t value = (uint32_t)fuzz_take(in, 1);

    return value < 0xf0 ? value : value == 0xff ? (uint32_t)fuzz_take(in, 4) : 1u << (value & 15);
}

static void put(unsigned at, uint64_t value, unsigned size)
{
    address_space_store(&address_space_memory, REQUEST + at, value, size);
}

static void step_request(FuzzInput *in)
{
    const uint32_t type = VIRTIO_GPU_GET_DISPLAY_INFO + (uint32_t)fuzz_take(in, 1) % 12;

    put(0, type, 4);
    for (unsigned i = 0; i < 8; i++) {
        put(24 + 4 * i, word(in), 4);
    }
    send(VIRTIO_GPU_CONTROL, 24 + 32, 0x800);
}

static void step_create(FuzzInput *in)
{
    put(0, VIRTIO_GPU_RESOURCE_CREATE_2D, 4);
    put(24, fuzz_take(in, 1) % 8, 4);
    put(28, 1 + fuzz_take(in, 1) % 4, 4);
    put(32, word(in), 4);
    put(36, word(in), 4);
    send(VIRTIO_GPU_CONTROL, 24 + 16, 24);
}

static uint64_t backing(FuzzInput *in)
{
#ifdef FUZZ_GL
    if (fuzz_take(in, 1) & 1) {
        return DIMM;
    }
#endif
    return BACKING;
}

static void step_attach(FuzzInput *in)
{
    const unsigned count = (unsigned)fuzz_take(in, 1) % 16;

    put(0, VIRTIO_GPU_ATTACH_BACKING, 4);
    put(24, fuzz_take(in, 1) % 8, 4);
    put(28, count, 4);
    for (unsigned i = 0; i < count; i++) {
        put(32 + 16 * i, backing(in) + 0x1000ull * word(in), 8);
        put(40 + 16 * i, 16u * word(in), 4);
    }
    send(VIRTIO_GPU_CONTROL, 32 + 16 * count, 24);
}

static void step_cursor(FuzzInput *in)
{
    put(0, VIRTIO_GPU_UPDATE_CURSOR + fuzz_take(in, 1) % 2, 4);
    for (unsigned i = 0; i < 8; i++) {
        put(24 + 4 * i, word(in), 4);
    }
    send(VIRTIO_GPU_CURSOR, 24 + 32, 24);
}

static void step_anything(FuzzInput *in)
{
    const unsigned queue = (unsigned)fuzz_take(in, 1) % 2, words = (unsigned)fuzz_take(in, 1) % 32;
    const uint32_t room = word(in);

    for (unsigned i = 0; i < words; i++) {
        put(4 * i, word(in), 4);
    }
    send(queue, 4 * words + 1, MAX(room, 1));
}

static void step_size(FuzzInput *in)
{
    const unsigned width = word(in);

    console_ui_info(console, width, word(in));
}

static void step_look(FuzzInput *in)
{
    console_refresh(console);
}

static void step_reset(FuzzInput *in)
{
    fuzz_step_reset(in);
    fuzz_settle();
    runstate_start();
}

#ifdef FUZZ_GL
static void step_3d(FuzzInput *in)
{
    static const uint32_t types[] = { VIRTIO_GPU_CTX_CREATE,
                                      VIRTIO_GPU_CTX_CREATE,
                                      VIRTIO_GPU_CTX_DESTROY,
                                      VIRTIO_GPU_CTX_ATTACH_RESOURCE,
                                      VIRTIO_GPU_CTX_DETACH_RESOURCE,
                                      VIRTIO_GPU_TRANSFER_TO_HOST_3D,
                                      VIRTIO_GPU_TRANSFER_FROM_HOST_3D,
                                      VIRTIO_GPU_GET_CAPSET_INFO,
                                      VIRTIO_GPU_GET_CAPSET };
    const uint32_t type = types[fuzz_take(in, 1) % G_N_ELEMENTS(types)];
    const bool transfer =
        type == VIRTIO_GPU_TRANSFER_TO_HOST_3D || type == VIRTIO_GPU_TRANSFER_FROM_HOST_3D;

    put(0, type, 4);
    put(4, fuzz_take(in, 1) % 2, 4);
    put(16, fuzz_take(in, 1) % 4, 4);
    for (unsigned i = 0; i < 12; i++) {
        put(24 + 4 * i, transfer ? word(in) % 8 : word(in), 4);
    }
    if (type == VIRTIO_GPU_CTX_ATTACH_RESOURCE || type == VIRTIO_GPU_CTX_DETACH_RESOURCE) {
        put(24, word(in) % 8, 4);
    }
    send(VIRTIO_GPU_CONTROL, 24 + 72, 0x800);
}

static void step_create_3d(FuzzInput *in)
{
    const uint32_t kind = (uint32_t)fuzz_take(in, 1);

    put(0, VIRTIO_GPU_RESOURCE_CREATE_3D, 4);
    put(24, fuzz_take(in, 1) % 8, 4);
    put(28, kind & 1 ? 2 : kind % 10, 4);
    put(32, kind & 2 ? 1 + fuzz_take(in, 1) % 4 : word(in), 4);
    put(36, kind & 4 ? 2 : 0x40000000, 4); /* one that the renderer does not take */
    put(40, kind & 8 ? 64 : word(in), 4);
    put(44, kind & 8 ? 64 : word(in), 4);
    for (unsigned i = 0; i < 4; i++) {
        put(48 + 4 * i, kind & 16 ? i < 2 : word(in), 4);
    }
    send(VIRTIO_GPU_CONTROL, 24 + 48, 24);
}

static void step_submit(FuzzInput *in)
{
    const unsigned words = (unsigned)fuzz_take(in, 1) % 16;

    put(0, VIRTIO_GPU_SUBMIT_3D, 4);
    put(16, fuzz_take(in, 1) % 4, 4);
    put(24, 4 * (words + fuzz_take(in, 1) / 250), 4);
    for (unsigned i = 0; i < words; i++) {
        put(32 + 4 * i, word(in) | (word(in) & 3) << 16, 4);
    }
    send(VIRTIO_GPU_CONTROL, 32 + 4 * words, 24);
}

/* What comes next finds the renderer at work, or not. */
static void step_wait(FuzzInput *in)
{
    wait = fuzz_take(in, 1) & 1;
    settle_gl();
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,  step_request,   step_request,   step_request, step_create,    step_create_3d,
    step_attach, step_attach,    step_cursor,    step_cursor,  step_anything,  step_size,
    step_look,   step_reset,     step_3d,        step_3d,      step_request,   step_3d,
    step_submit, step_create_3d, step_create_3d, step_wait,    fuzz_step_plug, fuzz_step_unplug_now,
    step_attach, step_3d,        step_submit,    step_request, step_3d,        step_3d,
};
#else
/* Saved, perhaps damaged, and loaded into a device that was reset. */
static void step_load(FuzzInput *in)
{
    g_autoptr(GByteArray) saved = g_byte_array_new(), again = g_byte_array_new();

    state_save(&virtio_gpu_state, gpu, saved);
    if (fuzz_take(in, 1) & 1) {
        const unsigned at = (unsigned)fuzz_take(in, 2) % saved->len;
        g_autofree uint8_t *damaged = g_memdup2(saved->data, saved->len);

        damaged[at] ^= (uint8_t)fuzz_take(in, 1);
        virtio_device_reset(&gpu->parent.parent);
        (void)state_load(&virtio_gpu_state, gpu, damaged, saved->len, NULL);
    }
    virtio_device_reset(&gpu->parent.parent);
    g_assert_true(state_load(&virtio_gpu_state, gpu, saved->data, saved->len, NULL));
    state_save(&virtio_gpu_state, gpu, again);
    g_assert_cmpmem(saved->data, saved->len, again->data, again->len);
}

static FuzzStep *const steps[FUZZ_STEPS] = {
    step_start,   step_request, step_request, step_request, step_create,      step_create,
    step_attach,  step_attach,  step_cursor,  step_cursor,  step_anything,    step_size,
    step_look,    step_reset,   step_load,    step_start,   step_request,     step_request,
    step_request, step_request, step_create,  step_attach,  fuzz_step_settle, step_request,
};
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const FuzzBoard board = { .type = "pc", .cpu_count = "1", .populate = populate };

    fuzz_board(&board);
    fuzz_input_begin();
    runstate_start();
    fuzz_run_steps(steps, data, size);
#ifdef FUZZ_GL
    settle_gl();
#endif
    check();
    virtio_device_reset(&gpu->parent.parent);
    check();
#ifdef FUZZ_GL
    wait = true;
    settle_gl();
    g_assert_cmpuint(virgl_fake_resources(), ==, 0);
    g_assert_cmpuint(virgl_fake_contexts(), ==, 0);
#endif
    g_assert_cmpuint(gpu->hostmem, ==, 0);
    fuzz_input_end();
    return 0;
}
