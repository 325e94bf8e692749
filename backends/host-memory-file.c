/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "memory-backend-file": a file, or a nameless file in a directory; on hugetlbfs too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/host-memory-backend.h"
#include "util/error.h"
#include "util/fdset.h"
#include "util/made-files.h"

/* How to undo what opening did, if the backend cannot be made after all. */
typedef struct FileUndo {
    bool created;  /* by us: unlink it */
    bool extended; /* was empty: cut it again */
    bool nameless; /* nothing of it is left behind */
} FileUndo;

typedef struct FileBackend {
    HostMemoryBackend parent;
    char *mem_path;
    uint64_t align; /* bytes; 0: the page size */
    bool discard_data, readonly, pmem;
    FileUndo undo;
} FileBackend;
OBJECT_CAST_DEFINE(FileBackend, FILE_BACKEND, TYPE_MEMORY_BACKEND_FILE)

static int open_nameless(const char *dir, GError **errp)
{
    g_autofree char *name = g_build_filename(dir, "dimmable_mem.XXXXXX", NULL);
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        /* hugetlbfs has no O_TMPFILE before Linux 5.2. */
        fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600);
        if (fd < 0) {
            error_set_errno(errp, errno, "cannot make a file in the directory mem-path='%s'", dir);
            return -1;
        }
        unlink(name);
    }
    return fd;
}

static int open_path(FileBackend *file, GError **errp)
{
    const char *path = file->mem_path;
    int mode = file->readonly ? O_RDONLY : O_RDWR;
    int fd = -1;

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        if (file->readonly) {
            error_set(errp,
                      "mem-path='%s' is a directory, whose new file would be empty: "
                      "readonly=on needs a file",
                      path);
            return -1;
        }
        file->undo.nameless = true;
        return open_nameless(path, errp);
    }
    if (!file->readonly) {
        /* It will be the guest's memory, which is nobody else's business. */
        fd = fdset_open_path(path, mode | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        file->undo.created = fd >= 0;
    }
    if (fd >= 0) {
        made_files_note(path, MADE_DATA);
    }
    if (fd < 0) {
        fd = fdset_open_path(path, mode | O_CLOEXEC, 0);
    }
    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open mem-path='%s'", path);
    }
    return fd;
}

/* Give a new or empty file its size; one that has contents must be large enough. */
static bool file_fit(FileBackend *file, int fd, GError **errp)
{
    uint64_t size = file->parent.size;
    uint64_t page_size = ram_block_page_size(fd);
    struct stat st;

    if (fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "cannot examine mem-path='%s'", file->mem_path);
        return false;
    }
    if (!S_ISREG(st.st_mode)) {
        if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) {
            return true; /* mmap() knows how much there is */
        }
        error_set(errp, "mem-path='%s' must be a file or a directory", file->mem_path);
        return false;
    }
    /* hugetlbfs would say no more than EINVAL. */
    if (size % page_size != 0) {
        error_set(errp,
                  "mem-path='%s': memory size must be whole pages of that file system, and not "
                  "0x%" PRIx64 ": sizes there must be multiples of page size "
                  "0x%" PRIx64,
                  file->mem_path, size, page_size);
        return false;
    }
    if ((uint64_t)st.st_size >= size) {
        return true;
    }
    if (st.st_size > 0 || file->readonly) {
        error_set(errp,
                  "mem-path='%s': backing store size 0x%" PRIx64
                  " does not match 'size' option 0x%" PRIx64
                  ": make size smaller or the file larger (sizes must be multiples of page size "
                  "0x%" PRIx64 "; an empty file is extended)",
                  file->mem_path, (uint64_t)st.st_size, size, page_size);
        return false;
    }
    if (size > G_MAXINT64 || ftruncate(fd, (off_t)size) < 0) {
        error_set_errno(errp, size > G_MAXINT64 ? EFBIG : errno,
                        "cannot extend mem-path='%s' to %" PRIu64 " bytes", file->mem_path, size);
        return false;
    }
    file->undo.extended = true;
    if (!file->undo.created && !file->undo.nameless) {
        made_files_note(file->mem_path, MADE_SIZE);
    }
    return true;
}

