/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What driver and device of a virtio GPU say to each other (Virtio 1.2, section 5.7). */
#ifndef HW_VIRTIO_VIRTIO_GPU_REGS_H
#define HW_VIRTIO_VIRTIO_GPU_REGS_H

#include <stdint.h>

#define VIRTIO_GPU_MAX_SCANOUTS 16
#define VIRTIO_GPU_CURSOR_SIZE  64 /* pixels of a pointer, in each direction */

#define VIRTIO_GPU_CURSOR_BYTES (4 * VIRTIO_GPU_CURSOR_SIZE * VIRTIO_GPU_CURSOR_SIZE)

enum { VIRTIO_GPU_F_VIRGL, VIRTIO_GPU_F_EDID }; /* features */
enum { VIRTIO_GPU_CONTROL, VIRTIO_GPU_CURSOR }; /* queues */
enum { VIRTIO_GPU_EVENT_DISPLAY = 1 };          /* of the configuration */
enum { VIRTIO_GPU_FLAG_FENCE = 1 };             /* of a header */

enum {
    VIRTIO_GPU_GET_DISPLAY_INFO = 0x100,
    VIRTIO_GPU_RESOURCE_CREATE_2D,
    VIRTIO_GPU_RESOURCE_UNREF,
    VIRTIO_GPU_SET_SCANOUT,
    VIRTIO_GPU_RESOURCE_FLUSH,
    VIRTIO_GPU_TRANSFER_TO_HOST_2D,
    VIRTIO_GPU_ATTACH_BACKING,
    VIRTIO_GPU_DETACH_BACKING,
    VIRTIO_GPU_GET_CAPSET_INFO,
    VIRTIO_GPU_GET_CAPSET,
    VIRTIO_GPU_GET_EDID,
    VIRTIO_GPU_CTX_CREATE = 0x200,
    VIRTIO_GPU_CTX_DESTROY,
    VIRTIO_GPU_CTX_ATTACH_RESOURCE,
    VIRTIO_GPU_CTX_DETACH_RESOURCE,
    VIRTIO_GPU_RESOURCE_CREATE_3D,
    VIRTIO_GPU_TRANSFER_TO_HOST_3D,
    VIRTIO_GPU_TRANSFER_FROM_HOST_3D,
    VIRTIO_GPU_SUBMIT_3D,
    VIRTIO_GPU_UPDATE_CURSOR = 0x300,
    VIRTIO_GPU_MOVE_CURSOR,
    VIRTIO_GPU_OK_NODATA = 0x1100,
    VIRTIO_GPU_OK_DISPLAY_INFO,
    VIRTIO_GPU_OK_CAPSET_INFO,
    VIRTIO_GPU_OK_CAPSET,
    VIRTIO_GPU_OK_EDID,
    VIRTIO_GPU_ERR_UNSPEC = 0x1200,
    VIRTIO_GPU_ERR_OUT_OF_MEMORY,
    VIRTIO_GPU_ERR_SCANOUT_ID,
    VIRTIO_GPU_ERR_RESOURCE_ID,
    VIRTIO_GPU_ERR_CONTEXT_ID,
    VIRTIO_GPU_ERR_PARAMETER,
};

typedef struct VirtioGpuConfig {
    uint32_t events_read, events_clear, num_scanouts, num_capsets;
} VirtioGpuConfig;

typedef struct VirtioGpuHeader {
    uint32_t type, flags;
    uint64_t fence_id;
    uint32_t ctx_id;
    uint8_t ring_idx, padding[3];
} VirtioGpuHeader;

typedef struct VirtioGpuRect {
    uint32_t x, y, width, height;
} VirtioGpuRect;

typedef struct VirtioGpuDisplayInfo {
    struct {
        VirtioGpuRect rect;
        uint32_t enabled, flags;
    } modes[VIRTIO_GPU_MAX_SCANOUTS];
} VirtioGpuDisplayInfo;

typedef struct VirtioGpuEdid {
    uint32_t size, padding;
    uint8_t edid[1024];
} VirtioGpuEdid;

/* Requests: what comes behind the header. */
typedef struct VirtioGpuGetEdid {
    uint32_t scanout, padding;
} VirtioGpuGetEdid;

typedef struct VirtioGpuCreate {
    uint32_t resource_id, format, width, height;
} VirtioGpuCreate;

typedef struct VirtioGpuResourceId {
    uint32_t resource_id, padding;
} VirtioGpuResourceId;

typedef struct VirtioGpuSetScanout {
    VirtioGpuRect rect;
    uint32_t scanout_id, resource_id;
} VirtioGpuSetScanout;

typedef struct VirtioGpuFlush {
    VirtioGpuRect rect;
    uint32_t resource_id, padding;
} VirtioGpuFlush;

typedef struct VirtioGpuTransfer {
    VirtioGpuRect rect;
    uint64_t offset;
    uint32_t resource_id, padding;
} VirtioGpuTransfer;

typedef struct VirtioGpuAttach { /* entry_count times VirtioGpuEntry follow */
    uint32_t resource_id, entry_count;
} VirtioGpuAttach;

typedef struct VirtioGpuEntry {
    uint64_t addr;
    uint32_t length, padding;
} VirtioGpuEntry;

typedef struct VirtioGpuGetCapsetInfo {
    uint32_t index, padding;
} VirtioGpuGetCapsetInfo;

typedef struct VirtioGpuCapsetInfo { /* the answer */
    uint32_t id, max_version, max_size, padding;
} VirtioGpuCapsetInfo;

typedef struct VirtioGpuGetCapset {
    uint32_t id, version;
} VirtioGpuGetCapset;

typedef struct VirtioGpuCtxCreate {
    uint32_t name_length, init;
    char name[64];
} VirtioGpuCtxCreate;

typedef struct VirtioGpuCreate3d {
    uint32_t resource_id, target, format, bind, width, height, depth, array_size, last_level,
        nr_samples, flags, padding;
} VirtioGpuCreate3d;

typedef struct VirtioGpuBox {
    uint32_t x, y, z, width, height, depth;
} VirtioGpuBox;

typedef struct VirtioGpuTransfer3d {
    VirtioGpuBox box;
    uint64_t offset;
    uint32_t resource_id, level, stride, layer_stride;
} VirtioGpuTransfer3d;

typedef struct VirtioGpuSubmit { /* size bytes of commands follow */
    uint32_t size, padding;
} VirtioGpuSubmit;

typedef struct VirtioGpuCursorRequest {
    uint32_t scanout_id, x, y, padding;
    uint32_t resource_id, hot_x, hot_y, padding2;
} VirtioGpuCursorRequest;

#endif
