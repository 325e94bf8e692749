/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What programs expect of a file system: fs-check FOLDER [mmap] [xattr]. For a guest, whose kernel
 * has a shared folder mounted; run by root in an empty FOLDER, which is empty again at the end.
 * Prints a line for each check that fails, and how many there were.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static unsigned checks, failures;

static void check(bool ok, unsigned line, const char *what)
{
    int err = errno;

    checks++;
    if (!ok) {
        failures++;
        printf("line %u: %s (errno %s)\n", line, what, strerror(err));
    }
}
#define CHECK(what)      check((what), __LINE__, #what)
#define FAILS(call, err) check((errno = 0, (call) < 0 && errno == (err)), __LINE__, #call " " #err)

static struct stat of(const char *path)
{
    struct stat st = { 0 };

    CHECK(lstat(path, &st) == 0);
    return st;
}

static void make(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(close(fd) == 0);
}

static bool has(const char *path, const char *text)
{
    char buf[256] = "";
    int fd = open(path, O_RDONLY);
    ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);

    if (fd >= 0) {
        close(fd);
    }
    return n == (ssize_t)strlen(text) && strcmp(buf, text) == 0;
}

static void modes(void)
{
    static const mode_t list[] = { 0, 0400, 0200, 0644, 0755, 04755, 02711, 01777 };

    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        int fd = open("f", O_RDWR | O_CREAT | O_EXCL, list[i]);

        CHECK(fd >= 0);
        CHECK(write(fd, "x", 1) == 1);
        CHECK(of("f").st_mode == (S_IFREG | list[i]) || list[i] > 0777);
        CHECK(fchmod(fd, 0606) == 0 && of("f").st_mode == (S_IFREG | 0606));
        CHECK(chmod("f", list[i]) == 0 && of("f").st_mode == (S_IFREG | list[i]));
        close(fd);
        CHECK(unlink("f") == 0);
        CHECK(mkdir("d", list[i]) == 0);
        CHECK(chmod("d", list[i]) == 0 && of("d").st_mode == (S_IFDIR | list[i]));
        CHECK(rmdir("d") == 0);
    }
    FAILS(chmod("none", 0644), ENOENT);
}

