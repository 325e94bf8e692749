/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -audiodev, and -audio, which makes the card as well. */
#include <string.h>

#include "audio/audio.h"
#include "hw/core/device.h"
#include "system/options-more.h"
#include "util/error.h"
#include "util/keyval.h"

/* What -audio calls a card, and the devices that it consists of, of which the last one sounds. */
typedef struct SoundCard {
    const char *name, *what;
    const char *types[2];
} SoundCard;

static const SoundCard cards[] = {
    { "ac97", "Intel 82801AA, AC97", { "AC97" } },
    { "es1370", "Ensoniq AudioPCI ES1370", { "ES1370" } },
    { "hda", "HD audio: a controller and a codec", { "intel-hda", "hda-duplex" } },
    { "sb16", "Sound Blaster 16", { "sb16" } },
};

/* One of these, and where its sound goes. */
typedef struct SoundRequest {
    const SoundCard *card;
    char *audiodev;
} SoundRequest;

static void sound_request_free(gpointer data)
{
    SoundRequest *request = data;

    g_free(request->audiodev);
    g_free(request);
}

bool option_do_audiodev(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_or_json_parse(arg, "driver", errp);

    if (!opts) {
        return false;
    }
    bool ok = audio_dev_new(opts, errp);
    json_object_put(opts);
    return ok;
}

static const SoundCard *find_card(const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
        if (strcmp(cards[i].name, name) == 0) {
            return &cards[i];
        }
        g_string_append_printf(names, "%s%s", i ? ", " : "", cards[i].name);
    }
    error_set(errp, "model=%s: there is no such sound card; there are %s", name, names->str);
    return NULL;
}

/* A name for what has none, which the card refers to. */
static void name_audiodev(struct json_object *opts, unsigned number)
{
    g_autofree char *id = g_strdup_printf("audiodev%u", number);

    if (!json_object_object_get_ex(opts, "id", NULL)) {
        json_object_object_add(opts, "id", keyval_text_new(id));
    }
}

static bool add_request(Startup *startup, struct json_object *opts, const char *model,
                        GError **errp)
{
    const SoundCard *card = find_card(model, errp);

    if (!card) {
        return false;
    }
    if (!startup->sound_cards) {
        startup->sound_cards = g_ptr_array_new_with_free_func(sound_request_free);
    }
    name_audiodev(opts, startup->sound_cards->len);
    json_object_object_del(opts, "model");
    if (!audio_dev_new(opts, errp)) {
        return false;
    }
    SoundRequest *request = g_new0(SoundRequest, 1);

    request->card = card;
    request->audiodev = g_strdup(json_object_get_string(json_object_object_get(opts, "id")));
    g_ptr_array_add(startup->sound_cards, request);
    return true;
}

bool option_do_audio(Startup *startup, const char *arg, GError **errp)
{
    struct json_object *opts = keyval_or_json_parse(arg, "driver", errp), *model = NULL;
    bool ok = false;

    if (!opts) {
        return false;
    }
    if (!json_object_object_get_ex(opts, "model", &model)) {
        ok = audio_dev_new(opts, errp);
    } else {
        g_autofree char *name = g_strdup(json_object_get_string(model));

        ok = add_request(startup, opts, name ? name : "", errp);
    }
    json_object_put(opts);
    return ok;
}

static bool add_card(const SoundRequest *request, GError **errp)
{
    const char *const *types = request->card->types;

    for (size_t i = 0; i < G_N_ELEMENTS(request->card->types) && types[i]; i++) {
        bool sounds = i + 1 == G_N_ELEMENTS(request->card->types) || !types[i + 1];
        struct json_object *props = json_object_new_object();

        json_object_object_add(props, "driver", keyval_text_new(types[i]));
        if (sounds) {
            json_object_object_add(props, "audiodev", keyval_text_new(request->audiodev));
        }
        bool ok = device_add(props, errp);
        json_object_put(props);
        if (!ok) {
            g_prefix_error(errp, "-audio model=%s: ", request->card->name);
            return false;
        }
    }
    return true;
}

bool option_add_sound_cards(Startup *startup, GError **errp)
{
    for (unsigned i = 0; startup->sound_cards && i < startup->sound_cards->len; i++) {
        if (!add_card(startup->sound_cards->pdata[i], errp)) {
            return false;
        }
    }
    return true;
}

char *option_text_audio(const char *what, GError **errp)
{
    return audio_dev_text();
}

/* After a driver, what may follow is a card. */
char *option_text_audio_card(const char *what, GError **errp)
{
    GString *text = g_string_new(NULL);

    if (!*what) {
        g_string_free(text, TRUE);
        return audio_dev_text();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cards); i++) {
        g_string_append_printf(text, "%-8s %s\n", cards[i].name, cards[i].what);
    }
    return g_string_free(text, FALSE);
}
