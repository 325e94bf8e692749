/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ccid-card-emulated: a card that libcacard plays, with certificates of a data base of NSS, or one
 * in a reader of the host that NSS knows. The library is one for the whole program: it is told once
 * what there is, and cannot be told anew.
 *
 * Commands may take long (they sign), so that a thread works on them; another one hears of cards
 * that come and go. Neither takes the machine lock; what they find is told in the main loop.
 */
#include <libcacard.h>
#include <string.h>

#include "hw/core/save-check.h"
#include "hw/usb/ccid.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/main-loop.h"

#define TYPE_CCID_EMULATED "ccid-card-emulated"

enum { NSS_EMULATED, CERTIFICATES };
enum { CERTIFICATE_COUNT = 3, COMMAND_MIN = 4, ANSWER_MAX = 258 };

/* What threads know of the card: it may go while something is on its way. */
typedef struct Link {
    struct CcidEmulated *card; /* machine lock; NULL: it has gone */
    Loop *loop;                /* carries out commands */
    VReader *reader;           /* of that thread; NULL: there is none yet */
    gint newest;               /* the number of the last command; atomic */
} Link;

typedef struct CcidEmulated {
    CcidCard parent;
    /* configuration */
    int backend;
    char *db;
    char *certificates[CERTIFICATE_COUNT];
    uint8_t debug;
    /* wiring: a machine with its card is not saved */
    Link *link; /* NULL: it is not realized */
    GThread *listener;
    unsigned number; /* of the last command */
} CcidEmulated;
OBJECT_CAST_DEFINE(CcidEmulated, CCID_EMULATED, TYPE_CCID_EMULATED)

static char *told; /* the library; NULL: nothing yet */
static bool taken; /* there is a card */

/* Something that the thread does, and then the main loop. */
typedef struct Job {
    Link *link;
    unsigned number, size;
    uint8_t data[CCID_APDU_MAX];
} Job;

static Job *job_new(Link *link)
{
    Job *job = g_new0(Job, 1);

    job->link = g_atomic_rc_box_acquire(link);
    return job;
}

static void job_free(Job *job)
{
    g_atomic_rc_box_release(job->link);
    g_free(job);
}

/* ---- cards come and go ---- */

static void present(void *opaque)
{
    Job *job = opaque;

    if (job->link->card) {
        ccid_card_present(&job->link->card->parent, job->data, job->size);
    }
    job_free(job);
}

static void power_on(void *opaque)
{
    Job *job = opaque;
    int size = CCID_ATR_MAX;

    if (!job->link->reader || vreader_power_on(job->link->reader, job->data, &size) != VREADER_OK) {
        size = 0;
    }
    job->size = (unsigned)CLAMP(size, 0, (int)CCID_ATR_MAX);
    main_loop_schedule(present, job);
}

/* Behind what the thread still does for the card that has gone. */
static void absent(void *opaque)
{
    main_loop_schedule(present, opaque);
}

typedef struct ReaderJob {
    Link *link;
    VReader *reader;
} ReaderJob;

/* The first one is the guest's. */
static void take_reader(void *opaque)
{
    ReaderJob *job = opaque;

    if (!job->link->reader) {
        job->link->reader = job->reader;
    } else {
        vreader_free(job->reader);
    }
    g_atomic_rc_box_release(job->link);
    g_free(job);
}

static void drop_reader(void *opaque)
{
    ReaderJob *job = opaque;

    if (job->link->reader == job->reader) {
        g_clear_pointer(&job->link->reader, vreader_free);
    }
    vreader_free(job->reader);
    g_atomic_rc_box_release(job->link);
    g_free(job);
}

static void reader_job(Link *link, VReader *reader, void (*fn)(void *opaque))
{
    ReaderJob *job = g_new(ReaderJob, 1);

    *job = (ReaderJob){ g_atomic_rc_box_acquire(link), vreader_reference(reader) };
    loop_call(link->loop, fn, job);
}

