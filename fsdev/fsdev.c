/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fsdev/fsdev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fsdev/local.h"
#include "util/error.h"

#define FMODE 0600
#define DMODE 0700

static GPtrArray *devs; /* of FsDev *, owned */

static void fsdev_free(void *opaque)
{
    FsDev *dev = opaque;

    if (dev->root >= 0) {
        close(dev->root);
    }
    g_free(dev->id);
    g_free(dev->path);
    g_free(dev);
}

FsDev *fsdev_find(const char *id)
{
    for (unsigned i = 0; devs && i < devs->len; i++) {
        FsDev *dev = devs->pdata[i];

        if (strcmp(dev->id, id) == 0) {
            return dev;
        }
    }
    return NULL;
}

void fsdev_remove_all(void)
{
    g_clear_pointer(&devs, g_ptr_array_unref);
}

/* ---- what the user says ---- */

static bool parse_mode(const char *key, const char *text, mode_t *mode, GError **errp)
{
    char *end;
    unsigned long value;

    if (!text) {
        return true;
    }
    value = strtoul(text, &end, 8);
    if (!*text || *end || value > 0777) {
        error_set(errp, "%s=%s: it is a mode, octal, up to 0777, such as 0600", key, text);
        return false;
    }
    *mode = (mode_t)value;
    return true;
}

static bool check_options(const FsdevOptions *options, GError **errp)
{
    if (options->throttling) {
        error_set(errp, "throttling.* is not there: limit the disk of the folder on the host, as "
                        "by a control group (io.max)");
    } else if (!options->path) {
        error_set(errp, "path= must say which folder of the host the guest gets");
    } else if (!options->has_security_model) {
        error_set(errp, "security_model= must say whose owners and modes files have: none, "
                        "passthrough, mapped-xattr or mapped-file");
    } else if (fsdev_find(options->id)) {
        error_set(errp, "there is another -fsdev with id=%s", options->id);
    } else {
        return true;
    }
    return false;
}

static bool take_options(FsDev *dev, const FsdevOptions *options, GError **errp)
{
    dev->id = g_strdup(options->id);
    dev->path = g_strdup(options->path);
    dev->model = options->security_model;
    dev->multidevs = options->has_multidevs ? options->multidevs : FSDEV_MULTIDEVS_WARN;
    dev->readonly = options->has_readonly && options->readonly;
    dev->writeout = options->has_writeout;
    dev->fmode = FMODE;
    dev->dmode = DMODE;
    if ((options->fmode || options->dmode) && !fsdev_is_mapped(dev)) {
        error_set(errp,
                  "fmode= and dmode= are for mapped models: with security_model=%s files have the "
                  "modes that the guest gives them",
                  FsdevSecurityModel_str(dev->model));
        return false;
    }
    return parse_mode("fmode", options->fmode, &dev->fmode, errp) &&
           parse_mode("dmode", options->dmode, &dev->dmode, errp);
}

/* ---- the folder ---- */

static bool open_root(FsDev *dev, GError **errp)
{
    const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_BENEATH };
    char proc[40];
    long fd;

    dev->root = open(dev->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dev->root < 0) {
        error_set_errno(errp, errno, "the folder path=%s cannot be opened", dev->path);
        return false;
    }
    fd = syscall(SYS_openat2, dev->root, ".", &how, sizeof(how));
    if (fd < 0) {
        error_set_errno(errp, errno,
                        "a guest cannot be kept in a folder on this host: it has no openat2(), "
                        "which Linux 5.6 has");
        return false;
    }
    close((int)fd);
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d/.", dev->root);
    if (access(proc, F_OK) < 0) {
        error_set_errno(errp, errno, "folders cannot be shared: /proc must be mounted");
        return false;
    }
    return true;
}

/* Are there extended attributes, which the model needs? */
static bool check_xattr(const FsDev *dev, GError **errp)
{
    char proc[40], value[4];

    if (!fsdev_is_mapped(dev) || dev->model == FSDEV_SECURITY_MODEL_MAPPED_FILE) {
        return true;
    }
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", dev->root);
    if (getxattr(proc, "user.virtfs.uid", value, sizeof(value)) < 0 && errno == EOPNOTSUPP) {
        error_set(errp,
                  "the file system of %s has no extended attributes (user.*), which "
                  "security_model=mapped-xattr needs; mapped-file does without",
                  dev->path);
        return false;
    }
    return true;
}

FsDev *fsdev_add(const FsdevOptions *options, GError **errp)
{
    FsDev *dev;

    if (!check_options(options, errp)) {
        return NULL;
    }
    dev = g_new0(FsDev, 1);
    dev->root = -1;
    if (!take_options(dev, options, errp) || !open_root(dev, errp) || !check_xattr(dev, errp)) {
        fsdev_free(dev);
        return NULL;
    }
    if (!devs) {
        devs = g_ptr_array_new_with_free_func(fsdev_free);
    }
    g_ptr_array_add(devs, dev);
    return dev;
}
