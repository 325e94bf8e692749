/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CXL in the ACPI tables: _OSC of host bridges, the CEDT, and the device that leads to it (Compute
 * Express Link 3.0, sections 9.14.1 and 9.18).
 */
#include "hw/cxl/cxl-component.h"
#include "hw/cxl/cxl-host.h"
#include "hw/cxl/pxb-cxl.h"
#include "hw/i386/acpi-pci.h"

/* The operating system gets all that it asks for of PCI Express, and of CXL the handling of memory
 * errors: there is no firmware that could do it. */
Aml *acpi_cxl_osc(void)
{
    enum {
        PCI_CONTROLS = 1 << 0 | 1 << 2 | 1 << 3 | 1 << 4,
        BAD_UUID = 1 << 2,
        BAD_REVISION = 1 << 3,
        CAPABILITIES_MASKED = 1 << 4,
        CXL_CONTROLS = 1 << 0,
    };
    Aml *pci = aml_uuid("33db4d5b-1ff7-401c-9657-7441c03dd766");
    Aml *cxl = aml_uuid("68f2d50b-c469-4d8a-bd3d-941a103fd3fc");
    Aml *controls = aml_if(
        aml_equal(aml_local(1), aml_int(1)), aml_create_dword_field(aml_arg(3), 16, "CDW5"),
        aml_store(aml_and(aml_name_ref("CDW5"), aml_int(CXL_CONTROLS)), aml_name_ref("CDW5")));
    Aml *known =
        aml_if(aml_or(aml_local(1), aml_local(2)), aml_create_dword_field(aml_arg(3), 8, "CDW3"),
               aml_store(aml_and(aml_name_ref("CDW3"), aml_int(PCI_CONTROLS)), aml_local(0)),
               aml_if(aml_not(aml_equal(aml_arg(1), aml_int(1))),
                      aml_store(aml_or(aml_name_ref("CDW1"), aml_int(BAD_REVISION)),
                                aml_name_ref("CDW1"))),
               aml_if(aml_not(aml_equal(aml_name_ref("CDW3"), aml_local(0))),
                      aml_store(aml_or(aml_name_ref("CDW1"), aml_int(CAPABILITIES_MASKED)),
                                aml_name_ref("CDW1"))),
               aml_store(aml_local(0), aml_name_ref("CDW3")), controls);

    return aml_method(
        "_OSC", 4, AML_SERIALIZED, aml_create_dword_field(aml_arg(3), 0, "CDW1"),
        aml_store(aml_int(0), aml_local(1)), aml_store(aml_int(0), aml_local(2)),
        aml_if(aml_equal(aml_arg(0), cxl), aml_store(aml_int(1), aml_local(1))),
        aml_if(aml_equal(aml_arg(0), pci), aml_store(aml_int(1), aml_local(2))), known,
        aml_else(aml_store(aml_or(aml_name_ref("CDW1"), aml_int(BAD_UUID)), aml_name_ref("CDW1"))),
        aml_return(aml_arg(3)));
}

Aml *acpi_build_cxl(const X86Machine *x86)
{
    return aml_device("CXLM", aml_name("_HID", aml_string("ACPI0017")),
                      aml_name("_UID", aml_int(0)), aml_name("_STA", aml_int(0xb)));
}

/* ---- CEDT ---- */

enum {
    CEDT_REVISION = 1,
    CEDT_HOST_BRIDGE = 0,
    CEDT_WINDOW = 1,
    HOST_BRIDGE_BYTES = 32,
    HOST_BRIDGE_CXL_2 = 1,
    WINDOW_BYTES = 36, /* and 4 for each target */
    WINDOW_MODULO = 0,
    WINDOW_ANY = 0xf, /* any kind of memory: device or host managed, volatile or persistent */
};

static void begin_structure(AcpiBlob *cedt, uint8_t type, uint16_t length)
{
    acpi_u8(cedt, type);
    acpi_u8(cedt, 0);
    acpi_u16(cedt, length);
}

static void host_bridge(AcpiBlob *cedt, const PciBus *root)
{
    begin_structure(cedt, CEDT_HOST_BRIDGE, HOST_BRIDGE_BYTES);
    acpi_u32(cedt, root->number); /* its _UID */
    acpi_u32(cedt, HOST_BRIDGE_CXL_2);
    acpi_u32(cedt, 0);
    acpi_u64(cedt, pxb_cxl_registers(root));
    acpi_u64(cedt, CXL_COMPONENT_SIZE);
}

static void fixed_window(AcpiBlob *cedt, const CxlWindow *window)
{
    uint64_t granularity = window->granularity / CXL_GRANULARITY_LEAST;

    begin_structure(cedt, CEDT_WINDOW, (uint16_t)(WINDOW_BYTES + 4 * window->ways));
    acpi_u32(cedt, 0);
    acpi_u64(cedt, window->base);
    acpi_u64(cedt, window->size);
    acpi_u8(cedt, (uint8_t)cxl_interleave_code(window->ways));
    acpi_u8(cedt, WINDOW_MODULO);
    acpi_u16(cedt, 0);
    acpi_u32(cedt, (uint32_t)g_bit_nth_lsf(granularity, -1));
    acpi_u16(cedt, WINDOW_ANY);
    acpi_u16(cedt, 0); /* QTG ID */
    for (unsigned i = 0; i < window->ways; i++) {
        const PciBus *root = cxl_window_target(window, i);

        acpi_u32(cedt, root ? root->number : 0);
    }
}

AcpiBlob *acpi_build_cedt(AcpiTables *tables, const X86Machine *x86)
{
    const GPtrArray *roots;
    AcpiBlob *cedt;

    if (!x86->cxl) {
        return NULL;
    }
    roots = x86->host->bus->extra_roots;
    cedt = acpi_table_begin(tables, "CEDT", NULL, CEDT_REVISION);
    for (guint i = 0; i < roots->len; i++) {
        if (pxb_cxl_component(roots->pdata[i])) {
            host_bridge(cedt, roots->pdata[i]);
        }
    }
    for (guint i = 0; i < x86->cxl->windows->len; i++) {
        fixed_window(cedt, x86->cxl->windows->pdata[i]);
    }
    acpi_table_end(tables, cedt);
    return cedt;
}
