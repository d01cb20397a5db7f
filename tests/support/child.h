/* Scenes that end their process, or change what it does with signals: each runs in a child process, whose exit code or
 * deadly signal is the result. No asserts in the child. */
#ifndef TESTS_SUPPORT_CHILD_H
#define TESTS_SUPPORT_CHILD_H

#include "tests/support/check.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum { SURVIVED = 99 }; /* the scene has returned */

static inline void set_action(void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaddset(&action.sa_mask, SIGUSR1);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static inline void set_info_action(void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO | flags;
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
}

static inline pid_t child_start(void (*scene)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        alarm(120); /* a handler that loops is a failure, not a hang */
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
        set_action(SIG_DFL, 0);
        scene();
        _exit(SURVIVED);
    }
    return pid;
}

/* How it ended. */
static inline int child_status(void (*scene)(void))
{
    pid_t pid = child_start(scene);
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return status;
}

static inline void assert_exit(void (*scene)(void), int code)
{
    int status = child_status(scene);
    if (!WIFEXITED(status))
        fail_msg("killed by signal %d, wanted exit code %d", WTERMSIG(status), code);
    assert_int_equal(WEXITSTATUS(status), code);
}

static inline void assert_killed(void (*scene)(void), int signal_number)
{
    int status = child_status(scene);
    if (!WIFSIGNALED(status))
        fail_msg("exit code %d, wanted signal %d", WEXITSTATUS(status), signal_number);
    assert_int_equal(WTERMSIG(status), signal_number);
}

#endif
