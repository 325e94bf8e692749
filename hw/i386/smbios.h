/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SMBIOS tables (DMTF DSP0134, version 3.0): what the board is made of, for `dmidecode`. With one
 * memory device (type 17) for the boot memory of each node, one for each DIMM, and one for each
 * free slot. A pure function of object state and of what -smbios gave. Machine lock.
 */
#ifndef HW_I386_SMBIOS_H
#define HW_I386_SMBIOS_H

#include "hw/core/machine.h"
#include "qapi/qapi-types.h"

/* ---- what the user says (smbios-config.c) ---- */

typedef struct SmbiosConfig {
    bool given[SMBIOS_TYPE__MAX];
    /* What there is one of, or what describes all structures of a type: never NULL; of a field that
     * came several times the last value. */
    SmbiosBios *bios;
    SmbiosSystem *system;
    SmbiosBoard *board;
    SmbiosChassis *chassis;
    SmbiosProcessor *processor;
    SmbiosMemory *memory;
    /* a structure each: of SmbiosPort resp. SmbiosOnboard */
    GPtrArray *ports, *onboard;
    GPtrArray *strings; /* type 11, in their order: of char * */
    GPtrArray *files;   /* structures from files: of GBytes * */
} SmbiosConfig;

SmbiosConfig *smbios_config_new(void);
void smbios_config_free(SmbiosConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SmbiosConfig, smbios_config_free)

/* -smbios's text: SmbiosOptions, or SmbiosFile, a structure as in the tables. An error leaves
 * @config as it was. docs/fw-cfg.md lists the fields. */
bool smbios_config_parse(SmbiosConfig *config, const char *text, GError **errp);
/* Is there a structure of type @type from a file? It takes the place of those that we would make.
 */
bool smbios_config_has_file(const SmbiosConfig *config, unsigned type);

/* SmbiosBios.release: "MAJOR.MINOR". */
bool smbios_parse_release(const char *text, uint8_t *major, uint8_t *minor);

/* ---- the tables (smbios.c) ---- */

/* Names of the files for firmware. */
#define SMBIOS_FILE_ANCHOR "etc/smbios/smbios-anchor"
#define SMBIOS_FILE_TABLES "etc/smbios/smbios-tables"

/* Which entry point says where the structures are (SMBIOS 3.0, 5.2). */
typedef enum SmbiosEntry { SMBIOS_ENTRY_64, SMBIOS_ENTRY_32 } SmbiosEntry;
extern const char *const smbios_entry_names[]; /* for users: "64", "32" */

#define SMBIOS_ANCHOR_MAX 31 /* bytes of the larger one */
/* Without firmware: where the anchor is, and the tables after it; up to 1 MiB. */
#define SMBIOS_ANCHOR_BASE 0xf0000u
#define SMBIOS_TABLES_BASE (SMBIOS_ANCHOR_BASE + 0x20)
#define SMBIOS_TABLES_MAX  (0x100000u - SMBIOS_TABLES_BASE)

/* All structures, the end marker (type 127) included. @config may be NULL. */
GByteArray *smbios_build(Machine *machine, const SmbiosConfig *config);
/* The entry point for @tables at @address (0: firmware will fill it in, and the checksum, too).
 * Structures that are too long for the 32-bit one have the other. Returns its bytes. */
unsigned smbios_anchor(uint8_t anchor[SMBIOS_ANCHOR_MAX], SmbiosEntry entry,
                       const GByteArray *tables, uint64_t address);

#endif
