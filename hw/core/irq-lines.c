/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/irq-lines.h"

#include <glib.h>
#include <string.h>

static GPtrArray *tables; /* of const IrqLines * */

void irq_lines_register(const IrqLines *table)
{
    if (!tables) {
        tables = g_ptr_array_new();
    }
    g_ptr_array_add(tables, (gpointer)table);
}

static void through_set(void *opaque, int n, int level)
{
    irq_set(opaque, level);
}

Irq irq_through(Irq *line)
{
    return (Irq){ through_set, line, 0 };
}

/* ---- finding ---- */

/* The only one of just this type; NULL: there is none, or there are more. */
static Device *device_of_type(const char *name)
{
    g_autoptr(GPtrArray) devices = object_list_type(name);
    Device *found = NULL;

    for (guint i = 0; i < devices->len; i++) {
        if (strcmp(object_typename(devices->pdata[i]), name) == 0) {
            if (found) {
                return NULL;
            }
            found = DEVICE(devices->pdata[i]);
        }
    }
    return found;
}

Device *irq_lines_device(const char *path)
{
    Object *obj = object_resolve(path, NULL);
    const ObjectType *type = object_type_find(path);

    if (obj) {
        return object_is_a(obj, TYPE_DEVICE) ? DEVICE(obj) : NULL;
    }
    return type && object_type_is_a(type, TYPE_DEVICE) ? device_of_type(path) : NULL;
}

Irq *irq_lines_find(Device *dev, bool out, const char *name, unsigned *count)
{
    for (guint i = 0; tables && i < tables->len; i++) {
        for (const IrqLines *lines = tables->pdata[i]; lines->type; lines++) {
            if (lines->out == out && g_strcmp0(lines->name, name) == 0 &&
                object_is_a(&dev->parent, lines->type)) {
                *count = lines->count;
                return (Irq *)((char *)dev + lines->offset);
            }
        }
    }
    return NULL;
}

void irq_lines_lower(Device *dev)
{
    for (guint i = 0; tables && i < tables->len; i++) {
        for (const IrqLines *lines = tables->pdata[i]; lines->type; lines++) {
            Irq *irqs = (Irq *)((char *)dev + lines->offset);

            for (unsigned n = 0;
                 lines->out && object_is_a(&dev->parent, lines->type) && n < lines->count; n++) {
                irq_set(&irqs[n], 0);
            }
        }
    }
}

/* ---- spying ---- */

typedef struct Spy {
    Irq original;
    void (*tell)(void *opaque, int n, int level);
    void *opaque;
} Spy;

static void spy_set(void *opaque, int n, int level)
{
    Spy *spy = opaque;

    irq_set(&spy->original, level);
    spy->tell(spy->opaque, n, level);
}

bool irq_lines_spy(Device *dev, bool out, const char *name,
                   void (*spy)(void *opaque, int n, int level), void *opaque)
{
    unsigned count;
    Irq *lines = irq_lines_find(dev, out, name, &count);

    if (!lines) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        Spy *s = g_new(Spy, 1); /* stays as long as the device */
        *s = (Spy){ lines[i], spy, opaque };
        lines[i] = (Irq){ spy_set, s, (int)i };
    }
    return true;
}
