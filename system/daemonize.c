/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/daemonize.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/error.h"
#include "util/made-files.h"

static int ready_fd = -1; /* the child's end of the pipe */
static char *pidfile_path;

static G_NORETURN void parent_wait(int fd)
{
    char status;
    ssize_t n;

    do {
        n = read(fd, &status, 1);
    } while (n < 0 && errno == EINTR);
    /* Nothing was made in this process: no clean-up of any kind. */
    _exit(n == 1 ? 0 : 1);
}

bool daemonize_begin(GError **errp)
{
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_set_errno(errp, errno, "-daemonize: pipe");
        return false;
    }
    pid_t pid = fork();
    if (pid < 0) {
        error_set_errno(errp, errno, "-daemonize: fork");
        close(fds[0]);
        close(fds[1]);
        return false;
    }
    if (pid > 0) {
        close(fds[1]);
        parent_wait(fds[0]);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    return true;
}

void daemonize_done(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (ready_fd < 0) {
        return;
    }
    if (chdir("/") < 0) {
        error_warn("cannot leave the working directory: %s", strerror(errno));
    }
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    ssize_t n;
    do {
        n = write(ready_fd, "", 1);
    } while (n < 0 && errno == EINTR);
    close(ready_fd);
    ready_fd = -1;
}

/* An absolute path: the daemon changes its directory. */
static char *absolute_path(const char *path)
{
    g_autofree char *dir = g_get_current_dir();

    return g_path_is_absolute(path) ? g_strdup(path) : g_build_filename(dir, path, NULL);
}

bool daemonize_pidfile_create(const char *path, GError **errp)
{
    int fd = made_files_open(path, O_RDWR | O_CLOEXEC, 0644, MADE_DATA);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot open it for writing");
        return false;
    }
    if (lockf(fd, F_TLOCK, 0) < 0) {
        error_set_errno(errp, errno, "cannot lock it (another process uses it)");
        close(fd);
        return false;
    }
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    if (ftruncate(fd, 0) < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        error_set_errno(errp, errno, "cannot write it");
        close(fd);
        return false;
    }
    /* The descriptor stays open, for the lock. */
    pidfile_path = absolute_path(path);
    at_quick_exit(daemonize_pidfile_remove);
    return true;
}

void daemonize_pidfile_remove(void)
{
    if (pidfile_path) {
        unlink(pidfile_path);
        g_clear_pointer(&pidfile_path, g_free);
    }
}
