/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A forbidden call ends the process, so that nothing goes on in an unknown state; but priorities
 * and affinity, which libraries try to set in passing, fail with EPERM.
 */
#include "system/sandbox.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/prctl.h>

#include "util/error.h"

/* ---- the option ---- */

bool sandbox_parse(Sandbox *sandbox, const char *text, GError **errp)
{
    g_autoptr(SandboxOptions) given = qapi_from_option(&SandboxOptions_type, text, "enable", errp);

    if (given) {
        *sandbox = (Sandbox){
            .enable = given->enable,
            .deny_obsolete = !given->has_obsolete || given->obsolete == SANDBOX_ACTION_DENY,
            .deny_spawn = given->spawn == SANDBOX_ACTION_DENY,
            .deny_resource_control = given->resourcecontrol == SANDBOX_ACTION_DENY,
            .privileges = given->elevateprivileges,
        };
    }
    return given;
}

/* ---- the filter ---- */

#define END INT_MIN /* libseccomp's own numbers are negative too */

/* To administer the host: never an emulator's business. */
static const int host_calls[] = {
    SCMP_SYS(acct),          SCMP_SYS(add_key),       SCMP_SYS(adjtimex),
    SCMP_SYS(bpf),           SCMP_SYS(clock_adjtime), SCMP_SYS(clock_settime),
    SCMP_SYS(delete_module), SCMP_SYS(finit_module),  SCMP_SYS(init_module),
    SCMP_SYS(ioperm),        SCMP_SYS(iopl),          SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),    SCMP_SYS(keyctl),        SCMP_SYS(lookup_dcookie),
    SCMP_SYS(mount),         SCMP_SYS(move_mount),    SCMP_SYS(open_tree),
    SCMP_SYS(fsopen),        SCMP_SYS(fsmount),       SCMP_SYS(perf_event_open),
    SCMP_SYS(pivot_root),    SCMP_SYS(ptrace),        SCMP_SYS(process_vm_readv),
    SCMP_SYS(quotactl),      SCMP_SYS(reboot),        SCMP_SYS(process_vm_writev),
    SCMP_SYS(request_key),   SCMP_SYS(setdomainname), SCMP_SYS(sethostname),
    SCMP_SYS(settimeofday),  SCMP_SYS(setns),         SCMP_SYS(swapoff),
    SCMP_SYS(swapon),        SCMP_SYS(syslog),        SCMP_SYS(umount2),
    SCMP_SYS(unshare),       SCMP_SYS(vhangup),       END,
};

static const int obsolete_calls[] = {
    SCMP_SYS(_sysctl),         SCMP_SYS(afs_syscall), SCMP_SYS(create_module),
    SCMP_SYS(epoll_ctl_old),   SCMP_SYS(getpmsg),     SCMP_SYS(epoll_wait_old),
    SCMP_SYS(get_kernel_syms), SCMP_SYS(nfsservctl),  SCMP_SYS(modify_ldt),
    SCMP_SYS(putpmsg),         SCMP_SYS(security),    SCMP_SYS(query_module),
    SCMP_SYS(sysfs),           SCMP_SYS(tuxcall),     SCMP_SYS(uselib),
    SCMP_SYS(ustat),           SCMP_SYS(vserver),     END,
};

static const int privilege_calls[] = {
    SCMP_SYS(setuid),
    SCMP_SYS(setgid),
    SCMP_SYS(setreuid),
    SCMP_SYS(setregid),
    SCMP_SYS(setresuid),
    SCMP_SYS(setresgid),
    SCMP_SYS(setfsuid),
    SCMP_SYS(setfsgid),
    SCMP_SYS(setgroups),
    SCMP_SYS(capset),
    SCMP_SYS(setpgid),
    SCMP_SYS(setsid),
    END,
};

static const int spawn_calls[] = {
    SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(execve), SCMP_SYS(execveat), END,
};

static const int resource_calls[] = {
    SCMP_SYS(setpriority),       SCMP_SYS(sched_setparam), SCMP_SYS(sched_setscheduler),
    SCMP_SYS(sched_setaffinity), SCMP_SYS(ioprio_set),     END,
};

/* GLib gives each thread of a pool what those had that were there before it, and complains if it
 * may not: it is told that it has. */
static const int repeated_calls[] = { SCMP_SYS(sched_setattr), END };

/* 0, or a negative errno. */
static int add_calls(scmp_filter_ctx ctx, const int *calls, uint32_t action)
{
    int ret = 0;

    for (; ret == 0 && *calls != END; calls++) {
        ret = seccomp_rule_add(ctx, action, *calls, 0);
    }
    return ret;
}

static int add_spawn(scmp_filter_ctx ctx)
{
    int ret = add_calls(ctx, spawn_calls, SCMP_ACT_KILL_PROCESS);

    /* Threads stay possible. A filter cannot see clone3()'s flags: without it, clone() is used. */
    if (ret == 0) {
        ret = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                               SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
    }
    if (ret == 0) {
        ret = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    }
    return ret;
}

static int fill(scmp_filter_ctx ctx, const Sandbox *sandbox)
{
    /* The filter is for every thread; calls of other architectures end the process as well. */
    int ret = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);

    if (ret == 0) {
        ret = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    }
    if (ret == 0) {
        ret = add_calls(ctx, host_calls, SCMP_ACT_KILL_PROCESS);
    }
    if (ret == 0 && sandbox->deny_obsolete) {
        ret = add_calls(ctx, obsolete_calls, SCMP_ACT_KILL_PROCESS);
    }
    if (ret == 0 && sandbox->privileges == SANDBOX_PRIVILEGES_DENY) {
        ret = add_calls(ctx, privilege_calls, SCMP_ACT_KILL_PROCESS);
    }
    if (ret == 0 && sandbox->deny_spawn) {
        ret = add_spawn(ctx);
    }
    if (ret == 0 && sandbox->deny_resource_control) {
        ret = add_calls(ctx, resource_calls, SCMP_ACT_ERRNO(EPERM));
    }
    if (ret == 0 && sandbox->deny_resource_control) {
        ret = add_calls(ctx, repeated_calls, SCMP_ACT_ERRNO(0));
    }
    return ret;
}

bool sandbox_install(const Sandbox *sandbox, GError **errp)
{
    if (!sandbox->enable) {
        return true;
    }
    if (sandbox->privileges == SANDBOX_PRIVILEGES_CHILDREN &&
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        error_set_errno(errp, errno, "-sandbox elevateprivileges=children: no_new_privs");
        return false;
    }
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int ret = ctx ? fill(ctx, sandbox) : -ENOMEM;
    if (ret == 0) {
        ret = seccomp_load(ctx);
    }
    seccomp_release(ctx);
    if (ret < 0) {
        error_set_errno(errp, -ret, "-sandbox on: cannot install the filter (seccomp)");
        return false;
    }
    return true;
}
