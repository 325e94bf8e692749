/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/kvm/ioctl.h"

#include <errno.h>
#include <glib.h>
#include <sys/ioctl.h>

KvmVm kvm_vm = { .dev_fd = -1, .vm_fd = -1 };

int kvm_ioctl(int fd, unsigned long request, void *arg)
{
    int ret;

    do {
        ret = ioctl(fd, request, arg);
    } while (ret < 0 && errno == EINTR);
    return ret < 0 ? -errno : ret;
}

int kvm_check(int capability)
{
    int fd = kvm_vm.vm_fd >= 0 ? kvm_vm.vm_fd : kvm_vm.dev_fd;

    return MAX(kvm_ioctl(fd, KVM_CHECK_EXTENSION, GINT_TO_POINTER(capability)), 0);
}

bool kvm_enable(uint32_t capability, uint64_t arg)
{
    struct kvm_enable_cap cap = { .cap = capability, .args = { arg } };

    return kvm_ioctl(kvm_vm.vm_fd, KVM_ENABLE_CAP, &cap) >= 0;
}
