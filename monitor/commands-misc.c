/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the program and what it was started with (qapi/misc.json). */
#include <string.h>

#include "accel/choose.h"
#include "backends/iothread.h"
#include "hw/core/machine.h"
#include "hw/i386/vmgenid.h"
#include "hw/rtc/mc146818.h"
#include "monitor/command-line.h"
#include "monitor/gdb/gdb.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

NameInfo *qmp_query_name(GError **errp)
{
    NameInfo *info = g_new0(NameInfo, 1);
    const Machine *machine = machine_current();

    info->name = g_strdup(machine ? machine->guest_name : NULL);
    return info;
}

UuidInfo *qmp_query_uuid(GError **errp)
{
    static const uint8_t zeros[16];
    const Machine *machine = machine_current();
    const uint8_t *id = machine ? machine->uuid : zeros;
    UuidInfo *info = g_new0(UuidInfo, 1);

    info->UUID =
        g_strdup_printf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        id[0], id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9],
                        id[10], id[11], id[12], id[13], id[14], id[15]);
    return info;
}

GuidInfo *qmp_query_vm_generation_id(GError **errp)
{
    char *guid = vmgenid_guid();
    GuidInfo *info;

    if (!guid) {
        error_set(errp, "the machine has no vmgenid device (-device vmgenid)");
        return NULL;
    }
    info = g_new0(GuidInfo, 1);
    info->guid = guid;
    return info;
}

KvmInfo *qmp_query_kvm(GError **errp)
{
    KvmInfo *info = g_new0(KvmInfo, 1);
    const AccelOps *kvm = accel_find("kvm", NULL);

    info->present = kvm != NULL;
    info->enabled = kvm && kvm == accel_current();
    return info;
}

TargetInfo *qmp_query_target(GError **errp)
{
    TargetInfo *info = g_new0(TargetInfo, 1);

    info->arch = SYS_EMU_TARGET_X86_64;
    return info;
}

GPtrArray *qmp_query_iothreads(GError **errp)
{
    const GPtrArray *objects = object_container("/objects")->children;
    GPtrArray *list = IOThreadInfo_list_new();

    for (guint i = 0; objects && i < objects->len; i++) {
        Object *obj = objects->pdata[i];
        const Iothread *iothread = object_is_a(obj, TYPE_IOTHREAD) ? IOTHREAD(obj) : NULL;

        /* One whose thread could not be made yet is none. */
        if (iothread && iothread_loop(iothread)) {
            IOThreadInfo *info = g_new0(IOThreadInfo, 1);

            info->id = g_strdup(iothread->parent.name);
            info->thread_id = loop_thread_id(iothread_loop(iothread));
            info->poll_max_ns = iothread->poll_max_ns;
            info->poll_grow = iothread->poll_grow;
            info->poll_shrink = iothread->poll_shrink;
            info->aio_max_batch = iothread->aio_max_batch;
            g_ptr_array_add(list, info);
        }
    }
    return list;
}

bool qmp_rtc_reset_reinjection(GError **errp)
{
    Mc146818 *rtc = mc146818_find();

    if (rtc) {
        mc146818_forget_lost_ticks(rtc);
    }
    return true;
}

bool qmp_gdbserver(const char *device, GError **errp)
{
    return gdb_server_start(device ? device : GDB_DEFAULT_DEVICE, errp);
}

/* ---- the command line ---- */

static GPtrArray *(*list_groups)(void);

void monitor_set_command_line(GPtrArray *(*list)(void))
{
    list_groups = list;
}

GPtrArray *qmp_query_command_line_options(const char *option, GError **errp)
{
    GPtrArray *list = list_groups ? list_groups() : CommandLineOptionInfo_list_new();

    for (unsigned i = list->len; option && i > 0; i--) {
        if (strcmp(option, ((CommandLineOptionInfo *)list->pdata[i - 1])->option) != 0) {
            g_ptr_array_remove_index(list, i - 1);
        }
    }
    if (option && !list->len) {
        g_ptr_array_unref(list);
        error_set(errp, "there is no option '%s' with parameters; without 'option', all are listed",
                  option);
        return NULL;
    }
    return list;
}
