/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/secret.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto/cipher.h"
#include "util/error.h"
#include "util/file-read.h"

/* More than any key or password; a file that is longer was named by mistake. */
#define MAX_SECRET (1u << 20)

typedef enum SecretFormat { SECRET_RAW, SECRET_BASE64 } SecretFormat;

static const char *const format_names[] = { "raw", "base64", NULL };

/* What both types have. */
typedef struct Secret {
    Object parent;
    /* properties */
    char *keyid, *iv; /* the secret that is the key, and the initial vector in base64; or NULL */
    int format;       /* SecretFormat */
    /* made by `complete` */
    uint8_t *bytes;
    size_t size;
    bool loaded;
} Secret;
OBJECT_CAST_DEFINE(Secret, SECRET, TYPE_SECRET_COMMON)

typedef struct SecretOps {
    bool (*read)(Secret *secret, GError **errp); /* into bytes and size */
} SecretOps;

typedef struct SecretGiven {
    Secret parent;
    char *data, *file; /* properties */
} SecretGiven;
OBJECT_CAST_DEFINE(SecretGiven, SECRET_GIVEN, "secret")

typedef struct SecretKeyring {
    Secret parent;
    int32_t serial; /* property; 0: none */
} SecretKeyring;
OBJECT_CAST_DEFINE(SecretKeyring, SECRET_KEYRING, "secret_keyring")

static void forget(void *bytes, size_t size)
{
    if (bytes) {
        explicit_bzero(bytes, size);
    }
}

static bool read_given(Secret *secret, GError **errp)
{
    const SecretGiven *given = SECRET_GIVEN(secret);
    g_autoptr(GError) err = NULL;

    if (!given->data == !given->file) {
        error_set(errp,
                  "a secret needs %s data= and file=", given->data ? "only one of" : "one of");
        return false;
    }
    if (given->data) {
        secret->bytes = (uint8_t *)g_strdup(given->data);
        secret->size = strlen(given->data);
        return true;
    }
    if (!file_read(given->file, MAX_SECRET, (char **)&secret->bytes, &secret->size, &err)) {
        error_set(errp, "file=%s: %s", given->file, err->message);
        return false;
    }
    return true;
}

static long read_key(int32_t serial, void *bytes, size_t size)
{
    return syscall(SYS_keyctl, KEYCTL_READ, serial, bytes, size);
}