static void owners(void)
{
    make("f", "x");
    CHECK(chown("f", 1234, 567) == 0);
    CHECK(of("f").st_uid == 1234 && of("f").st_gid == 567);
    CHECK(chown("f", (uid_t)-1, 568) == 0);
    CHECK(of("f").st_uid == 1234 && of("f").st_gid == 568);
    CHECK(symlink("f", "l") == 0 && lchown("l", 9, 9) == 0);
    CHECK(of("l").st_uid == 9 && of("f").st_uid == 1234);
    CHECK(chmod("f", 0600) == 0 && mkdir("open", 0777) == 0 && chmod("open", 0777) == 0);
    pid_t child = fork();
    if (child == 0) {
        bool ok = setgid(77) == 0 && setuid(76) == 0;

        ok = ok && open("f", O_RDONLY) < 0 && errno == EACCES;
        ok = ok && open("new", O_WRONLY | O_CREAT, 0644) < 0 && errno == EACCES;
        ok = ok && chmod("f", 0777) < 0 && errno == EPERM;
        int fd = open("open/new", O_WRONLY | O_CREAT, 0640);
        ok = ok && fd >= 0 && of("open/new").st_uid == 76 && of("open/new").st_gid == 77;
        _exit(ok && mkdir("open/dir", 0755) == 0 && of("open/dir").st_uid == 76 ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(unlink("open/new") == 0 && rmdir("open/dir") == 0 && rmdir("open") == 0);
    CHECK(unlink("f") == 0 && unlink("l") == 0);
}

/* Does @body do so as another user? It is a process of its own. */
static bool as_user(uid_t uid, gid_t gid, gid_t more, bool (*body)(void))
{
    int status = -1;
    pid_t child = fork();

    if (child == 0) {
        bool ok = setgroups(1, &more) == 0 && setgid(gid) == 0 && setuid(uid) == 0;

        _exit(ok && body() ? 0 : 1);
    }
    return waitpid(child, &status, 0) == child && status == 0;
}

static bool fails_with(int result, int err)
{
    return result < 0 && errno == err;
}

static bool removes_own_only(void)
{
    return fails_with(unlink("sticky/others"), EPERM) &&
           fails_with(rename("sticky/others", "sticky/mine"), EPERM) &&
           fails_with(rename("sticky/own", "sticky/others"), EPERM) && unlink("sticky/own") == 0;
}

static bool is_kept_out(void)
{
    struct stat st;

    return fails_with(stat("closed/f", &st), EACCES) && opendir("closed") == NULL &&
           fails_with(unlink("listed/f"), EACCES) && access("listed/f", R_OK) == 0 &&
           fails_with(access("listed/f", W_OK), EACCES) && opendir("passed") == NULL &&
           access("passed/f", R_OK) == 0 && fails_with(chown("listed/f", 76, 77), EPERM) &&
           fails_with(link("closed/f", "open/l"), EACCES) &&
           fails_with(truncate("listed/f", 0), EACCES);
}

static bool is_let_in_by_group(void)
{
    int fd = open("listed/group", O_RDWR);
    bool ok = fd >= 0 && write(fd, "g", 1) == 1 && fails_with(fchmod(fd, 0777), EPERM);

    return close(fd) == 0 && ok;
}

/* Who may do what in whose folders. */
static void others(void)
{
    static const struct {
        const char *path;
        mode_t mode;
    } list[] = { { "sticky", 01777 },
                 { "closed", 0700 },
                 { "listed", 0755 },
                 { "passed", 0711 },
                 { "open", 0777 } };
    char path[32];

    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        CHECK(mkdir(list[i].path, 0755) == 0 && chmod(list[i].path, list[i].mode) == 0);
        snprintf(path, sizeof(path), "%s/f", list[i].path);
        make(path, "x");
    }
    make("sticky/own", "x");
    make("sticky/others", "x");
    make("listed/group", "x");
    CHECK(chown("sticky/own", 76, 77) == 0 && chown("sticky/others", 75, 77) == 0);
    CHECK(chown("listed/group", 0, 88) == 0 && chmod("listed/group", 0660) == 0);
    CHECK(as_user(76, 77, 78, removes_own_only));
    CHECK(as_user(76, 77, 78, is_kept_out));
    CHECK(as_user(76, 77, 88, is_let_in_by_group));
    CHECK(has("listed/group", "g") && unlink("listed/group") == 0 && unlink("sticky/others") == 0);
    for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
        snprintf(path, sizeof(path), "%s/f", list[i].path);
        CHECK(unlink(path) == 0 && rmdir(list[i].path) == 0);
    }
}

/* Several processes append to one file: each line is there once, and whole. */
static void appends(void)
{
    enum { WRITERS = 4, LINES = 200, LINE = 16 };
    static char text[WRITERS * LINES * LINE + 1];
    unsigned seen[WRITERS] = { 0 };
    bool whole = true;

    make("f", "");
    for (unsigned w = 0; w < WRITERS; w++) {
        if (fork() == 0) {
            int fd = open("f", O_WRONLY | O_APPEND);
            bool ok = fd >= 0;

            for (unsigned i = 0; i < LINES; i++) {
                char line[LINE + 1];

                snprintf(line, sizeof(line), "%u %013u\n", w, i);
                ok = ok && write(fd, line, LINE) == LINE;
            }
            _exit(ok && close(fd) == 0 ? 0 : 1);
        }
    }
    for (unsigned w = 0; w < WRITERS; w++) {
        int status = -1;

        CHECK(wait(&status) > 0 && status == 0);
    }
    int fd = open("f", O_RDONLY);
    CHECK(read(fd, text, sizeof(text)) == sizeof(text) - 1);
    close(fd);
    for (unsigned at = 0; at < sizeof(text) - 1; at += LINE) {
        unsigned w = (unsigned char)text[at] - '0';

        whole = whole && w < WRITERS && text[at + LINE - 1] == '\n' &&
                strtoul(text + at + 2, NULL, 10) == seen[w]++;
    }
    CHECK(whole && unlink("f") == 0);
}

