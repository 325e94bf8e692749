/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Options about firmware: -L, -bios, -pflash. */
#include "hw/core/firmware-file.h"
#include "hw/i386/firmware.h"
#include "system/options-more.h"

bool option_do_data_dir(Startup *startup, const char *arg, GError **errp)
{
    firmware_file_add_dir(arg);
    return true;
}

char *option_text_data_dirs(const char *what, GError **errp)
{
    return firmware_file_dirs_text();
}

bool option_do_bios(Startup *startup, const char *arg, GError **errp)
{
    return object_property_parse(OBJECT(startup->machine), "firmware", arg, errp);
}

/* The next unit that is free. */
bool option_do_pflash(Startup *startup, const char *arg, GError **errp)
{
    unsigned unit = startup->machine->flash[0] ? 1 : 0;

    return firmware_add_flash(startup->machine, unit, arg, false, errp);
}
