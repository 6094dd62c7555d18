/* SPDX-License-Identifier: ISC */
/*
 * The process that stays outside: it makes the temporary directory, waits for the one that runs the
 * scenarios inside of namespaces, and clears away.  When it is interrupted it kills that one, and
 * with it (PR_SET_PDEATHSIG, and the kernel at the end of a namespace of processes) all others.
 */
#include "sim/reality/session.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/capture/live.h"
#include "sim/reality/cannot.h"
#include "sim/reality/reality.h"

#define BROKEN 4 /* exit statuses */
#define INTERRUPTED 130
#define PATIENCE_S 10
#define DEPTH_MAX 100 /* of directories that keep their owner out */
#define KEPT "kept"   /* in the directory of a run that is to stay */

static char directory[PATH_MAX - 200];
static unsigned run_number;
static char note[200]; /* what else is to be known of all runs */
static volatile pid_t inside;
static volatile sig_atomic_t interrupted;

/* --- outside -----------------------------------------------------------------------------------*/

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) status;
    (void) place;
    return type == FTW_DP ? (rmdir(path) < 0 ? 0 : 0) : (unlink(path) < 0 ? 0 : 0);
}

static bool has_opened;

/* Homes may have modes that keep their owner out.  What cannot be read is not gone into this time.
 */
static int open_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void) place;
    if ((type == FTW_D || type == FTW_DNR) && (status->st_mode & S_IRWXU) != S_IRWXU)
        has_opened |= chmod(path, S_IRWXU) == 0;
    return 0;
}