/* A program that runs is not written to, and one that is written to does not run. */
static void programs(void)
{
    static char buf[65536];
    int from = open("/proc/self/exe", O_RDONLY), to = open("prog", O_WRONLY | O_CREAT, 0755),
        ends[2], begun[2], status = -1;
    char *const argv[] = { "prog", "wait", NULL };
    ssize_t n;

    while ((n = read(from, buf, sizeof(buf))) > 0) {
        CHECK(write(to, buf, (size_t)n) == n);
    }
    close(from);
    FAILS(execv("./prog", argv), ETXTBSY);
    CHECK(close(to) == 0 && pipe(ends) == 0 && pipe2(begun, O_CLOEXEC) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[0], 0);
        close(ends[0]);
        close(ends[1]);
        execv("./prog", argv);
        _exit(1);
    }
    close(ends[0]);
    close(begun[1]);
    CHECK(read(begun[0], buf, 1) == 0); /* the other end is closed as it begins */
    close(begun[0]);
    FAILS(open("prog", O_WRONLY), ETXTBSY);
    FAILS(truncate("prog", 0), ETXTBSY);
    close(ends[1]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(chmod("prog", 0644) == 0);
    FAILS(execv("./prog", argv), EACCES);
    CHECK(unlink("prog") == 0);
}

static void names(void)
{
    char name[258];

    memset(name, 'n', sizeof(name));
    name[256] = 0;
    FAILS(mkdir(name, 0755), ENAMETOOLONG);
    name[255] = 0;
    make(name, "long");
    CHECK(has(name, "long") && unlink(name) == 0);
    make("\303\244 \n\\ %s", "odd");
    CHECK(has("\303\244 \n\\ %s", "odd") && unlink("\303\244 \n\\ %s") == 0);
    FAILS(unlink("none"), ENOENT);
    FAILS(rmdir("none"), ENOENT);
    FAILS(open("none", O_RDONLY), ENOENT);
    make("f", "x");
    FAILS(open("f/x", O_RDONLY), ENOTDIR);
    FAILS(rmdir("f"), ENOTDIR);
    FAILS(mkdir("f", 0755), EEXIST);
    FAILS(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644), EEXIST);
    CHECK(mkdir("d", 0755) == 0);
    make("d/f", "x");
    FAILS(rmdir("d"), ENOTEMPTY);
    FAILS(unlink("d"), EISDIR);
    FAILS(open("d", O_WRONLY), EISDIR);
    CHECK(symlink("d", "l") == 0 && access("l/f", F_OK) == 0);
    FAILS(open("l", O_RDONLY | O_NOFOLLOW), ELOOP);
    FAILS(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR);
    FAILS(rmdir("l"), ENOTDIR);
    FAILS(rmdir("d/."), EINVAL);
    FAILS(rename("f", "f/x"), ENOTDIR);
    FAILS(open("", O_RDONLY), ENOENT);
    CHECK(unlink("l") == 0);
    CHECK(unlink("d/f") == 0 && rmdir("d") == 0 && unlink("f") == 0);
}

static void links(void)
{
    char target[64] = "";

    make("f", "one");
    CHECK(link("f", "g") == 0 && of("f").st_nlink == 2 && of("f").st_ino == of("g").st_ino);
    make("g", "two");
    CHECK(has("f", "two") && unlink("f") == 0 && has("g", "two") && of("g").st_nlink == 1);
    CHECK(symlink("g", "l") == 0 && has("l", "two") && S_ISLNK(of("l").st_mode));
    CHECK(readlink("l", target, sizeof(target)) == 1 && of("l").st_size == 1);
    FAILS(symlink("x", "l"), EEXIST);
    FAILS(link("none", "x"), ENOENT);
    FAILS(link("g", "l"), EEXIST);
    CHECK(unlink("g") == 0);
    FAILS(open("l", O_RDONLY), ENOENT);
    CHECK(unlink("l") == 0 && symlink("b", "a") == 0 && symlink("a", "b") == 0);
    FAILS(open("a", O_RDONLY), ELOOP);
    CHECK(unlink("a") == 0 && unlink("b") == 0);
    CHECK(symlink("/proc/version", "out") == 0 && access("out", R_OK) == 0 && unlink("out") == 0);
}

