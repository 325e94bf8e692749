/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/runstate.h"
#include "system/startup.h"
#include "util/error.h"
#include "util/main-loop.h"

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    Startup startup;
    bool run = false;
    int status = 0;

    if (startup_parse(&startup, argc, argv, &status)) {
        if (!startup_make(&startup, &run, &err)) {
            error_report("%s", err->message);
            status = 1;
        } else if (run) {
            main_loop_run();
            status = runstate_exit_status();
        }
    }
    startup_cleanup(&startup, status == 0);
    return status;
}