static void file_undo(const FileBackend *file, int fd)
{
    if (file->undo.created) {
        unlink(file->mem_path);
    } else if (file->undo.extended && ftruncate(fd, 0) < 0) {
        error_warn("mem-path='%s' stays extended: the file cannot be cut again", file->mem_path);
    }
}

static bool file_backend_alloc(HostMemoryBackend *backend, GError **errp)
{
    FileBackend *file = FILE_BACKEND(backend);
    int fd;

    if (!file->mem_path || !*file->mem_path) {
        error_set(errp, "memory-backend-file: 'mem-path' is missing: the path of a file or of a "
                        "directory");
        return false;
    }
    fd = open_path(file, errp);
    if (fd < 0) {
        return false;
    }
    /* A read-only file cannot be mapped shared and writable; nobody writes to it anyway. */
    if (!file_fit(file, fd, errp) ||
        !host_memory_backend_map(backend,
                                 (RamBlockOptions){ .fd = fd,
                                                    .shared = backend->share && !file->readonly,
                                                    .persistent = file->pmem,
                                                    .align = file->align },
                                 errp)) {
        file_undo(file, fd);
        close(fd);
        return false;
    }
    backend->readonly = file->readonly;
    if (file->pmem && !backend->ram->shared) {
        error_warn("pmem=on: what the guest writes does not reach mem-path='%s'; share=on, "
                   "without readonly, is right for that",
                   file->mem_path);
    }
    return true;
}

static void file_backend_undo(HostMemoryBackend *backend)
{
    file_undo(FILE_BACKEND(backend), backend->ram->fd);
}

static void file_backend_release(HostMemoryBackend *backend)
{
    const FileBackend *file = FILE_BACKEND(backend);

    /* What MADV_REMOVE does. A private mapping never changed the file, and leaves it. Where the
     * file system cannot, the data stays, which is what it would do without the option. */
    if (file->discard_data && backend->share && !file->readonly &&
        fallocate(backend->ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)backend->ram->size) < 0) {
        error_warn("discard-data: the data of mem-path='%s' cannot be discarded: %s",
                   file->mem_path, g_strerror(errno));
    }
}

static const Property file_properties[] = {
    { .name = "mem-path",
      .kind = PROP_STRING,
      .offset = offsetof(FileBackend, mem_path),
      .description = "a file, made if missing, or a directory for a nameless file" },
    { .name = "align",
      .kind = PROP_SIZE,
      .custom_type = "int",
      .offset = offsetof(FileBackend, align),
      .has_default = true,
      .description = "alignment of the mapping, bytes, a power of 2; 0: the page size" },
    { .name = "discard-data",
      .kind = PROP_BOOL,
      .offset = offsetof(FileBackend, discard_data),
      .has_default = true,
      .description = "the contents need not survive the backend" },
    { .name = "pmem",
      .kind = PROP_BOOL,
      .offset = offsetof(FileBackend, pmem),
      .has_default = true,
      .description = "the file is in persistent memory (DAX), which with share=on it stays" },
    { .name = "readonly",
      .kind = PROP_BOOL,
      .offset = offsetof(FileBackend, readonly),
      .has_default = true,
      .description = "open the file for reading only" },
    { 0 },
};

static const HostMemoryBackendOps file_backend_ops = {
    .alloc = file_backend_alloc,
    .undo = file_backend_undo,
    .release = file_backend_release,
};

static const ObjectType file_backend_type = {
    .name = TYPE_MEMORY_BACKEND_FILE,
    .parent = TYPE_MEMORY_BACKEND,
    .description = "host memory in a file",
    .instance_size = sizeof(FileBackend),
    .user_creatable = true,
    .properties = file_properties,
    .ops = &file_backend_ops,
};
OBJECT_TYPE_REGISTER(file_backend_type)
