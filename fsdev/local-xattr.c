/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Extended attributes, and owners that are kept in them: little-endian numbers, "user.virtfs.uid",
 * "gid" and "mode" with 4 bytes, "rdev" with 8. Those are never the guest's.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>

#include "fsdev/local-internal.h"

#define VALUE_MAX 65536 /* XATTR_SIZE_MAX, and XATTR_LIST_MAX */

/* ---- owners ---- */

static const struct OwnerAttribute {
    const char *name;
    unsigned which;
    size_t offset, size;
} attributes[] = {
    { LOCAL_MAP_PREFIX "uid", LOCAL_UID, offsetof(LocalOwner, uid), 4 },
    { LOCAL_MAP_PREFIX "gid", LOCAL_GID, offsetof(LocalOwner, gid), 4 },
    { LOCAL_MAP_PREFIX "mode", LOCAL_MODE, offsetof(LocalOwner, mode), 4 },
    { LOCAL_MAP_PREFIX "rdev", LOCAL_RDEV, offsetof(LocalOwner, rdev), 8 },
};

/* The host is little-endian, too. */
static int xattr_load(const FsDev *dev, const LocalPlace *place, LocalOwner *owner, unsigned *which)
{
    LocalPath path = local_path(place->fd);

    *which = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(attributes); i++) {
        const struct OwnerAttribute *a = &attributes[i];

        if (a->which == LOCAL_RDEV &&
            (!(*which & LOCAL_MODE) || !(S_ISCHR(owner->mode) || S_ISBLK(owner->mode)))) {
            continue;
        }
        if (getxattr(path.text, a->name, (char *)owner + a->offset, a->size) == (ssize_t)a->size) {
            *which |= a->which;
        }
    }
    return 0;
}

static int xattr_store(const FsDev *dev, const LocalPlace *place, const LocalOwner *owner,
                       unsigned which)
{
    LocalPath path = local_path(place->fd);

    for (unsigned i = 0; i < G_N_ELEMENTS(attributes); i++) {
        const struct OwnerAttribute *a = &attributes[i];

        if (which & a->which &&
            setxattr(path.text, a->name, (const char *)owner + a->offset, a->size, 0) < 0) {
            return -errno;
        }
    }
    return 0;
}

const LocalMap local_map_xattr = { .load = xattr_load, .store = xattr_store };

/* ---- the guest's names and the host's ---- */

#define ACL_PREFIX "system.posix_acl_"

/* What the attribute @name is called on the host, g_free; NULL: the guest can have none of this
 * name. */
static char *host_name(const FsDev *dev, const char *name)
{
    if (!fsdev_is_mapped(dev)) {
        return g_strdup(name);
    }
    if (local_map(dev) == &local_map_xattr && g_str_has_prefix(name, ACL_PREFIX)) {
        return g_strconcat(LOCAL_MAP_PREFIX, name, NULL);
    }
    return g_str_has_prefix(name, "user.") && !g_str_has_prefix(name, LOCAL_MAP_PREFIX)
               ? g_strdup(name)
               : NULL;
}

/* The reverse, in place; NULL: the guest does not see it. */
static const char *guest_name(const FsDev *dev, const char *name)
{
    if (!fsdev_is_mapped(dev)) {
        return name;
    }
    if (local_map(dev) == &local_map_xattr && g_str_has_prefix(name, LOCAL_MAP_PREFIX ACL_PREFIX)) {
        return name + strlen(LOCAL_MAP_PREFIX);
    }
    return g_str_has_prefix(name, "user.") && !g_str_has_prefix(name, LOCAL_MAP_PREFIX) ? name
                                                                                        : NULL;
}

/* ---- the guest's attributes ---- */

char *local_list_xattr(const FsDev *dev, const LocalPlace *place, ssize_t *size)
{
    g_autofree char *all = g_malloc(VALUE_MAX);
    ssize_t len = listxattr(local_path(place->fd).text, all, VALUE_MAX);
    GString *names;

    if (len < 0) {
        *size = -errno;
        return NULL;
    }
    names = g_string_sized_new((gsize)len + 1);
    for (ssize_t at = 0; at < len; at += (ssize_t)strlen(all + at) + 1) {
        const char *name = guest_name(dev, all + at);

        if (name) {
            g_string_append_len(names, name, (gssize)strlen(name) + 1);
        }
    }
    *size = (ssize_t)names->len;
    return g_string_free(names, FALSE);
}

char *local_get_xattr(const FsDev *dev, const LocalPlace *place, const char *name, ssize_t *size)
{
    g_autofree char *real = host_name(dev, name), *value = g_malloc(VALUE_MAX);

    *size = real ? getxattr(local_path(place->fd).text, real, value, VALUE_MAX) : -1;
    if (*size < 0) {
        *size = real ? -errno : -EOPNOTSUPP;
        return NULL;
    }
    return g_realloc(g_steal_pointer(&value), (gsize)*size + 1);
}

int local_set_xattr(const FsDev *dev, const LocalPlace *place, const char *name, const void *value,
                    size_t size, int flags)
{
    g_autofree char *real = host_name(dev, name);

    if (dev->readonly) {
        return -EROFS;
    }
    if (!real) {
        return -EOPNOTSUPP;
    }
    return setxattr(local_path(place->fd).text, real, value, size, flags) < 0 ? -errno : 0;
}

int local_remove_xattr(const FsDev *dev, const LocalPlace *place, const char *name)
{
    g_autofree char *real = host_name(dev, name);

    if (dev->readonly) {
        return -EROFS;
    }
    if (!real) {
        return -EOPNOTSUPP;
    }
    return removexattr(local_path(place->fd).text, real) < 0 ? -errno : 0;
}
