/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "memory-backend-memfd": a file without a name, in ordinary or huge pages.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backends/host-memory-backend.h"
#include "util/error.h"

typedef struct MemfdBackend {
    HostMemoryBackend parent;
    bool hugetlb, seal;
    uint64_t hugetlbsize; /* bytes; 0: the host's default */
} MemfdBackend;
OBJECT_CAST_DEFINE(MemfdBackend, MEMFD_BACKEND, TYPE_MEMORY_BACKEND_MEMFD)

static bool memfd_flags(const MemfdBackend *memfd, unsigned *flags, GError **errp)
{
    uint64_t size = memfd->hugetlbsize;

    *flags = MFD_CLOEXEC;
    if (memfd->seal) {
        *flags |= MFD_ALLOW_SEALING;
    }
    if (size && !memfd->hugetlb) {
        error_set(errp, "hugetlbsize is given, but hugetlb is off: add hugetlb=on");
        return false;
    }
    if (size & (size - 1)) {
        error_set(errp, "hugetlbsize %" PRIu64 " must be a power of 2, such as 2M or 1G", size);
        return false;
    }
    if (memfd->hugetlb) {
        *flags |= MFD_HUGETLB;
        if (size) {
            *flags |= (unsigned)__builtin_ctzll(size) << MFD_HUGE_SHIFT;
        }
    }
    return true;
}

static int memfd_open(const MemfdBackend *memfd, GError **errp)
{
    const int seals = F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
    uint64_t size = memfd->parent.size;
    unsigned flags;
    int fd;

    if (!memfd_flags(memfd, &flags, errp)) {
        return -1;
    }
    fd = memfd_create(TYPE_MEMORY_BACKEND_MEMFD, flags);
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make a memfd%s",
                        memfd->hugetlb ? " of huge pages; does the host have pages of hugetlbsize?"
                                       : "");
        return -1;
    }
    if (size > G_MAXINT64 || ftruncate(fd, (off_t)size) < 0) {
        error_set_errno(errp, size > G_MAXINT64 ? EFBIG : errno,
                        "cannot give the memfd its size of %" PRIu64 " bytes", size);
        close(fd);
        return -1;
    }
    if (memfd->seal && fcntl(fd, F_ADD_SEALS, seals) < 0) {
        error_set_errno(errp, errno, "cannot seal the memfd; seal=off does without");
        close(fd);
        return -1;
    }
    return fd;
}

static bool memfd_backend_alloc(HostMemoryBackend *backend, GError **errp)
{
    int fd = memfd_open(MEMFD_BACKEND(backend), errp);

    if (fd < 0) {
        return false;
    }
    if (!host_memory_backend_map(backend, (RamBlockOptions){ .fd = fd, .shared = backend->share },
                                 errp)) {
        close(fd);
        return false;
    }
    return true;
}

static void memfd_backend_init(Object *obj)
{
    MEMORY_BACKEND(obj)->share = true;
}

static const Property memfd_properties[] = {
    { .name = "hugetlb",
      .kind = PROP_BOOL,
      .offset = offsetof(MemfdBackend, hugetlb),
      .has_default = true,
      .description = "use huge pages" },
    { .name = "hugetlbsize",
      .kind = PROP_SIZE,
      .custom_type = "int",
      .offset = offsetof(MemfdBackend, hugetlbsize),
      .has_default = true,
      .description = "size of the huge pages, such as 2M or 1G; 0: the host's default" },
    { .name = "seal",
      .kind = PROP_BOOL,
      .offset = offsetof(MemfdBackend, seal),
      .has_default = true,
      .default_int = true,
      .description = "nobody that gets the file may change its size" },
    { 0 },
};

static const HostMemoryBackendOps memfd_backend_ops = {
    .alloc = memfd_backend_alloc,
};

static const ObjectType memfd_backend_type = {
    .name = TYPE_MEMORY_BACKEND_MEMFD,
    .parent = TYPE_MEMORY_BACKEND,
    .description = "host memory that other processes can be given",
    .instance_size = sizeof(MemfdBackend),
    .user_creatable = true,
    .properties = memfd_properties,
    .init = memfd_backend_init,
    .ops = &memfd_backend_ops,
};
OBJECT_TYPE_REGISTER(memfd_backend_type)
