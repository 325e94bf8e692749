/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library that makes calls fail (tests/qtest/inject.h). It is built without sanitizers. */
#include "tests/qtest/inject.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static InjectRule *rules;  /* NULL: nothing is injected */
static __thread bool dies; /* the program, behind the call that this thread makes */

__attribute__((constructor)) static void map_rules(void)
{
    const char *path = getenv("INJECT_FILE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *mapped = fd < 0 ? MAP_FAILED
                          : mmap(NULL, INJECT_RULES * sizeof(*rules), PROT_READ | PROT_WRITE,
                                 MAP_SHARED, fd, 0);

    if (fd >= 0) {
        close(fd);
    }
    rules = mapped == MAP_FAILED ? NULL : mapped;
}

/* ---- what a call is about ---- */

#define NAME_SIZE 512

static void add_address(char *name, const struct sockaddr_storage *addr, socklen_t len)
{
    const struct sockaddr_un *local = (const void *)addr;
    const struct sockaddr_in *inet = (const void *)addr;
    const struct sockaddr_in6 *inet6 = (const void *)addr;
    size_t at = strlen(name);

    if (addr->ss_family == AF_UNIX && len > sizeof(sa_family_t)) {
        snprintf(name + at, NAME_SIZE - at, "%s ", local->sun_path);
    } else if (addr->ss_family == AF_INET || addr->ss_family == AF_INET6) {
        snprintf(name + at, NAME_SIZE - at, ":%u ",
                 ntohs(addr->ss_family == AF_INET ? inet->sin_port : inet6->sin6_port));
    }
}

static void name_of(int fd, char name[NAME_SIZE])
{
    struct sockaddr_storage addr = { 0 };
    socklen_t len = sizeof(addr);
    char link[64];
    ssize_t got;

    if (getsockname(fd, (void *)&addr, &len) == 0) {
        strcpy(name, " ");
        add_address(name, &addr, len);
        len = sizeof(addr);
        if (getpeername(fd, (void *)&addr, &len) == 0) {
            add_address(name, &addr, len);
        }
        return;
    }
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    got = readlink(link, name, NAME_SIZE - 1);
    name[got > 0 ? got : 0] = '\0';
}

/* Calls that change what is in a file. */
static bool changes(const char *call)
{
    static const char *const calls[] = { "pwrite64", "pwritev64", "fallocate64", "ftruncate64",
                                         "fdatasync" };

    for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
        if (strcmp(call, calls[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* Whether @rule is about @call of @path or, if that is NULL, @fd; -1: there is none. */
static bool matches(const InjectRule *rule, const char *call, int fd, const char *path)
{
    char name[NAME_SIZE] = "";

    /* Acquire: the rest of the rule was written before. */
    if (!__atomic_load_n(&rule->armed, __ATOMIC_ACQUIRE) ||
        !(strcmp(rule->call, call) == 0 || (strcmp(rule->call, "change") == 0 && changes(call)))) {
        return false;
    }
    if (!path && fd >= 0 && rule->name[0]) {
        name_of(fd, name);
        path = name;
    }
    return !rule->name[0] || (path && strstr(path, rule->name));
}

static void wait_disarmed(const InjectRule *rule)
{
    const struct timespec nap = { .tv_nsec = 1000000 };

    while (__atomic_load_n(&rule->armed, __ATOMIC_ACQUIRE)) {
        nanosleep(&nap, NULL);
    }
}

/* The error that the call is to end with; 0: none, but *@len, if there is one, may have become
 * less. The caller's errno stays. */
static int injected(const char *call, int fd, const char *path, size_t *len)
{
    int saved = errno, err = 0;

    for (unsigned i = 0; rules && i < INJECT_RULES && !err; i++) {
        InjectRule *rule = &rules[i];
        uint32_t n;

        if (!matches(rule, call, fd, path)) {
            continue;
        }
        n = __atomic_fetch_add(&rule->seen, 1, __ATOMIC_RELAXED);
        if (n < rule->skip || n - rule->skip >= rule->count) {
            continue;
        }
        if (rule->err) {
            err = rule->err;
        } else if (len && *len > rule->limit) {
            *len = rule->limit;
        }
        /* Release: who sees the count, sees what was done before. */
        __atomic_fetch_add(&rule->done, 1, __ATOMIC_RELEASE);
        if (rule->hold) {
            wait_disarmed(rule);
        }
        dies = rule->kill;
    }
    errno = saved;
    return err;
}

static void die_if_told(void)
{
    if (dies) {
        kill(getpid(), SIGKILL);
    }
}

/* ---- the calls ---- */

/* A call NAME with PARAMS, which ARGS hands on, of FD or PATH; LEN is the address of its length.
 */
#define CALL(TYPE, NAME, PARAMS, ARGS, FD, PATH, LEN)       \
    TYPE NAME PARAMS                                        \
    {                                                       \
        static TYPE(*next) PARAMS;                          \
        int err = injected(#NAME, FD, PATH, LEN);           \
        TYPE result;                                        \
                                                            \
        if (err) {                                          \
            errno = err;                                    \
            return (TYPE)-1;                                \
        }                                                   \
        if (!next) {                                        \
            next = (TYPE(*) PARAMS)dlsym(RTLD_NEXT, #NAME); \
        }                                                   \
        result = next ARGS;                                 \
        die_if_told();                                      \
        return result;                                      \
    }

CALL(ssize_t, read, (int fd, void *buf, size_t len), (fd, buf, len), fd, NULL, &len)
CALL(ssize_t, write, (int fd, const void *buf, size_t len), (fd, buf, len), fd, NULL, &len)
CALL(ssize_t, readv, (int fd, const struct iovec *iov, int count), (fd, iov, count), fd, NULL, NULL)
CALL(ssize_t, writev, (int fd, const struct iovec *iov, int count), (fd, iov, count), fd, NULL,
     NULL)
CALL(ssize_t, recv, (int fd, void *buf, size_t len, int flags), (fd, buf, len, flags), fd, NULL,
     &len)
CALL(ssize_t, send, (int fd, const void *buf, size_t len, int flags), (fd, buf, len, flags), fd,
     NULL, &len)
CALL(ssize_t, recvfrom,
     (int fd, void *restrict buf, size_t len, int flags, __SOCKADDR_ARG from,
      socklen_t *restrict from_len),
     (fd, buf, len, flags, from, from_len), fd, NULL, NULL)
CALL(ssize_t, sendto,
     (int fd, const void *buf, size_t len, int flags, __CONST_SOCKADDR_ARG to, socklen_t to_len),
     (fd, buf, len, flags, to, to_len), fd, NULL, NULL)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *msg, int flags), (fd, msg, flags), fd, NULL, NULL)
CALL(int, fsync, (int fd), (fd), fd, NULL, NULL)
CALL(ssize_t, pwrite64, (int fd, const void *buf, size_t len, off_t offset), (fd, buf, len, offset),
     fd, NULL, &len)
CALL(ssize_t, pwritev64, (int fd, const struct iovec *iov, int count, off_t offset),
     (fd, iov, count, offset), fd, NULL, NULL)
CALL(int, fallocate64, (int fd, int mode, off_t offset, off_t len), (fd, mode, offset, len), fd,
     NULL, NULL)
CALL(int, ftruncate64, (int fd, off_t len), (fd, len), fd, NULL, NULL)
CALL(int, fdatasync, (int fd), (fd), fd, NULL, NULL)
CALL(int, accept, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len), (fd, addr, len), fd, NULL,
     NULL)
CALL(int, accept4, (int fd, __SOCKADDR_ARG addr, socklen_t *restrict len, int flags),
     (fd, addr, len, flags), fd, NULL, NULL)
CALL(int, socket, (int domain, int type, int protocol), (domain, type, protocol), -1, NULL, NULL)
CALL(int, bind, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len), (fd, addr, len), fd, NULL, NULL)
CALL(int, listen, (int fd, int backlog), (fd, backlog), fd, NULL, NULL)
CALL(int, connect, (int fd, __CONST_SOCKADDR_ARG addr, socklen_t len), (fd, addr, len), fd, NULL,
     NULL)
CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds), -1, NULL, NULL)
CALL(int, posix_openpt, (int flags), (flags), -1, NULL, NULL)
CALL(int, madvise, (void *addr, size_t len, int advice), (addr, len, advice), -1, NULL, NULL)
CALL(ssize_t, getrandom, (void *buf, size_t len, unsigned flags), (buf, len, flags), -1, NULL, &len)

/* It tells by what it returns. */
int pthread_create(pthread_t *restrict thread, const pthread_attr_t *restrict attr,
                   void *(*fn)(void *), void *restrict opaque)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    int err = injected("pthread_create", -1, NULL, NULL);

    if (!next) {
        next = (int (*)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *))dlsym(
            RTLD_NEXT, "pthread_create");
    }
    return err ? err : next(thread, attr, fn, opaque);
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*next)(int, unsigned long, void *);
    int err = injected("ioctl", fd, NULL, NULL);
    va_list ap;
    void *argument;

    va_start(ap, request);
    argument = va_arg(ap, void *);
    va_end(ap);
    if (err) {
        errno = err;
        return -1;
    }
    if (!next) {
        next = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    }
    return next(fd, request, argument);
}

static int open_by(const char *function, const char *path, int flags, mode_t mode)
{
    int (*next)(const char *, int, ...) =
        (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, function);
    int err = injected("open", -1, path, NULL);

    if (err) {
        errno = err;
        return -1;
    }
    return next(path, flags, mode);
}

/* With 64-bit file offsets this is open64(), which is what the program calls. */
int open(const char *path, int flags, ...)
{
    va_list ap;
    mode_t mode;

    va_start(ap, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
    va_end(ap);
    return open_by("open64", path, flags, mode);
}