static void renames(void)
{
    make("f", "f");
    make("g", "g");
    int fd = open("f", O_RDONLY);
    char c = 0;
    CHECK(rename("f", "g") == 0 && has("g", "f"));
    FAILS(access("f", F_OK), ENOENT);
    CHECK(read(fd, &c, 1) == 1 && c == 'f');
    close(fd);
    CHECK(mkdir("d", 0755) == 0 && mkdir("d/e", 0755) == 0 && mkdir("empty", 0755) == 0);
    FAILS(rename("d", "d/e/x"), EINVAL);
    FAILS(rename("g", "d"), EISDIR);
    FAILS(rename("d", "g"), ENOTDIR);
    FAILS(rename("empty", "d"), ENOTEMPTY);
    make("d/e/f", "deep");
    fd = open("d/e/f", O_RDONLY);
    CHECK(rename("d", "empty") == 0 && has("empty/e/f", "deep"));
    CHECK(read(fd, &c, 1) == 1 && c == 'd');
    close(fd);
    /* What another name has replaced is there as long as it is open. */
    make("over", "new");
    fd = open("g", O_RDONLY);
    CHECK(rename("over", "g") == 0 && has("g", "new") && read(fd, &c, 1) == 1 && c == 'f');
    close(fd);
    CHECK(link("g", "same") == 0 && rename("g", "same") == 0 && of("g").st_nlink == 2);
    CHECK(unlink("same") == 0 && rename("g", "g") == 0 && has("g", "new"));
    CHECK(rename("g", "empty/g") == 0 && has("empty/g", "new"));
    FAILS(rename("none", "x"), ENOENT);
    CHECK(unlink("empty/e/f") == 0 && rmdir("empty/e") == 0 && unlink("empty/g") == 0);
    CHECK(rmdir("empty") == 0);
}

static void sizes(void)
{
    char buf[8192];
    struct statfs fs;
    int fd = open("f", O_RDWR | O_CREAT, 0644);

    CHECK(fd >= 0 && write(fd, "0123456789", 10) == 10);
    CHECK(ftruncate(fd, 4) == 0 && of("f").st_size == 4);
    CHECK(ftruncate(fd, 8192) == 0 && of("f").st_size == 8192);
    CHECK(pread(fd, buf, 8192, 0) == 8192 && memcmp(buf, "0123\0\0\0", 7) == 0);
    CHECK(buf[8191] == 0 && pread(fd, buf, 10, 8192) == 0);
    CHECK(truncate("f", 2) == 0 && of("f").st_size == 2);
    FAILS(truncate("f", -1), EINVAL);
    CHECK(pwrite(fd, "end", 3, 5ll << 30) == 3 && of("f").st_size == (5ll << 30) + 3);
    CHECK(pread(fd, buf, 3, 5ll << 30) == 3 && memcmp(buf, "end", 3) == 0);
    CHECK(pread(fd, buf, 3, 3ll << 30) == 3 && memcmp(buf, "\0\0", 3) == 0);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
    close(fd);
    make("f", "short");
    CHECK(has("f", "short"));
    fd = open("f", O_WRONLY | O_APPEND);
    CHECK(write(fd, "er", 2) == 2 && write(fd, "!", 1) == 1);
    close(fd);
    CHECK(has("f", "shorter!") && unlink("f") == 0);
    CHECK(statfs(".", &fs) == 0 && fs.f_blocks > 0 && fs.f_namelen == 255);
}

static void unlinked(void)
{
    char buf[8] = "";
    int fd = open("f", O_RDWR | O_CREAT, 0644);

    CHECK(unlink("f") == 0 && write(fd, "alive", 5) == 5 && pread(fd, buf, 5, 0) == 5);
    CHECK(strcmp(buf, "alive") == 0 && close(fd) == 0);
    FAILS(access("f", F_OK), ENOENT);
}

static void times(void)
{
    const struct timespec set[2] = { { 1000000000, 123456789 }, { 1200000000, 987654321 } };

    make("f", "x");
    CHECK(utimensat(AT_FDCWD, "f", set, 0) == 0);
    CHECK(of("f").st_atim.tv_sec == 1000000000 && of("f").st_mtim.tv_sec == 1200000000);
    /* Linux 6.1 sends whole seconds by 9P. */
    CHECK(of("f").st_mtim.tv_nsec == 987654321 || of("f").st_mtim.tv_nsec == 0);
    CHECK(utimensat(AT_FDCWD, "f", NULL, 0) == 0 && of("f").st_mtim.tv_sec > 1200000000);
    CHECK(unlink("f") == 0);
}

