/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-crypto: ciphers of the host for the guest (Virtio 1.2, section 5.9). The last queue makes
 * and ends sessions, which have a key; on the others are requests that name one. Lengths that a
 * request says are compared with what its buffer has, and with MAX_SIZE.
 */
#include <inttypes.h>
#include <string.h>

#include "backends/cryptodev.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"
#include "util/units.h"

#define TYPE_VIRTIO_CRYPTO "virtio-crypto-device"

enum { DATA_QUEUE = 1024, CONTROL_QUEUE = 64, SESSIONS = 256, CONFIG_SIZE = 56 };

#define MAX_SIZE     (256u * 1024) /* bytes of one request's data */
#define BYTES_A_TURN (1024u * 1024)

enum { STATUS_READY = 1 };
enum { SERVICE_CIPHER = 0 };

/* Opcodes: service << 8, and what (sections 5.9.7.2, 5.9.7.4). */
enum {
    CIPHER_ENCRYPT = 0x00,
    CIPHER_DECRYPT = 0x01,
    CIPHER_CREATE_SESSION = 0x02,
    CIPHER_DESTROY_SESSION = 0x03,
};
enum { SYM_CIPHER = 1 };
enum { STATUS_OK, STATUS_ERR, STATUS_BADMSG, STATUS_NOTSUPP, STATUS_INVSESS, STATUS_NOSPC };

typedef struct CreateRequest {
    uint32_t opcode, algo, flags, queue;
    uint32_t cipher, key_len, direction, padding;
    uint8_t more[32];
    uint32_t kind, padding2;
} CreateRequest;

typedef struct DestroyRequest {
    uint32_t opcode, algo, flags, queue;
    uint64_t session;
    uint8_t more[48];
} DestroyRequest;

typedef struct CreateAnswer {
    uint64_t session;
    uint32_t status, padding;
} CreateAnswer;

typedef struct DataRequest {
    uint32_t opcode, algo;
    uint64_t session;
    uint32_t flags, padding;
    uint32_t iv_len, src_len, dst_len, padding2;
    uint8_t more[24];
    uint32_t kind, padding3;
} DataRequest;

G_STATIC_ASSERT(sizeof(CreateRequest) == 72 && sizeof(DestroyRequest) == 72);
G_STATIC_ASSERT(sizeof(DataRequest) == 72 && sizeof(CreateAnswer) == 16);

typedef struct CryptoSession {
    uint32_t cipher; /* 0: there is none */
    uint32_t key_len;
    uint8_t key[CRYPTODEV_KEY_MAX];
} CryptoSession;

typedef struct VirtioCrypto {
    VirtioDevice parent;
    /* configuration */
    Object *cryptodev; /* property: link<cryptodev-backend> */
    /* state */
    CryptoSession sessions[SESSIONS]; /* by number */
} VirtioCrypto;
OBJECT_CAST_DEFINE(VirtioCrypto, VIRTIO_CRYPTO, TYPE_VIRTIO_CRYPTO)

static void config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VirtioCrypto *s = VIRTIO_CRYPTO(vdev);
    const uint32_t words[] = { STATUS_READY,
                               CRYPTODEV(s->cryptodev)->queues,
                               1u << SERVICE_CIPHER,
                               cryptodev_ciphers(),
                               0, /* more ciphers */
                               0, /* hashes */
                               0,
                               0, /* MACs */
                               0, /* AEAD */
                               CRYPTODEV_KEY_MAX,
                               0, /* authentication keys */
                               0, /* asymmetric ciphers */
                               MAX_SIZE,
                               0 };

    G_STATIC_ASSERT(sizeof(words) == CONFIG_SIZE);
    memcpy(config, words, sizeof(words));
}

/* ---- sessions ---- */

static uint32_t create(VirtioCrypto *s, const VirtqElement *element, const CreateRequest *request,
                       uint64_t *number)
{
    CryptoSession *session = s->sessions;

    if (request->kind != SYM_CIPHER || !cryptodev_check_key(request->cipher, request->key_len)) {
        return STATUS_NOTSUPP;
    }
    for (*number = 0; *number < SESSIONS && session->cipher; ++*number) {
        session++;
    }
    if (*number == SESSIONS) {
        return STATUS_NOSPC;
    }
    if (virtq_read(element, sizeof(*request), session->key, request->key_len) != request->key_len) {
        explicit_bzero(session->key, sizeof(session->key));
        return STATUS_BADMSG;
    }
    session->cipher = request->cipher;
    session->key_len = request->key_len;
    return STATUS_OK;
}