/* Out here nothing is mounted below it. */
static void remove_tree(const char *path)
{
    has_opened = true;
    for (int i = 0; i < DEPTH_MAX && has_opened; i++) {
        has_opened = false;
        nftw(path, open_one, 32, FTW_PHYS | FTW_MOUNT);
    }
    nftw(path, remove_one, 32, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static void clear_away(void)
{
    char path[PATH_MAX], kept[PATH_MAX + 16];
    struct stat status;

    for (unsigned i = 1;; i++) {
        snprintf(path, sizeof path, "%s/%u", directory, i);
        if (lstat(path, &status) < 0)
            break;
        snprintf(kept, sizeof kept, "%s/" KEPT, path);
        if (lstat(kept, &status) < 0)
            remove_tree(path);
    }
    rmdir(directory);
}

/* The one inside ends its run and sums up; it is killed if that takes long, or one is impatient. */
static void on_signal(int signal)
{
    bool is_first = !interrupted;

    if (signal != SIGALRM)
        interrupted = signal;
    if (inside > 0)
        kill(inside, is_first ? SIGTERM : SIGKILL);
    if (is_first)
        alarm(PATIENCE_S);
}

/* Until that one has ended, whose status it returns, or (-1) all have: those who are left are ours
 * now. */
static int wait_for(pid_t child)
{
    int status, result = W_EXITCODE(BROKEN, 0);
    pid_t pid;

    while ((pid = waitpid(child, &status, 0)) > 0 || errno == EINTR)
        if (pid == child) {
            result = status;
            break;
        }
    return result;
}

static _Noreturn void stay_outside(pid_t child)
{
    int status = wait_for(child);

    kill_below(getpid()); /* whom no end of a namespace has ended */
    wait_for(-1);
    clear_away();
    if (interrupted)
        _exit(INTERRUPTED);
    if (WIFSIGNALED(status)) {
        fprintf(stderr, "nixie run: the process of the real runs died of signal %d\n",
                WTERMSIG(status));
        _exit(BROKEN);
    }
    _exit(WEXITSTATUS(status));
}

/* Of a directory that a process is in it is told without symbolic links. */
static bool make_canonical(void)
{
    char *real = realpath(directory, NULL);
    bool fits = real && strlen(real) < sizeof directory;

    if (fits)
        strcpy(directory, real);
    free(real);
    return fits;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
}

static void on_end(int signal)
{
    interrupted = signal;
}

/* The one outside hears the signals, and says when it is over. */
static void be_inside(void)
{
    struct sigaction action = {.sa_handler = on_end};

    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGALRM, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGTERM, &action, NULL);
}

bool session_is_interrupted(void)
{
    return interrupted;
}

/* Programs with a sanitizer want it to be the first library. */
static bool has_sanitizer(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
    return true;
#else
    return false;
#endif
#else
    return false;
#endif
}

/* What machines share with the real system then must be within reach of the user. */
static const char *do_without(void)
{
    const char *why = loopback_lacks();

    namespace_do_without();
    if (namespace_has_root() && (chmod(directory, 0711) < 0 || !reality_is_open_to_all(directory)))
        return "TMPDIR is out of the reach of the user that programs become";
    return why ? why : reality_lacks();
}

/* Namespaces, or what stands in for them; NULL, or why nothing can be run. */
static const char *isolate(void)
{
    const char *asked = getenv("NIXIE_REAL_NETWORK");
    bool is_forced = asked && strcmp(asked, "loopback") == 0;

    if (!is_forced && namespace_is_allowed())
        return namespace_enter() == 0 ? reality_lacks() : "namespaces cannot be entered";
    snprintf(note, sizeof note,
             "%s%s%s: addresses were rewritten to 127.0.0.0/8, ports to high ones",
             is_forced ? "NIXIE_REAL_NETWORK=loopback" : "namespaces are not allowed here (",
             is_forced ? "" : strerror(errno), is_forced ? "" : ")");
    return do_without();
}

const char *session_begin(void)
{
    static char why[200];
    const char *place = getenv("TMPDIR");
    pid_t outside = getpid(), child;

    if (has_sanitizer())
        return "this build has a sanitizer, with which no library can be preloaded";
    snprintf(directory, sizeof directory, "%s/nixie-real.XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(directory) || !make_canonical()) {
        snprintf(why, sizeof why, "no temporary directory can be made: %s", strerror(errno));
        return why;
    }
    fflush(NULL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    catch_signals();
    child = fork();
    if (child != 0) {
        inside = child;
        if (interrupted && child > 0)
            kill(child, SIGTERM);
        stay_outside(child);
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != outside)
        _exit(INTERRUPTED);
    be_inside();
    return isolate();
}

/* --- inside ------------------------------------------------------------------------------------*/

const char *session_cannot(const struct scenario *scenario, bool captures)
{
    const char *why = cannot_really(scenario);

    if (why || !namespace_is_done_without())
        return why;
    return captures ? "without namespaces there are no packets of the scenario's own to capture"
                    : cannot_without_namespaces(scenario, loopback_has_v6());
}

const char *session_note(void)
{
    return *note ? note : NULL;
}

static void keep(const struct reality *reality)
{
    char path[PATH_MAX];
    FILE *to;

    snprintf(path, sizeof path, "%s/" KEPT, reality->directory);
    to = fopen(path, "w");
    if (to)
        fclose(to);
    fprintf(stderr, "kept: %s\n", reality->directory);
}

static uint64_t calls_of_faults(const struct scenario *scenario)
{
    uint64_t calls = 0;

    for (size_t i = 0; i < scenario->fault_count; i++) {
        int call = scenario->faults[i].rule.call;

        calls |= call >= 0 ? UINT64_C(1) << call : call == FAULT_ANY_CALL ? ~UINT64_C(0) : 0;
    }
    return calls;
}

static bool fills_disks(const struct scenario *scenario)
{
    bool fills = false;

    for (size_t i = 0; i < scenario->event_count; i++)
        fills |= scenario->events[i].action.kind == ACTION_DISK;
    return fills;
}

static bool has_slow_paths(const struct scenario *scenario)
{
    bool found = false;

    for (size_t i = 0; i < scenario->network_count; i++)
        found |= scenario->networks[i].sets_delay || scenario->networks[i].sets_bandwidth;
    for (size_t i = 0; i < scenario->event_count; i++) {
        const struct action *action = &scenario->events[i].action;

        found |= action->kind == ACTION_NETWORK &&
                 (action->network.sets_delay || action->network.sets_bandwidth);
    }
    return found;
}

static void fail_to_open(const struct reality *reality, int error, struct run_result *result)
{
    char text[300];

    memset(result, 0, sizeof *result);
    snprintf(text, sizeof text, "%.100s: %s", reality->directory, strerror(error));
    result->verdict = VERDICT_BROKEN;
    result->summary = must_copy("", 0);
    (void) LIST_ADD(result->failures, result->failure_count);
    result->failures[0].message = must_copy(text, strlen(text));
}

/* --- captures ----------------------------------------------------------------------------------*/

/* One that is empty, or not whole, does not stay. */
static _Noreturn void capture_all(const char *path, int told)
{
    struct live_options options = {
        .interface = "lo", .path = path, .snaplen = LIVE_SNAPLEN, .to = fdopen(told, "w")};
    struct live_result result;
    enum live_end end;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    unlink(path); /* of an earlier run */
    end = live_capture(&options, &result);
    if (end != LIVE_DONE || result.packets == 0)
        unlink(path);
    if (end != LIVE_DONE)
        fprintf(stderr, "nixie run: %s\n", result.problem);
    else if (result.dropped)
        fprintf(stderr, "nixie run: %s lacks %llu packets, which came too fast\n", path,
                (unsigned long long) result.dropped);
    if (end == LIVE_DONE && options.to)
        fprintf(options.to, "%llu\n", (unsigned long long) result.packets);
    if (options.to)
        fflush(options.to);
    _exit(end == LIVE_DONE ? 0 : 1);
}

struct capturer {
    pid_t pid;  /* 0: there is none */
    FILE *from; /* what it says: a line when it begins, and how many packets there were */
};

/* Captures what goes over the loopback interface, from here on. */
static void start_capture(struct capturer *capturer, const char *path)
{
    int ends[2], c;

    capturer->pid = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return;
    fflush(NULL);
    capturer->pid = fork();
    if (capturer->pid == 0)
        capture_all(path, ends[1]);
    close(ends[1]);
    capturer->from = fdopen(ends[0], "r");
    while (capturer->from && (c = getc(capturer->from)) != EOF && c != '\n')
        ; /* it listens, or has ended */
}

static void end_capture(struct capturer *capturer, const char *path, struct recorded *recorded)
{
    unsigned long long packets = 0;
    int status = -1;
    bool is_whole;

    if (capturer->pid > 0) {
        kill(capturer->pid, SIGTERM);
        while (waitpid(capturer->pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    is_whole = status == 0 && capturer->from && fscanf(capturer->from, "%llu", &packets) == 1;
    if (capturer->from)
        fclose(capturer->from);
    recorded->files += packets > 0;
    recorded->packets += packets;
    if (!is_whole && !recorded->failed)
        recorded->failed = must_copy(path, strlen(path));
}

void session_run(const struct scenario *scenario, const struct run_options *options,
                 const char *capture, struct recorded *recorded, struct run_result *result)
{
    struct reality *reality = must_zeroed(sizeof *reality);
    struct run_options real = *options;
    struct capturer capturer = {0};
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/%u", directory, ++run_number);
    reality->extra_calls = calls_of_faults(scenario);
    reality->limits_disks = fills_disks(scenario);
    reality->takes_time = has_slow_paths(scenario);
    if (reality_open(reality, path) < 0) {
        fail_to_open(reality, errno, result);
        free(reality);
        return;
    }
    real.backend = &reality->backend;
    if (capture)
        start_capture(&capturer, capture);
    scenario_run(scenario, &real, result);
    if (capture)
        end_capture(&capturer, capture, recorded);
    if (result->verdict != VERDICT_HELD && !session_is_interrupted())
        keep(reality);
    reality_close(reality);
    free(reality);
}
