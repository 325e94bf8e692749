/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "secret": a password or key that other objects name by its id. Given as `data`, or better in a
 * `file`, as it is or in base64. It is never shown again.
 */
#include <string.h>

#include "qom/object.h"
#include "util/error.h"

/* More than any key or password; a file that is longer was named by mistake. */
#define MAX_SECRET (1u << 20)

typedef enum SecretFormat { SECRET_RAW, SECRET_BASE64 } SecretFormat;

static const char *const format_names[] = { "raw", "base64", NULL };

typedef struct Secret {
    Object parent;
    /* properties */
    char *data, *file;
    int format; /* SecretFormat */
    /* made by `complete` */
    uint8_t *bytes;
    size_t size;
} Secret;

static void forget(void *bytes, size_t size)
{
    if (bytes) {
        explicit_bzero(bytes, size);
    }
}

static bool secret_read(Secret *secret, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (!secret->data == !secret->file) {
        error_set(errp,
                  "a secret needs %s data= and file=", secret->data ? "only one of" : "one of");
        return false;
    }
    if (secret->data) {
        secret->bytes = (uint8_t *)g_strdup(secret->data);
        secret->size = strlen(secret->data);
        return true;
    }
    if (!g_file_get_contents(secret->file, (char **)&secret->bytes, &secret->size, &err)) {
        error_set(errp, "file=%s: %s", secret->file, err->message);
        return false;
    }
    if (secret->size > MAX_SECRET) {
        error_set(errp, "file=%s has %zu bytes, too many for a secret: the most is %u",
                  secret->file, secret->size, MAX_SECRET);
        return false;
    }
    return true;
}

/* Only what base64 consists of: g_base64_decode() passes over everything else. */
static bool base64_wellformed(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = strspn(text + len, "=");

    return pad <= 2 && text[len + pad] == '\0' && (len + pad) % 4 == 0;
}

static bool secret_decode(Secret *secret, GError **errp)
{
    g_autofree char *text = g_strndup((char *)secret->bytes, secret->size);
    bool ok = base64_wellformed(g_strchomp(text));

    forget(secret->bytes, secret->size);
    if (ok) {
        g_free(secret->bytes);
        secret->bytes = g_base64_decode(text, &secret->size);
    } else {
        error_set(errp, "the secret is not in base64: letters, digits, '+' and '/' in groups of "
                        "four, padded with '='; or use format=raw");
    }
    forget(text, strlen(text));
    return ok;
}

static bool secret_complete(Object *obj, GError **errp)
{
    Secret *secret = (Secret *)obj;

    return secret_read(secret, errp) &&
           (secret->format == SECRET_RAW || secret_decode(secret, errp));
}

static void secret_finalize(Object *obj)
{
    Secret *secret = (Secret *)obj;

    forget(secret->bytes, secret->size);
    g_free(secret->bytes);
    if (secret->data) {
        forget(secret->data, strlen(secret->data));
    }
}

/* `data` can be set, and is not told to anyone. */
static struct json_object *secret_get_data(Object *obj, const Property *prop, GError **errp)
{
    error_set(errp, "a secret's data is not shown");
    return NULL;
}

static const Property secret_properties[] = {
    { .name = "data",
      .kind = PROP_STRING,
      .offset = offsetof(Secret, data),
      .get = secret_get_data,
      .description = "the secret itself" },
    { .name = "file",
      .kind = PROP_STRING,
      .offset = offsetof(Secret, file),
      .description = "file that holds the secret" },
    { .name = "format",
      .kind = PROP_ENUM,
      .offset = offsetof(Secret, format),
      .enum_names = format_names,
      .has_default = true,
      .default_int = SECRET_RAW,
      .description = "how it is written" },
    { 0 },
};

static const ObjectType secret_type = {
    .name = "secret",
    .parent = "object",
    .description = "a password or key that other objects name",
    .instance_size = sizeof(Secret),
    .user_creatable = true,
    .properties = secret_properties,
    .finalize = secret_finalize,
    .complete = secret_complete,
};
OBJECT_TYPE_REGISTER(secret_type)