static uint8_t destroy(VirtioCrypto *s, uint64_t number)
{
    if (number >= SESSIONS || !s->sessions[number].cipher) {
        return STATUS_INVSESS;
    }
    explicit_bzero(&s->sessions[number], sizeof(s->sessions[number]));
    return STATUS_OK;
}

static size_t answer_create(VirtioCrypto *s, const VirtqElement *element,
                            const CreateRequest *request)
{
    CreateAnswer answer = { 0 };

    answer.status = create(s, element, request, &answer.session);
    return virtq_write(element, 0, &answer, sizeof(answer));
}

static size_t control(VirtioCrypto *s, const VirtqElement *element)
{
    CreateRequest request;
    DestroyRequest end;
    uint8_t status = STATUS_NOTSUPP;
    CreateAnswer none = { .status = STATUS_NOTSUPP };

    virtq_read(element, 0, &request, sizeof(request));
    if (request.opcode == CIPHER_CREATE_SESSION) {
        return answer_create(s, element, &request);
    }
    if (element->in_size >= sizeof(none)) { /* of another service */
        return virtq_write(element, 0, &none, sizeof(none));
    }
    if (request.opcode == CIPHER_DESTROY_SESSION) {
        virtq_read(element, 0, &end, sizeof(end));
        status = destroy(s, end.session);
    }
    return virtq_write(element, 0, &status, 1);
}

