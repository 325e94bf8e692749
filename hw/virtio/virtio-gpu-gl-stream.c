/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is looked at of a context's commands before the renderer has them: a header and its words,
 * one after the other, as virgl's protocol has it. The renderer looks at all of it, but takes
 * formats as places in its tables.
 */
#include "hw/virtio/virtio-gpu-gl.h"

enum {
    CREATE_OBJECT = 1,
    SET_SHADER_IMAGES = 35,
    RESOURCE_CREATE = 48, /* both make resources of which this side does not know */
    RESOURCE_SET_TYPE = 49,
};
enum { VERTEX_ELEMENTS = 5, SAMPLER_VIEW = 6, SURFACE = 8, NO_OBJECT = 0 };

/* Where formats are: in word `first` behind the header, and, if `step`, so many words on and so on.
 */
static const struct {
    uint8_t command, object, first, step;
    uint32_t mask;
} formats[] = {
    { CREATE_OBJECT, SURFACE, 3, 0, UINT32_MAX },
    { CREATE_OBJECT, SAMPLER_VIEW, 3, 0, 0xffffff }, /* and the target */
    { CREATE_OBJECT, VERTEX_ELEMENTS, 5, 4, UINT32_MAX },
    { SET_SHADER_IMAGES, NO_OBJECT, 3, 5, UINT32_MAX },
};

static bool formats_are_known(const uint32_t *words, unsigned count)
{
    const uint8_t command = (uint8_t)words[0], object = (uint8_t)(words[0] >> 8);

    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].command != command ||
            (formats[i].object != NO_OBJECT && formats[i].object != object)) {
            continue;
        }
        for (unsigned at = formats[i].first; at <= count; at += formats[i].step) {
            if ((words[at] & formats[i].mask) >= VIRTIO_GPU_GL_FORMATS) {
                return false;
            }
            if (!formats[i].step) {
                break;
            }
        }
    }
    return true;
}

bool virtio_gpu_gl_check_commands(const uint32_t *words, unsigned count)
{
    for (unsigned at = 0; at < count;) {
        const uint8_t command = (uint8_t)words[at];
        const unsigned length = words[at] >> 16;

        if (length > count - at - 1 || command == RESOURCE_CREATE || command == RESOURCE_SET_TYPE ||
            !formats_are_known(words + at, length)) {
            return false;
        }
        at += 1 + length;
    }
    return true;
}
