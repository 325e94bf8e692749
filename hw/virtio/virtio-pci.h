/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI (Virtio 1.2, section 4.1): a function whose registers are those of the virtio
 * device that is its part "virtio-backend", on a virtio-bus of its own.
 *
 * BARs: 0 the legacy interface (I/O ports; section 4.1.4.10), 1 MSI-X, 4 the modern one, 64-bit.
 * With both it is a transitional device. Machine lock for everything.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio-device.h"

#define TYPE_VIRTIO_PCI "virtio-pci"

/* Which interfaces a type has. */
typedef enum VirtioPciKind {
    VIRTIO_PCI_AS_ASKED, /* properties disable-legacy and disable-modern */
    VIRTIO_PCI_TRANSITIONAL,
    VIRTIO_PCI_MODERN,
} VirtioPciKind;

typedef struct VirtioPci {
    PciDevice parent;
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    uint16_t config_vector; /* or VIRTIO_NO_VECTOR */
    uint8_t isr;            /* VIRTIO_PCI_ISR_*; reading clears it */
    /* configuration */
    int disable_legacy; /* MODE_ of virtio-pci.c */
    bool disable_modern;
    uint32_t vectors; /* of MSI-X; PROP_UNSET: as the type has it */
    bool page_per_vq; /* notification registers are a page apart */
    bool ioeventfd;   /* notifications of queues on a loop are eventfds */
    bool ats;         /* with an Express capability: ATS, too */
    VirtioPciKind kind;
    /* wiring */
    VirtioBus *bus;
    VirtioDevice *vdev;
    bool legacy, modern; /* which interfaces it has; settled by realize */
    MemoryRegion legacy_bar, modern_bar;
    int *vector_fds;    /* eventfds of MSI-X vectors, -1: none; NULL: there is none of any; owned */
    uint8_t access_cap; /* offset of the capability that reaches BARs by configuration space */
} VirtioPci;
OBJECT_CAST_DEFINE(VirtioPci, VIRTIO_PCI, TYPE_VIRTIO_PCI)

/* What types define. */
typedef struct VirtioPciClass {
    PciFunctionClass pci;
    uint16_t pci_class; /* PCI class code and subclass */
    uint16_t vectors;   /* of MSI-X, unless the user says how many; 0: one a queue and one more */
} VirtioPciClass;

/* More of the PciFunctionClass may follow. */
#define VIRTIO_PCI_CLASS(category_, pci_class_, vectors_, ...)                \
    {                                                                         \
        .pci = { .device = { PCI_DEVICE_CLASS_CORE, .category = (category_),  \
                             .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, \
                             .check_unplug = virtio_pci_check_unplug,         \
                             .state = &virtio_pci_state },                    \
                 .realize = virtio_pci_realize,                               \
                 .unrealize = virtio_pci_unrealize,                           \
                 .reset = virtio_pci_reset,                                   \
                 .loaded = virtio_pci_loaded,                                 \
                 .config_reading = virtio_pci_config_reading,                 \
                 .config_written = virtio_pci_config_written,                 \
                 __VA_ARGS__ },                                               \
        .pci_class = (pci_class_), .vectors = (vectors_)                      \
    }

bool virtio_pci_realize(PciDevice *dev, GError **errp);
void virtio_pci_unrealize(PciDevice *dev);
void virtio_pci_reset(PciDevice *dev);
bool virtio_pci_check_unplug(Device *dev, GError **errp);
void virtio_pci_loaded(PciDevice *dev);
void virtio_pci_config_reading(PciDevice *dev, unsigned offset, unsigned size);
void virtio_pci_config_written(PciDevice *dev, unsigned offset, unsigned size);
extern const StateTable virtio_pci_state;
extern const Property virtio_pci_mode_properties[]; /* disable-legacy, disable-modern */
void virtio_pci_init_transitional(Object *obj);
void virtio_pci_init_modern(Object *obj);

/* The one type of a virtio device @PART that never had a legacy interface, "NAME-pci". */
#define VIRTIO_PCI_MODERN_TYPE(symbol, NAME, PART, class_, text) \
    VIRTIO_PCI_OBJECT(symbol, NAME, "", PART, class_, text, NULL, virtio_pci_mode_properties)

/* The three types of the virtio device @PART: "NAME-pci", and the same with "-transitional" and
 * "-non-transitional"; users may leave out "-pci". @symbol begins the C names, @text describes
 * them. */
#define VIRTIO_PCI_TYPES(symbol, NAME, PART, class_, text)                                  \
    VIRTIO_PCI_TYPE(symbol, NAME, "", PART, class_, text, NULL, virtio_pci_mode_properties) \
    VIRTIO_PCI_TYPE(symbol##_transitional, NAME, "-transitional", PART, class_,             \
                    text ", with the legacy interface", virtio_pci_init_transitional, NULL) \
    VIRTIO_PCI_TYPE(symbol##_modern, NAME, "-non-transitional", PART, class_,               \
                    text ", without the legacy interface", virtio_pci_init_modern, NULL)
#define VIRTIO_PCI_TYPE(symbol, NAME, KIND, PART, class_, text, init_, properties_) \
    VIRTIO_PCI_OBJECT(symbol, NAME, KIND, PART, class_, text, init_, properties_)   \
    static void __attribute__((constructor)) symbol##_pci_alias(void)               \
    {                                                                               \
        device_alias_register(NAME KIND, NAME "-pci" KIND);                         \
    }
#define VIRTIO_PCI_OBJECT(symbol, NAME, KIND, PART, class_, text, init_, properties_) \
    static const ObjectType symbol##_pci_type = {                                     \
        .name = NAME "-pci" KIND,                                                     \
        .parent = TYPE_VIRTIO_PCI,                                                    \
        .description = text,                                                          \
        .part = "virtio-backend",                                                     \
        .part_type = (PART),                                                          \
        .properties = properties_,                                                    \
        .ops = (class_),                                                              \
        .init = init_,                                                                \
    };                                                                                \
    OBJECT_TYPE_REGISTER(symbol##_pci_type)

#endif