static gpointer listen_to_library(gpointer opaque)
{
    Link *link = opaque;
    bool last = false;

    while (!last) {
        VEvent *event = vevent_wait_next_vevent();

        switch (event->type) {
        case VEVENT_READER_INSERT:
            reader_job(link, event->reader, take_reader);
            break;
        case VEVENT_CARD_INSERT:
            reader_job(link, event->reader, take_reader); /* which one that is replayed has not */
            loop_call(link->loop, power_on, job_new(link));
            break;
        case VEVENT_CARD_REMOVE:
            loop_call(link->loop, absent, job_new(link));
            break;
        case VEVENT_READER_REMOVE:
            reader_job(link, event->reader, drop_reader);
            loop_call(link->loop, absent, job_new(link));
            break;
        default:
            last = true;
            break;
        }
        vevent_delete(event);
    }
    return NULL;
}

/* ---- commands ---- */

static void answer(void *opaque)
{
    Job *job = opaque;
    CcidEmulated *s = job->link->card;

    if (s && job->number == s->number) {
        ccid_card_answer(&s->parent, job->data, job->size);
    }
    job_free(job);
}

static void carry_out(void *opaque)
{
    static const uint8_t failed[] = { 0x6f, 0x00 }, wrong_length[] = { 0x67, 0x00 };
    Job *job = opaque;
    uint8_t found[ANSWER_MAX];
    int size = sizeof(found);

    /* A guest that resets the reader gives another without a wait. */
    if (job->number != (unsigned)g_atomic_int_get(&job->link->newest)) {
        size = 0;
    } else if (job->size < COMMAND_MIN) {
        memcpy(found, wrong_length, size = sizeof(wrong_length));
    } else if (!job->link->reader || vreader_xfr_bytes(job->link->reader, job->data, (int)job->size,
                                                       found, &size) != VREADER_OK) {
        memcpy(found, failed, size = sizeof(failed));
    }
    job->size = (unsigned)CLAMP(size, 0, ANSWER_MAX);
    memcpy(job->data, found, job->size);
    main_loop_schedule(answer, job);
}

static void command(CcidCard *card, const uint8_t *data, unsigned size)
{
    CcidEmulated *s = CCID_EMULATED(card);
    Job *job = job_new(s->link);

    job->number = ++s->number;
    g_atomic_int_set(&s->link->newest, (gint)job->number);
    job->size = MIN(size, CCID_APDU_MAX);
    memcpy(job->data, data, job->size);
    loop_call(s->link->loop, carry_out, job);
}

/* ---- life ---- */

static bool check_save(void *opaque, GError **errp)
{
    const CcidEmulated *s = opaque;

    if (s->parent.atr_size) {
        error_set(errp, "the reader has a card of the host, which stays there: start the machine "
                        "without ccid-card-emulated");
        return false;
    }
    return true;
}

/* Is it a name that can stand in what the library is told? */
static bool check_name(const char *option, const char *name, const char * not, GError **errp)
{
    const char *at = name ? strpbrk(name, not ) : NULL;

    if (at) {
        error_set(errp, "%s=%s: '%c' cannot be part of it", option, name, *at);
    }
    return !at;
}

/* What the library is told; NULL with an error. */
static char *library_options(const CcidEmulated *s, GError **errp)
{
    static const char *const names[] = { "cert1", "cert2", "cert3" };
    g_autofree char *db = s->db ? g_strdup_printf("db=\"%s\"", s->db) : g_strdup("");

    if (!check_name("db", s->db, "\"", errp)) {
        return NULL;
    }
    for (unsigned i = 0; i < CERTIFICATE_COUNT; i++) {
        if (s->backend == CERTIFICATES && !s->certificates[i]) {
            error_set(errp,
                      "backend=certificates: %s= is missing, the name of a certificate; there are "
                      "cert1=, cert2= and cert3=",
                      names[i]);
            return NULL;
        }
        if (s->backend != CERTIFICATES && s->certificates[i]) {
            error_set(errp, "%s= is for backend=certificates", names[i]);
            return NULL;
        }
        if (!check_name(names[i], s->certificates[i], ",()\"", errp)) {
            return NULL;
        }
    }
    if (s->backend == CERTIFICATES) {
        return g_strdup_printf("%s use_hw=no soft=(,Virtual Reader,CAC,,%s,%s,%s)", db,
                               s->certificates[0], s->certificates[1], s->certificates[2]);
    }
    return g_steal_pointer(&db);
}

