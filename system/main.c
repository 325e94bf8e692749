/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "crypto/tls-relay.h"
#include "hw/core/runstate.h"
#include "system/startup.h"
#include "ui/gl.h"
#include "util/error.h"
#include "util/main-loop.h"

/* Whoever started us may have closed standard input, output or error. Without something in their
 * place, the next descriptors that are opened would be these, and messages would go into sockets
 * and guest memory. The lowest free number is the one that open() gives. */
static bool fill_standard_fds(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
            return false;
        }
    }
    return true;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) err = NULL;
    Startup startup;
    bool run = false;
    int status = 0;

    if (!fill_standard_fds()) {
        return 1; /* and there is nowhere to say why */
    }
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
    if (!gl_stop() || !tls_relays_are_over()) {
        fflush(NULL);
        _exit(status);
    }
    return status;
}
