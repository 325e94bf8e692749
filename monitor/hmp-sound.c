/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copies of sound in HMP. */
#include "audio/capture.h"
#include "monitor/hmp.h"
#include "util/parse.h"

/* argv: FILE AUDIODEV FREQUENCY BITS CHANNELS */
void hmp_wavcapture(Hmp *hmp, char **argv)
{
    static const char *const names[] = { "FREQUENCY", "BITS", "CHANNELS" };
    uint64_t values[] = { 44100, 16, 2 };
    GError *err = NULL;

    for (unsigned i = 0; i < G_N_ELEMENTS(values) && argv[2 + i]; i++) {
        if (!parse_uint(argv[2 + i], UINT32_MAX, &values[i])) {
            hmp_printf(hmp, "Error: %s: '%s' is not a number\n", names[i], argv[2 + i]);
            return;
        }
    }
    audio_capture_start(argv[1], argv[0], (unsigned)values[0], (unsigned)values[1],
                        (unsigned)values[2], &err);
    hmp_error(hmp, err);
}

void hmp_stopcapture(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t n;

    if (parse_uint(argv[0], UINT32_MAX, &n)) {
        audio_capture_stop((unsigned)n, &err);
        hmp_error(hmp, err);
    } else {
        hmp_printf(hmp, "Error: NUMBER: '%s' is not a number\n", argv[0]);
    }
}

void hmp_info_capture(Hmp *hmp, char **argv)
{
    g_autofree char *text = audio_capture_text();

    hmp_printf(hmp, "%s", text);
}