static bool begin_library(const CcidEmulated *s, GError **errp)
{
    g_autofree char *text = library_options(s, errp);
    VCardEmulOptions *options = NULL;

    if (!text) {
        return false;
    }
    if (told && strcmp(told, text) != 0) {
        error_set(errp,
                  "there was a ccid-card-emulated with other options, and they stay until the "
                  "program ends");
        return false;
    }
    if (told) {
        vcard_emul_replay_insertion_events();
        return true;
    }
    if (*text && !(options = vcard_emul_options(text))) {
        error_set(errp, "libcacard does not understand '%s'", text);
        return false;
    }
    if (vcard_emul_init(options) != VCARD_EMUL_OK) {
        error_set(errp,
                  "NSS cannot open the data base '%s', or it has none of the certificates; "
                  "certutil makes both",
                  s->db ? s->db : "/etc/pki/nssdb");
        return false;
    }
    told = g_steal_pointer(&text);
    return true;
}

static bool emulated_realize(Device *dev, GError **errp)
{
    CcidEmulated *s = CCID_EMULATED(dev);
    Loop *loop;

    if (taken) {
        error_set(errp, "there is a ccid-card-emulated already; a machine has one at most");
        return false;
    }
    if (!begin_library(s, errp) || !(loop = loop_new("smart card", errp))) {
        return false;
    }
    taken = true;
    s->link = g_atomic_rc_box_new0(Link);
    s->link->card = s;
    s->link->loop = loop;
    s->listener = g_thread_new("smart cards", listen_to_library, s->link);
    save_check_add(check_save, s);
    return true;
}

static void forget_reader(void *opaque)
{
    Link *link = opaque;

    g_clear_pointer(&link->reader, vreader_free);
}

static void emulated_unrealize(Device *dev)
{
    CcidEmulated *s = CCID_EMULATED(dev);

    save_check_remove(check_save, s);
    vevent_queue_vevent(vevent_new(VEVENT_LAST, NULL, NULL));
    g_atomic_int_set(&s->link->newest, (gint)++s->number); /* what was not begun is not done */
    g_thread_join(s->listener);
    loop_run(s->link->loop, forget_reader, s->link);
    g_clear_pointer(&s->link->loop, loop_free);
    s->link->card = NULL;
    g_clear_pointer(&s->link, g_atomic_rc_box_release);
    taken = false;
}

static const CcidCardClass emulated_ops = {
    .device = { .category = "input",
                .bus = TYPE_CCID_BUS,
                .flags = DEVICE_USER_CREATABLE,
                .realize = emulated_realize,
                .unrealize = emulated_unrealize },
    .command = command,
};

static const char *const backends[] = {
    [NSS_EMULATED] = "nss-emulated", [CERTIFICATES] = "certificates", NULL
};

#define CERTIFICATE(NAME, NUMBER)                                        \
    {                                                                    \
        .name = (NAME), .kind = PROP_STRING,                             \
        .offset = offsetof(CcidEmulated, certificates[(NUMBER)]),        \
        .description = "backend=certificates: the name of a certificate" \
    }

static const Property emulated_properties[] = {
    { .name = "backend",
      .kind = PROP_ENUM,
      .offset = offsetof(CcidEmulated, backend),
      .enum_names = backends,
      .has_default = true,
      .default_int = NSS_EMULATED,
      .description = "whose card: one in a reader of the host, or one of certificates" },
    { .name = "db",
      .kind = PROP_STRING,
      .offset = offsetof(CcidEmulated, db),
      .description = "folder of the data base of NSS (/etc/pki/nssdb); sql:FOLDER" },
    CERTIFICATE("cert1", 0),
    CERTIFICATE("cert2", 1),
    CERTIFICATE("cert3", 2),
    { .name = "debug",
      .kind = PROP_UINT8,
      .offset = offsetof(CcidEmulated, debug),
      .description = "accepted, without effect" },
    { 0 },
};

static const ObjectType emulated_type = {
    .name = TYPE_CCID_EMULATED,
    .parent = TYPE_CCID_CARD,
    .description = "a smart card of the host, or of certificates",
    .instance_size = sizeof(CcidEmulated),
    .properties = emulated_properties,
    .ops = &emulated_ops,
};
OBJECT_TYPE_REGISTER(emulated_type)