static void handle_control(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioCrypto *s = VIRTIO_CRYPTO(vdev);
    VirtqElement *element;

    for (unsigned n = 0; n < CONTROL_QUEUE && (element = virtq_pop(vq)); n++) {
        if (element->out_size < sizeof(CreateRequest) || !element->in_size) {
            virtq_unpop(vq, element);
            virtq_break(vq, "a request to make or end a session of a cipher is too short");
            break;
        }
        size_t written = control(s, element);
        virtq_push(vq, element, (uint32_t)written);
    }
    virtio_notify(vdev, vq);
    if (!virtq_is_empty(vq)) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- requests ---- */

/* The data, as @data, which has room for MAX_SIZE; @taken: as many bytes of it were read. */
static uint8_t run(VirtioCrypto *s, const VirtqElement *element, const DataRequest *request,
                   uint8_t *data, uint32_t *taken)
{
    const CryptoSession *session =
        request->session < SESSIONS ? &s->sessions[request->session] : NULL;
    bool encrypt = request->opcode == CIPHER_ENCRYPT;
    uint8_t iv[CRYPTODEV_BLOCK] = { 0 };
    uint64_t at = sizeof(*request);

    if ((!encrypt && request->opcode != CIPHER_DECRYPT) || request->kind != SYM_CIPHER) {
        return STATUS_NOTSUPP;
    }
    if (!session || !session->cipher) {
        return STATUS_INVSESS;
    }
    if (request->iv_len != cryptodev_iv_len(session->cipher) || request->src_len > MAX_SIZE ||
        request->dst_len < request->src_len || request->src_len > element->in_size - 1) {
        return STATUS_BADMSG;
    }
    *taken = (uint32_t)virtq_read(element, at + request->iv_len, data, request->src_len);
    if (virtq_read(element, at, iv, request->iv_len) != request->iv_len ||
        *taken != request->src_len) {
        return STATUS_BADMSG;
    }
    return cryptodev_run(session->cipher, encrypt, session->key, session->key_len, iv, data,
                         request->src_len)
               ? STATUS_OK
               : STATUS_BADMSG;
}

/* What it took of the turn, be it in vain. The status is the last byte that can be written. */
static uint32_t serve(VirtioCrypto *s, VirtQueue *vq, VirtqElement *element, uint8_t *data)
{
    DataRequest request;
    uint8_t status;
    uint32_t taken = 0;

    virtq_read(element, 0, &request, sizeof(request));
    status = run(s, element, &request, data, &taken);
    if (status == STATUS_OK) {
        virtq_write(element, 0, data, taken);
    }
    virtq_write(element, element->in_size - 1, &status, 1);
    virtq_push(vq, element, (uint32_t)element->in_size);
    return taken;
}

static void handle_data(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtioCrypto *s = VIRTIO_CRYPTO(vdev);
    g_autofree uint8_t *data = g_malloc(MAX_SIZE);
    VirtqElement *element;
    uint32_t done = 0;

    for (unsigned n = 0; n < DATA_QUEUE && done < BYTES_A_TURN && (element = virtq_pop(vq)); n++) {
        if (element->out_size < sizeof(DataRequest) || !element->in_size) {
            virtq_unpop(vq, element);
            virtq_break(vq, "a request to a cipher is too short");
            break;
        }
        done += serve(s, vq, element, data);
    }
    virtio_notify(vdev, vq);
    if (!virtq_is_empty(vq)) {
        virtio_queue_again(vdev, vq);
    }
}

/* ---- life ---- */

static bool crypto_realize(VirtioDevice *vdev, GError **errp)
{
    VirtioCrypto *s = VIRTIO_CRYPTO(vdev);
    Cryptodev *backend = CRYPTODEV(s->cryptodev);

    if (!backend) {
        error_set(errp, "'cryptodev' is missing: it must be the id of an object such as one made "
                        "with -object cryptodev-backend-builtin,id=ID");
        return false;
    }
    if (backend->user) {
        error_set(errp, "cryptodev '%s' belongs to another device; each needs its own",
                  s->cryptodev->name);
        return false;
    }
    backend->user = OBJECT(s);
    for (unsigned i = 0; i < backend->queues; i++) {
        virtio_add_queue(vdev, DATA_QUEUE, handle_data);
    }
    virtio_add_queue(vdev, CONTROL_QUEUE, handle_control);
    return true;
}

static void crypto_reset(VirtioDevice *vdev)
{
    VirtioCrypto *s = VIRTIO_CRYPTO(vdev);

    explicit_bzero(s->sessions, sizeof(s->sessions));
}

static void crypto_unrealize(VirtioDevice *vdev)
{
    CRYPTODEV(VIRTIO_CRYPTO(vdev)->cryptodev)->user = NULL;
}

static bool session_loaded(void *obj, GError **errp)
{
    const CryptoSession *session = obj;

    if (session->cipher && !cryptodev_check_key(session->cipher, session->key_len)) {
        error_set(errp,
                  "a session of virtio-crypto has no cipher %" PRIu32 " with a key of %" PRIu32
                  " bytes",
                  session->cipher, session->key_len);
        return false;
    }
    return true;
}

static const StateField session_fields[] = {
    STATE_UINT(CryptoSession, cipher),
    STATE_UINT(CryptoSession, key_len),
    STATE_UINTS(CryptoSession, key),
    {},
};
static const StateTable session_state = {
    .name = "crypto-session", .version = 1, .fields = session_fields, .post_load = session_loaded
};

static const StateField crypto_fields[] = {
    STATE_STRUCT(VirtioCrypto, parent, &virtio_device_state),
    STATE_STRUCTS(VirtioCrypto, sessions, &session_state),
    {},
};
static const StateTable crypto_state = { .name = "virtio-crypto",
                                         .version = 1,
                                         .fields = crypto_fields };

static const Property crypto_properties[] = {
    { .name = "cryptodev",
      .kind = PROP_LINK,
      .link_type = TYPE_CRYPTODEV,
      .offset = offsetof(VirtioCrypto, cryptodev),
      .description = "id of the object that has the ciphers" },
    { 0 },
};

static const VirtioDeviceClass crypto_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &crypto_state },
    .id = VIRTIO_ID_CRYPTO,
    .config_size = CONFIG_SIZE,
    .realize = crypto_realize,
    .unrealize = crypto_unrealize,
    .reset = crypto_reset,
    .config_read = config_read,
};

static const ObjectType crypto_type = {
    .name = TYPE_VIRTIO_CRYPTO,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "ciphers for the guest",
    .instance_size = sizeof(VirtioCrypto),
    .properties = crypto_properties,
    .ops = &crypto_ops,
};
OBJECT_TYPE_REGISTER(crypto_type)

static const VirtioPciClass crypto_pci = VIRTIO_PCI_CLASS("misc", 0x00ff, 2);
VIRTIO_PCI_MODERN_TYPE(crypto, "virtio-crypto", TYPE_VIRTIO_CRYPTO, &crypto_pci,
                       "ciphers for the guest")