static void nodes(void)
{
    CHECK(mknod("null", S_IFCHR | 0666, makedev(1, 3)) == 0);
    CHECK(S_ISCHR(of("null").st_mode) && of("null").st_rdev == makedev(1, 3));
    int fd = open("null", O_WRONLY);
    CHECK(fd >= 0 && write(fd, "x", 1) == 1 && of("null").st_size == 0);
    close(fd);
    CHECK(unlink("null") == 0 && mkfifo("fifo", 0600) == 0 && S_ISFIFO(of("fifo").st_mode));
    fd = open("fifo", O_RDWR);
    char c = 0;
    CHECK(fd >= 0 && write(fd, "y", 1) == 1 && read(fd, &c, 1) == 1 && c == 'y');
    close(fd);
    CHECK(unlink("fifo") == 0);
}

static void xattrs(void)
{
    static char big[4000], back[sizeof(big)];
    char list[256];

    make("f", "x");
    CHECK(setxattr("f", "user.one", "value", 5, XATTR_CREATE) == 0);
    FAILS(setxattr("f", "user.one", "v", 1, XATTR_CREATE), EEXIST);
    FAILS(setxattr("f", "user.two", "v", 1, XATTR_REPLACE), ENODATA);
    CHECK(getxattr("f", "user.one", back, sizeof(back)) == 5 && memcmp(back, "value", 5) == 0);
    CHECK(getxattr("f", "user.one", NULL, 0) == 5);
    FAILS(getxattr("f", "user.one", back, 2), ERANGE);
    CHECK(listxattr("f", list, sizeof(list)) >= 9);
    CHECK(setxattr("f", "user.more", "m", 1, 0) == 0 && getxattr("f", "user.more", back, 9) == 1);
    ssize_t size = listxattr("f", list, sizeof(list));
    CHECK(size > 0 && size == listxattr("f", NULL, 0));
    CHECK(size > 0 && memmem(list, (size_t)size, "user.one", 9) &&
          memmem(list, (size_t)size, "user.more", 10));
    FAILS(listxattr("f", list, 3), ERANGE);
    CHECK(removexattr("f", "user.more") == 0);
    FAILS(removexattr("f", "user.more"), ENODATA);
    FAILS(setxattr("none", "user.one", "v", 1, 0), ENOENT);
    CHECK(mkdir("d", 0755) == 0 && setxattr("d", "user.d", "dir", 3, 0) == 0);
    CHECK(getxattr("d", "user.d", back, sizeof(back)) == 3 && rmdir("d") == 0);
    memset(big, 'b', sizeof(big));
    CHECK(setxattr("f", "user.one", big, 3000, 0) == 0);
    CHECK(getxattr("f", "user.one", back, sizeof(back)) == 3000 && memcmp(back, big, 3000) == 0);
    CHECK(removexattr("f", "user.one") == 0);
    FAILS(getxattr("f", "user.one", back, sizeof(back)), ENODATA);
    CHECK(unlink("f") == 0);
}

static void maps(void)
{
    enum { SIZE = 65536 };
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    char buf[8] = "";

    CHECK(ftruncate(fd, SIZE) == 0);
    char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(map != MAP_FAILED);
    if (map != MAP_FAILED) {
        strcpy(map + 40000, "mapped");
        CHECK(msync(map, SIZE, MS_SYNC) == 0 && pread(fd, buf, 6, 40000) == 6);
        CHECK(strcmp(buf, "mapped") == 0 && munmap(map, SIZE) == 0);
    }
    map = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(map != MAP_FAILED && strcmp(map + 40000, "mapped") == 0);
    CHECK(map == MAP_FAILED || munmap(map, SIZE) == 0);
    close(fd);
    CHECK(unlink("f") == 0);
}

