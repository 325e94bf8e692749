/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `info virtio` and what goes with it. */
#include <inttypes.h>

#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/parse.h"

static const char *true_false(bool value)
{
    return value ? "true" : "false";
}

static void print_names(Hmp *hmp, const GPtrArray *names)
{
    for (guint i = 0; names && i < names->len; i++) {
        hmp_printf(hmp, "    %s\n", (const char *)names->pdata[i]);
    }
}

static void print_features(Hmp *hmp, const char *what, const VirtioDeviceFeatures *features)
{
    hmp_printf(hmp, "  %s:\n", what);
    print_names(hmp, features->transports);
    print_names(hmp, features->dev_features);
    if (features->has_unknown_dev_features) {
        hmp_printf(hmp, "    others: 0x%016" PRIx64 "\n", features->unknown_dev_features);
    }
}

void hmp_info_virtio(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_x_query_virtio(NULL);

    for (guint i = 0; i < list->len; i++) {
        const VirtioInfo *info = list->pdata[i];

        hmp_printf(hmp, "%s [%s]\n", info->path, info->name);
    }
    if (!list->len) {
        hmp_printf(hmp, "No VirtIO devices\n");
    }
}

static void print_vhost(Hmp *hmp, const VhostStatus *vhost)
{
    hmp_printf(hmp, "  vhost:\n    pieces of memory:      %" PRId64 "\n", vhost->n_mem_sections);
    hmp_printf(hmp, "    queues:                %u\n", vhost->nvqs);
    hmp_printf(hmp, "    max_queues:            %" PRIu64 "\n", vhost->max_queues);
    hmp_printf(hmp, "    log_enabled:           %s\n", true_false(vhost->log_enabled));
    hmp_printf(hmp, "    log_size:              %" PRIu64 "\n", vhost->log_size);
    print_features(hmp, "vhost features", vhost->features);
    print_features(hmp, "vhost features that were accepted", vhost->acked_features);
    hmp_printf(hmp, "  vhost protocol features:\n");
    print_names(hmp, vhost->protocol_features->protocols);
}

void hmp_info_virtio_status(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(VirtioStatus) s = qmp_x_query_virtio_status(argv[0], &err);

    hmp_error(hmp, err);
    if (!s) {
        return;
    }
    hmp_printf(hmp, "%s:\n", argv[0]);
    hmp_printf(hmp, "  device_name:             %s%s\n", s->name, s->vhost_dev ? " (vhost)" : "");
    hmp_printf(hmp, "  device_id:               %u\n", s->device_id);
    hmp_printf(hmp, "  vhost_started:           %s\n", true_false(s->vhost_started));
    hmp_printf(hmp, "  bus_name:                %s\n", s->bus_name);
    hmp_printf(hmp, "  broken:                  %s\n", true_false(s->broken));
    hmp_printf(hmp, "  started:                 %s\n", true_false(s->started));
    hmp_printf(hmp, "  vm_running:              %s\n", true_false(s->vm_running));
    hmp_printf(hmp, "  num_vqs:                 %" PRId64 "\n", s->num_vqs);
    hmp_printf(hmp, "  queue_sel:               %u\n", s->queue_sel);
    hmp_printf(hmp, "  isr:                     %u\n", s->isr);
    hmp_printf(hmp, "  endianness:              %s\n  status:\n", s->device_endian);
    print_names(hmp, s->status->statuses);
    print_features(hmp, "Guest features", s->guest_features);
    print_features(hmp, "Host features", s->host_features);
    print_features(hmp, "Backend features", s->backend_features);
    if (s->vhost_dev) {
        print_vhost(hmp, s->vhost_dev);
    }
}

static bool parse_number(Hmp *hmp, const char *what, const char *text, uint16_t *number)
{
    uint64_t value;

    if (!parse_uint(text, UINT16_MAX, &value)) {
        hmp_printf(hmp, "Error: %s: '%s' is not a number from 0 to 65535\n", what, text);
        return false;
    }
    *number = (uint16_t)value;
    return true;
}

