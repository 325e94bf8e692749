// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Has the GPU clear a picture by virgl's protocol, over the driver virtio_gpu of Linux: reads a
 * pixel back, says what it is, shows the picture, and stays until it is killed.
 *
 * virglclear DEVICE RED GREEN BLUE, each 0 to 255
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* The interface of the kernel's DRM, as far as it is used here. */
struct getparam {
    uint64_t param, value;
};
struct create {
    uint32_t target, format, bind, width, height, depth, array_size, last_level, samples, flags,
        handle, resource, size, stride;
};
struct submit {
    uint32_t flags, size;
    uint64_t command, handles;
    uint32_t count;
    int32_t fence;
};
struct transfer {
    uint32_t handle, x, y, z, width, height, depth, level, offset, stride, layer_stride;
};
struct map {
    uint64_t offset;
    uint32_t handle, padding;
};
struct wait {
    uint32_t handle, flags;
};
struct resources {
    uint64_t fbs, crtcs, connectors, encoders;
    uint32_t fb_count, crtc_count, connector_count, encoder_count, min_width, max_width, min_height,
        max_height;
};
struct framebuffer {
    uint32_t id, width, height, pitch, bpp, depth, handle;
};
struct mode {
    uint32_t clock;
    uint16_t h[5], v[5];
    uint32_t refresh, flags, type;
    char name[32];
};
struct connector {
    uint64_t encoders, modes, properties, values;
    uint32_t mode_count, property_count, encoder_count, encoder, id, type, type_id, connection,
        mm_width, mm_height, subpixel, padding;
};
struct crtc {
    uint64_t connectors;
    uint32_t count, id, fb, x, y, gamma, valid;
    struct mode mode;
};

#define DRM(number, type) _IOWR('d', number, struct type)
enum {
    EXECBUFFER = 0x42,
    GETPARAM = 0x43,
    CREATE = 0x44,
    FROM_HOST = 0x46,
    WAIT = 0x48,
    MAP = 0x41
};
enum { GETRESOURCES = 0xa0, SETCRTC = 0xa2, GETCONNECTOR = 0xa7, ADDFB = 0xae };
enum { WIDTH = 640, HEIGHT = 480 };

static int device;

static void ask(unsigned long request, void *data, const char *what)
{
    int ret;

    do {
        ret = ioctl(device, request, data);
    } while (ret < 0 && (errno == EINTR || errno == EAGAIN));
    if (ret < 0) {
        printf("%s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static void wait_for(uint32_t handle)
{
    struct wait wait = { handle, 0 };

    ask(DRM(WAIT, wait), &wait, "wait");
}

static void clear(const struct create *picture, char *const *colour)
{
    uint32_t words[] = { 1 | 8 << 8 | 5 << 16,
                         11,
                         picture->resource,
                         picture->format,
                         0,
                         0, /* a surface */
                         5 | 3 << 16,
                         1,
                         0,
                         11, /* is drawn to */
                         7 | 8 << 16,
                         4,
                         0,
                         0,
                         0,
                         0,
                         0,
                         0,
                         0 }; /* and cleared */
    const uint32_t handle = picture->handle;
    struct submit submit = { .size = sizeof(words),
                             .command = (uintptr_t)words,
                             .handles = (uintptr_t)&handle,
                             .count = 1,
                             .fence = -1 };

    for (unsigned i = 0; i < 4; i++) {
        float part = i < 3 ? (float)atoi(colour[i]) / 255 : 1;

        memcpy(&words[12 + i], &part, sizeof(part));
    }
    ask(DRM(EXECBUFFER, submit), &submit, "commands");
    wait_for(handle);
}

static uint32_t read_back(const struct create *picture)
{
    struct transfer transfer = {
        .handle = picture->handle, .width = WIDTH, .height = HEIGHT, .depth = 1
    };
    struct map map = { .handle = picture->handle };
    const uint32_t *pixels;

    ask(DRM(MAP, map), &map, "map");
    pixels = mmap(NULL, 4 * WIDTH * HEIGHT, PROT_READ, MAP_SHARED, device, (off_t)map.offset);
    if (pixels == MAP_FAILED) {
        perror("mmap");
        exit(1);
    }
    ask(DRM(FROM_HOST, transfer), &transfer, "transfer");
    wait_for(picture->handle);
    return pixels[WIDTH * HEIGHT - 1];
}

static void show(const struct create *picture)
{
    uint32_t crtcs[16], connectors[16];
    struct resources resources = { .crtcs = (uintptr_t)crtcs,
                                   .crtc_count = 16,
                                   .connectors = (uintptr_t)connectors,
                                   .connector_count = 16 };
    struct framebuffer fb = { .width = WIDTH,
                              .height = HEIGHT,
                              .pitch = 4 * WIDTH,
                              .bpp = 32,
                              .depth = 24,
                              .handle = picture->handle };
    static struct mode modes[64];
    struct connector connector = { .modes = (uintptr_t)modes, .mode_count = 64 };
    struct crtc crtc = { .connectors = (uintptr_t)connectors, .count = 1, .valid = 1 };
    unsigned i = 0;

    ask(DRM(GETRESOURCES, resources), &resources, "resources");
    connector.id = connectors[0];
    ask(DRM(GETCONNECTOR, connector), &connector, "connector");
    while (i < connector.mode_count && (modes[i].h[0] != WIDTH || modes[i].v[0] != HEIGHT)) {
        i++;
    }
    if (i == connector.mode_count) {
        printf("no such mode among %u\n", i);
        exit(1);
    }
    ask(DRM(ADDFB, framebuffer), &fb, "frame buffer");
    crtc.id = crtcs[0];
    crtc.fb = fb.id;
    crtc.mode = modes[i];
    ask(DRM(SETCRTC, crtc), &crtc, "show");
}

int main(int argc, char **argv)
{
    int features = 0;
    struct getparam param = { 1, (uintptr_t)&features };
    struct create picture = { .target = 2,
                              .format = 2,
                              .bind = 1 << 1 | 1 << 18,
                              .width = WIDTH,
                              .height = HEIGHT,
                              .depth = 1,
                              .array_size = 1,
                              .size = 4 * WIDTH * HEIGHT };

    device = argc == 5 ? open(argv[1], O_RDWR) : -1;
    if (device < 0) {
        perror("open");
        return 1;
    }
    ask(DRM(GETPARAM, getparam), &param, "features");
    ask(DRM(CREATE, create), &picture, "resource");
    clear(&picture, argv + 2);
    printf("3D %d, pixel %06x\n", features, read_back(&picture) & 0xffffff);
    show(&picture);
    printf("shown\n");
    fflush(stdout);
    pause();
    return 0;
}
