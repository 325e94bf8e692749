/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a saved intel-iommu is refused. */
#include <string.h>

#include "hw/iommu/vtd.h"
#include "util/error.h"

static bool reload(Vtd *s, GError **errp)
{
    const StateTable *table = device_class(&s->parent)->state;
    g_autoptr(GByteArray) saved = g_byte_array_new();

    state_save(table, s, saved);
    return state_load(table, s, saved->data, saved->len, errp);
}

/* By a head between two descriptors the unit would never come to the tail. */
static void test_head(void)
{
    Object *obj = object_new(TYPE_INTEL_IOMMU, NULL);
    Vtd *s = VTD(obj);
    GError *err = NULL;

    g_assert_false(reload(s, NULL)); /* of another unit, but now it has its capabilities */
    g_assert_true(reload(s, &err));
    g_assert_no_error(err);
    *vtd_reg(s, VTD_IQH) = 3 * VTD_DESC_SIZE;
    g_assert_true(reload(s, &err));
    g_assert_no_error(err);
    for (unsigned wrong = 1; wrong < VTD_DESC_SIZE; wrong <<= 1) {
        g_autoptr(GError) why = NULL;

        *vtd_reg(s, VTD_IQH) = wrong;
        g_assert_false(reload(s, &why));
        g_assert_nonnull(strstr(why->message, "queue"));
    }
    *vtd_reg(s, VTD_IQH) = 0;
    *vtd_reg(s, VTD_IQT) = 8;
    g_assert_false(reload(s, NULL));
    object_unref(obj);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vtd/head", test_head);
    return g_test_run();
}