void hmp_info_virtio_queue_status(Hmp *hmp, char **argv)
{
    g_autoptr(VirtQueueStatus) s = NULL;
    GError *err = NULL;
    uint16_t queue;

    if (!parse_number(hmp, "QUEUE", argv[1], &queue)) {
        return;
    }
    s = qmp_x_query_virtio_queue_status(argv[0], queue, &err);
    hmp_error(hmp, err);
    if (!s) {
        return;
    }
    hmp_printf(hmp, "%s:\n  device_name:          %s\n", argv[0], s->name);
    hmp_printf(hmp, "  queue_index:          %u\n", s->queue_index);
    hmp_printf(hmp, "  inuse:                %u\n", s->inuse);
    hmp_printf(hmp, "  used_idx:             %u\n", s->used_idx);
    hmp_printf(hmp, "  signalled_used:       %u\n", s->signalled_used);
    hmp_printf(hmp, "  signalled_used_valid: %s\n", true_false(s->signalled_used_valid));
    if (s->has_last_avail_idx) {
        hmp_printf(hmp, "  last_avail_idx:       %u\n", s->last_avail_idx);
        hmp_printf(hmp, "  shadow_avail_idx:     %u\n", s->shadow_avail_idx);
    }
    hmp_printf(hmp, "  VRing:\n    num:          %u\n", s->vring_num);
    hmp_printf(hmp, "    num_default:  %u\n", s->vring_num_default);
    hmp_printf(hmp, "    align:        %u\n", s->vring_align);
    hmp_printf(hmp, "    desc:         0x%016" PRIx64 "\n", s->vring_desc);
    hmp_printf(hmp, "    avail:        0x%016" PRIx64 "\n", s->vring_avail);
    hmp_printf(hmp, "    used:         0x%016" PRIx64 "\n", s->vring_used);
}

void hmp_info_virtio_vhost_queue_status(Hmp *hmp, char **argv)
{
    g_autoptr(VirtVhostQueueStatus) s = NULL;
    GError *err = NULL;
    uint16_t queue;

    if (!parse_number(hmp, "QUEUE", argv[1], &queue)) {
        return;
    }
    s = qmp_x_query_virtio_vhost_queue_status(argv[0], queue, &err);
    hmp_error(hmp, err);
    if (!s) {
        return;
    }
    hmp_printf(hmp, "%s:\n  device_name:          %s (vhost)\n", argv[0], s->name);
    hmp_printf(hmp, "  kick:                 %" PRId64 "\n", s->kick);
    hmp_printf(hmp, "  call:                 %" PRId64 "\n", s->call);
    hmp_printf(hmp, "  VRing:\n    num:         %" PRId64 "\n", s->num);
    hmp_printf(hmp, "    desc:        0x%016" PRIx64 "\n", s->desc);
    hmp_printf(hmp, "    desc_phys:   0x%016" PRIx64 "\n", s->desc_phys);
    hmp_printf(hmp, "    desc_size:   %u\n", s->desc_size);
    hmp_printf(hmp, "    avail:       0x%016" PRIx64 "\n", s->avail);
    hmp_printf(hmp, "    avail_phys:  0x%016" PRIx64 "\n", s->avail_phys);
    hmp_printf(hmp, "    avail_size:  %u\n", s->avail_size);
    hmp_printf(hmp, "    used:        0x%016" PRIx64 "\n", s->used);
    hmp_printf(hmp, "    used_phys:   0x%016" PRIx64 "\n", s->used_phys);
    hmp_printf(hmp, "    used_size:   %u\n", s->used_size);
}

static void print_desc(Hmp *hmp, const VirtioRingDesc *desc)
{
    hmp_printf(hmp, "    addr 0x%" PRIx64 " len %u", desc->addr, desc->len);
    for (guint i = 0; i < desc->flags->len; i++) {
        hmp_printf(hmp, "%s%s", i ? ", " : " (", (const char *)desc->flags->pdata[i]);
    }
    hmp_printf(hmp, "%s\n", desc->flags->len ? ")" : "");
}

void hmp_info_virtio_queue_element(Hmp *hmp, char **argv)
{
    g_autoptr(VirtioQueueElement) e = NULL;
    GError *err = NULL;
    uint16_t queue, index = 0;

    if (!parse_number(hmp, "QUEUE", argv[1], &queue) ||
        (argv[2] && !parse_number(hmp, "INDEX", argv[2], &index))) {
        return;
    }
    e = qmp_x_query_virtio_queue_element(argv[0], queue, argv[2], index, &err);
    hmp_error(hmp, err);
    if (!e) {
        return;
    }
    hmp_printf(hmp, "%s:\n  device_name: %s\n  index:   %u\n  desc:\n", argv[0], e->name, e->index);
    for (guint i = 0; i < e->descs->len; i++) {
        print_desc(hmp, e->descs->pdata[i]);
    }
    hmp_printf(hmp, "  avail:\n    flags: %u\n    idx:   %u\n    ring:  %u\n", e->avail->flags,
               e->avail->idx, e->avail->ring);
    hmp_printf(hmp, "  used:\n    flags: %u\n    idx:   %u\n", e->used->flags, e->used->idx);
}
