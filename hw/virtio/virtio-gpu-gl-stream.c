/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is looked at of a context's commands before the renderer has them: a header and its words,
 * one after the other, as virgl's protocol has it. The renderer looks at all of it, but version
 * 0.10 takes formats as places in its tables, lets GL write the results of queries to buffers that
 * GL does not have, and may end when shaders are linked that do not fit together; where they are
 * used it links them in any case.
 */
#include "hw/virtio/virtio-gpu-gl.h"

enum {
    NOTHING = 0,
    CREATE_OBJECT = 1,
    SET_SHADER_IMAGES = 35,
    GET_QUERY_RESULT_QBO = 42,
    RESOURCE_CREATE = 48, /* both make resources of which this side does not know */
    RESOURCE_SET_TYPE = 49,
    LINK_SHADER = 52,
};
enum { BIND_CUSTOM = 1 << 17, BIND_STAGING = 1 << 19 }; /* buffers that GL does not have */
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

static bool is_buffer_of_gl(const VirtioGpu *s, uint32_t id)
{
    const VirtioGpuResource *r = virtio_gpu_find(s, id);

    return r && r->gl && !r->target && r->bind && !(r->bind & (BIND_CUSTOM | BIND_STAGING));
}

/* One of them: the words, and how many are behind the header. */
static bool check(const VirtioGpu *s, uint32_t *words, unsigned length)
{
    switch ((uint8_t)words[0]) {
    case RESOURCE_CREATE:
    case RESOURCE_SET_TYPE:
        return false;
    case GET_QUERY_RESULT_QBO:
        return length >= 2 && is_buffer_of_gl(s, words[2]);
    case LINK_SHADER:
        words[0] = NOTHING | length << 16;
        return true;
    default:
        return formats_are_known(words, length);
    }
}

bool virtio_gpu_gl_check_commands(const VirtioGpu *s, uint32_t *words, unsigned count)
{
    for (unsigned at = 0; at < count;) {
        const unsigned length = words[at] >> 16;

        if (length > count - at - 1 || !check(s, words + at, length)) {
            return false;
        }
        at += 1 + length;
    }
    return true;
}