static bool read_keyring(Secret *secret, GError **errp)
{
    const int32_t serial = SECRET_KEYRING(secret)->serial;
    long size = serial ? read_key(serial, NULL, 0) : 0;

    if (!serial) {
        error_set(errp, "serial= is missing: the number of a key, as `keyctl add` tells it");
        return false;
    }
    if (size >= 0 && size <= MAX_SECRET) {
        secret->bytes = g_malloc0((size_t)size + 1);
        secret->size = (size_t)size;
        size = read_key(serial, secret->bytes, secret->size);
    }
    if (size < 0) {
        error_set_errno(errp, errno, "serial=%" PRId32 ": the key cannot be read", serial);
        return false;
    }
    if ((size_t)size != secret->size) { /* another one by now, or none that is of use */
        error_set(errp, "serial=%" PRId32 " has %d bytes: the most is %u", serial, (int)size,
                  MAX_SECRET);
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

/* ---- encrypted ones ---- */

const uint8_t *secret_lookup(const char *id, size_t *size, GError **errp)
{
    Object *obj = object_child(object_container("/objects"), id);
    const Secret *secret;

    if (!obj || !object_is_a(obj, TYPE_SECRET_COMMON)) {
        error_set(errp,
                  "there is no secret with the id '%s'; make it with -object secret,id=%s,...", id,
                  id);
        return NULL;
    }
    secret = SECRET(obj);
    if (!secret->loaded) {
        error_set(errp, "the secret '%s' is not there yet", id);
        return NULL;
    }
    *size = secret->size;
    return secret->bytes;
}

static bool decode_iv(const char *text, uint8_t iv[CIPHER_BLOCK], GError **errp)
{
    g_autofree guchar *bytes = NULL;
    size_t size;

    if (!base64_wellformed(text)) {
        error_set(errp, "iv is not in base64: letters, digits, '+' and '/' in groups of four, "
                        "padded with '='");
        return false;
    }
    bytes = g_base64_decode(text, &size);
    if (size != CIPHER_BLOCK) {
        error_set(errp, "iv has %zu bytes; the initial vector has %d, in base64", size,
                  CIPHER_BLOCK);
        return false;
    }
    memcpy(iv, bytes, size);
    return true;
}

static bool secret_decrypt(Secret *secret, GError **errp)
{
    uint8_t iv[CIPHER_BLOCK];
    const uint8_t *key;
    size_t key_size;

    if (!secret->iv) {
        error_set(errp, "keyid=%s needs iv, the initial vector in base64", secret->keyid);
        return false;
    }
    key = secret_lookup(secret->keyid, &key_size, errp);
    if (!key) {
        g_prefix_error(errp, "keyid=%s: ", secret->keyid);
        return false;
    }
    if (key_size != CIPHER_KEY_SIZE) {
        error_set(errp, "keyid=%s: that secret has %zu bytes; a key has %d", secret->keyid,
                  key_size, CIPHER_KEY_SIZE);
        return false;
    }
    return decode_iv(secret->iv, iv, errp) &&
           cipher_decrypt(key, iv, secret->bytes, &secret->size, errp);
}

static bool secret_complete(Object *obj, GError **errp)
{
    Secret *secret = SECRET(obj);

    const SecretOps *ops = object_type_ops(obj->type);

    secret->loaded = ops->read(secret, errp) &&
                     (secret->format == SECRET_RAW || secret_decode(secret, errp)) &&
                     (!secret->keyid || secret_decrypt(secret, errp));
    return secret->loaded;
}

static void secret_finalize(Object *obj)
{
    Secret *secret = SECRET(obj);

    forget(secret->bytes, secret->size);
    g_free(secret->bytes);
}

static void given_finalize(Object *obj)
{
    const SecretGiven *given = SECRET_GIVEN(obj);

    if (given->data) {
        forget(given->data, strlen(given->data));
    }
}

/* `data` can be set, and is not told to anyone. */
static struct json_object *secret_get_data(Object *obj, const Property *prop, GError **errp)
{
    error_set(errp, "a secret's data is not shown");
    return NULL;
}

static const Property secret_properties[] = {
    { .name = "format",
      .kind = PROP_ENUM,
      .offset = offsetof(Secret, format),
      .enum_names = format_names,
      .custom_type = "QCryptoSecretFormat",
      .has_default = true,
      .default_int = SECRET_RAW,
      .description = "how it is written" },
    { .name = "keyid",
      .kind = PROP_STRING,
      .offset = offsetof(Secret, keyid),
      .description = "id of the secret of 32 bytes that it is encrypted with (AES-256-CBC)" },
    { .name = "iv",
      .kind = PROP_STRING,
      .offset = offsetof(Secret, iv),
      .description = "initial vector of the encryption, 16 bytes in base64" },
    { .name = "loaded",
      .kind = PROP_BOOL,
      .offset = offsetof(Secret, loaded),
      .read_only = true,
      .description = "it can be used" },
    { 0 },
};

static const ObjectType secret_type = {
    .name = TYPE_SECRET_COMMON,
    .parent = "object",
    .instance_size = sizeof(Secret),
    .abstract = true,
    .properties = secret_properties,
    .finalize = secret_finalize,
    .complete = secret_complete,
};
OBJECT_TYPE_REGISTER(secret_type)

static const Property given_properties[] = {
    { .name = "data",
      .kind = PROP_STRING,
      .offset = offsetof(SecretGiven, data),
      .get = secret_get_data,
      .description = "the secret itself" },
    { .name = "file",
      .kind = PROP_STRING,
      .offset = offsetof(SecretGiven, file),
      .description = "file that holds the secret" },
    { 0 },
};

static const SecretOps given_ops = { .read = read_given };

static const ObjectType given_type = {
    .name = "secret",
    .parent = TYPE_SECRET_COMMON,
    .description = "a password or key that other objects name",
    .instance_size = sizeof(SecretGiven),
    .user_creatable = true,
    .properties = given_properties,
    .ops = &given_ops,
    .finalize = given_finalize,
};
OBJECT_TYPE_REGISTER(given_type)

static const Property keyring_properties[] = {
    { .name = "serial",
      .kind = PROP_INT32,
      .offset = offsetof(SecretKeyring, serial),
      .description = "number of the key, as keyctl tells it" },
    { 0 },
};

static const SecretOps keyring_ops = { .read = read_keyring };

static const ObjectType keyring_type = {
    .name = "secret_keyring",
    .parent = TYPE_SECRET_COMMON,
    .description = "a password or key in a keyring of the host's kernel",
    .instance_size = sizeof(SecretKeyring),
    .user_creatable = true,
    .properties = keyring_properties,
    .ops = &keyring_ops,
};
OBJECT_TYPE_REGISTER(keyring_type)