static void locks(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
    int fd = open("f", O_RDWR | O_CREAT, 0644), status = -1;

    CHECK(fcntl(fd, F_SETLK, &lock) == 0);
    pid_t child = fork();
    if (child == 0) {
        int own = open("f", O_RDWR);
        struct flock wanted = lock, other = lock;

        bool ok = fcntl(own, F_SETLK, &wanted) < 0 && (errno == EAGAIN || errno == EACCES);
        ok = ok && fcntl(own, F_GETLK, &wanted) == 0 && wanted.l_type == F_WRLCK;
        ok = ok && wanted.l_pid == getppid();
        other.l_start = 20;
        ok = ok && fcntl(own, F_SETLK, &other) == 0;
        _exit(ok ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    lock.l_type = F_UNLCK;
    CHECK(fcntl(fd, F_SETLK, &lock) == 0 && flock(fd, LOCK_EX) == 0 && flock(fd, LOCK_UN) == 0);
    close(fd);
    CHECK(unlink("f") == 0);
}

/* Who waits for a lock gets it when it is free, or when who has it ends. By 9P, Linux asks again
 * after 30 seconds. */
static void waits(void)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10 };
    int fd = open("f", O_RDWR | O_CREAT, 0644), ends[2], status = -1;

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        int own = open("f", O_RDWR);

        _exit(fcntl(own, F_SETLK, &lock) == 0 && write(ends[1], "x", 1) == 1 && usleep(100000) == 0
                  ? 0
                  : 1);
    }
    char c = 0;
    CHECK(read(ends[0], &c, 1) == 1 && fcntl(fd, F_SETLKW, &lock) == 0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
    CHECK(unlink("f") == 0);
}

static unsigned count(DIR *dir)
{
    unsigned n = 0;

    for (struct dirent *entry; (entry = readdir(dir)); n++) {
    }
    return n;
}

static void folders(void)
{
    /* With names this long they do not go into one message. */
    enum { FILES = 2500, NAME = 200, STEP = FILES / 22, DEPTH = 200 };
    char name[NAME + 1];

    CHECK(mkdir("many", 0755) == 0 && chdir("many") == 0);
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(name, sizeof(name), "%0*u", NAME, i);
        if (mknod(name, S_IFREG | 0644, 0) < 0) {
            CHECK(!"mknod");
        }
    }
    DIR *dir = opendir(".");
    CHECK(count(dir) == FILES + 2);
    rewinddir(dir);
    readdir(dir);
    long place = telldir(dir);
    unsigned rest = count(dir);
    seekdir(dir, place);
    CHECK(rest == FILES + 1 && count(dir) == rest);
    /* From places all over the folder, in no order, the same follows as when they were passed. */
    struct {
        long place;
        char name[NAME + 1];
    } passed[20];
    rewinddir(dir);
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned j = 0; j < STEP; j++) {
            readdir(dir);
        }
        passed[i].place = telldir(dir);
        struct dirent *entry = readdir(dir);
        snprintf(passed[i].name, sizeof(passed[i].name), "%.*s", NAME, entry ? entry->d_name : "");
    }
    for (unsigned i = 0; i < 20; i++) {
        unsigned n = i * 7 % 20;

        seekdir(dir, passed[n].place);
        struct dirent *entry = readdir(dir);
        CHECK(entry && strcmp(entry->d_name, passed[n].name) == 0);
    }
    /* Removing what has been read makes one miss nothing. */
    unsigned removed = 0;
    rewinddir(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        if (entry->d_name[0] != '.') {
            removed += unlink(entry->d_name) == 0;
        }
    }
    CHECK(removed == FILES);
    closedir(dir);
    CHECK(chdir("..") == 0 && rmdir("many") == 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        CHECK(mkdir("deep", 0755) == 0 && chdir("deep") == 0);
    }
    make("bottom", "here");
    CHECK(has("bottom", "here") && unlink("bottom") == 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        CHECK(chdir("..") == 0 && rmdir("deep") == 0);
    }
}

static bool given(char **argv, const char *word)
{
    while (*argv && strcmp(*argv, word) != 0) {
        argv++;
    }
    return *argv;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "wait") == 0) { /* programs() runs it */
        char c;

        return read(0, &c, 1) != 0;
    }
    if (argc < 2 || chdir(argv[1]) < 0) {
        perror("fs-check FOLDER [mmap] [xattr] [waits]");
        return 2;
    }
    umask(0);
    modes();
    owners();
    others();
    appends();
    programs();
    names();
    links();
    renames();
    sizes();
    unlinked();
    times();
    nodes();
    locks();
    if (given(argv, "waits")) {
        waits();
    }
    if (given(argv, "xattr")) {
        xattrs();
    }
    if (given(argv, "mmap")) {
        maps();
    }
    folders();
    DIR *dir = opendir(".");
    CHECK(count(dir) == 2);
    printf("%u checks, %u failed\n", checks, failures);
    return failures != 0;
}
