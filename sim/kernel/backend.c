/* SPDX-License-Identifier: ISC */
#include "sim/kernel/backend.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

#include "sim/kernel/must.h"
#include "sim/kernel/net_internal.h"

/* --- processes ---------------------------------------------------------------------------------*/

struct process *backend_born(struct host *host, pid_t pid, const char *name, uint64_t tag,
                             const struct process_spec *spec, void *real)
{
    struct process *process = process_create(host, NULL);
    process->pid = pid;
    process->name = must(strdup(name));
    process->tag = tag;
    process->real = real;
    if (spec) {
        process->ended = spec->ended;
        process->ended_context = spec->context;
    }
    return process;
}

void *backend_real(const struct process *process)
{
    return process->real;
}

void backend_set_real(struct process *process, void *real)
{
    process->real = real;
}

static void forget_name(struct process *process)
{
    free((char *) (uintptr_t) process->name);
    process->name = "";
}

void backend_rename(struct process *process, const char *name)
{
    forget_name(process);
    process->name = must(strdup(name));
}

void backend_gone(struct process *process, int status)
{
    void (*ended)(void *, struct process *, int) = process->ended;
    process->ended = NULL;
    process->state = PROCESS_ZOMBIE; /* nobody finds it any more */
    if (ended)
        ended(process->ended_context, process, status);
    process->state = PROCESS_WAITING;
    forget_name(process);
    process_discard(process);
}

void backend_end_processes(struct host *host, bool tell)
{
    struct kernel *kernel = host->kernel;
    kernel->backend->kill_host(kernel->backend->context, host);
    while (host->first) {
        if (!tell)
            host->first->ended = NULL;
        backend_gone(host->first, -1);
    }
}

/* --- calls -------------------------------------------------------------------------------------*/

static void begin(struct kernel *kernel, struct call *call)
{
    struct process *process = call->process;
    kernel->current = process;
    process->call_id = call->id;
    process->transfer_limit = 0;
    process->discards = process->resets = false;
    process->slow_ns = 0;
    process->sync_error = 0;
    kernel->now_ns += (int64_t) kernel->options.call_ns;
    call->number = ++kernel->calls;
    call->time_ns = kernel->now_ns;
}

void backend_call_on(struct process *process, enum file_kind kind)
{
    process->call_file = kind;
}

void backend_before(struct kernel *kernel, struct call *call, struct backend_verdict *verdict)
{
    struct process *process = call->process;
    int error = 0;
    begin(kernel, call);
    for (unsigned i = 0; i < kernel->before_count && !error; i++)
        error = kernel->before[i].before(kernel->before[i].context, call);
    *verdict = (struct backend_verdict){.error = error ? error : process->sync_error,
                                        .limit = process->transfer_limit,
                                        .slow_ns = process->slow_ns,
                                        .discards = process->discards,
                                        .resets = process->resets,
                                        .resets_after = process->resets_after};
    kernel->current = NULL;
    backend_changing(kernel, NULL);
}

int64_t backend_sync_ns(struct kernel *kernel)
{
    const struct kernel_options *options = &kernel->options;
    uint64_t range = options->fsync_max_ns - options->fsync_min_ns;

    return (int64_t) (options->fsync_min_ns + random_below(&kernel->disk_random, range + 1));
}

void backend_changing(struct kernel *kernel, const struct call *call)
{
    if (kernel->changing)
        kernel->changing(kernel->changing_context, call);
}

void kernel_on_changing(struct kernel *kernel,
                        void (*changing)(void *context, const struct call *call), void *context)
{
    kernel->changing = changing;
    kernel->changing_context = context;
}

void backend_after(struct kernel *kernel, struct call *call)
{
    call->time_ns = kernel->now_ns;
    for (unsigned i = 0; i < kernel->after_count; i++)
        kernel->after[i].after(kernel->after[i].context, call);
}

bool backend_is_stopped(const struct kernel *kernel)
{
    return kernel->stop;
}

void backend_take_stop(struct kernel *kernel)
{
    kernel->stop = false;
}

void backend_changed(struct host *host, enum vfs_change change, const char *path,
                     const char *old_path)
{
    if (host->observer)
        host->observer(host->observer_context, change, path, old_path);
}

/* --- time --------------------------------------------------------------------------------------*/

void backend_advance(struct kernel *kernel, int64_t now_ns)
{
    if (now_ns > kernel->now_ns)
        kernel->now_ns = now_ns;
    for (struct timer *timer; (timer = timer_first(&kernel->timers)) != NULL;) {
        if (timer->time_ns > kernel->now_ns)
            return;
        timer_cancel(&kernel->timers, timer);
        timer->fire(timer);
    }
}

void backend_accuse(struct kernel *kernel, const char *why)
{
    snprintf(kernel->spinner_text, sizeof kernel->spinner_text, "%s", why);
}

/* --- network -----------------------------------------------------------------------------------*/

static bool read_address(const struct sockaddr *from, struct in6_addr *to)
{
    if (from->sa_family == AF_INET6) {
        *to = ((const struct sockaddr_in6 *) (const void *) from)->sin6_addr;
        return true;
    }
    if (from->sa_family != AF_INET)
        return false;
    memset(to, 0, sizeof *to);
    to->s6_addr[10] = to->s6_addr[11] = 0xff;
    memcpy(to->s6_addr + 12, &((const struct sockaddr_in *) (const void *) from)->sin_addr, 4);
    return true;
}

#define UNSAID_NS 100000 /* the delay of a path of which nothing is said (net.h) */

enum backend_way backend_way(struct host *from, const struct sockaddr *address)
{
    struct in6_addr to;
    if (!read_address(address, &to))
        return WAY_OPEN;
    struct net_host *self = net_host_of(from), *other = net_find(self, &to);
    if (!other)
        return WAY_UNREACHABLE;
    if (other == self)
        return WAY_OPEN;
    switch (net_link(self, other)->path.fate) {
    case NET_REFUSE:
        return WAY_REFUSED;
    case NET_UNREACHABLE:
        return WAY_UNREACHABLE;
    case NET_BLACK_HOLE:
        return WAY_SILENT;
    case NET_OPEN:
        break;
    }
    return other->off ? WAY_SILENT : WAY_OPEN;
}

int64_t backend_path_ns(struct host *host, const struct sockaddr *address, bool listened,
                        size_t size, unsigned delays)
{
    struct in6_addr to;
    if (!read_address(address, &to))
        return 0;
    struct net_host *self = net_host_of(host), *other = net_find(self, &to);
    if (!other || other == self)
        return 0;
    struct link *link = listened ? net_link(other, self) : net_link(self, other);
    int64_t now = host->kernel->now_ns, delay = link->path.delay_ns;
    if (delay <= UNSAID_NS && !link->path.bandwidth)
        return 0;
    return net_arrival(link, listened, size, 0) - delay - now + (int64_t) delays * delay;
}

void backend_cuts(struct host *from, const struct sockaddr *address, uint64_t bytes[2])
{
    struct cut ways[2] = {{UINT64_MAX, NET_CUT_RESET}, {UINT64_MAX, NET_CUT_RESET}};
    struct in6_addr to;
    struct net_host *self = net_host_of(from), *other;
    if (read_address(address, &to) && (other = net_find(self, &to)))
        net_take_cuts(self->net, from, other->host, ways);
    bytes[0] = ways[0].at;
    bytes[1] = ways[1].at;
}

struct host *backend_host(const struct kernel *kernel, size_t index)
{
    struct host *host = kernel->hosts;
    while (host && index-- > 0)
        host = host->next;
    return host;
}

const char *backend_address(const struct host *host, size_t index, char to[46])
{
    if (!host->net || index >= host->net->address_count)
        return NULL;
    const struct in6_addr *address = &host->net->addresses[index];
    if (IN6_IS_ADDR_V4MAPPED(address))
        return inet_ntop(AF_INET, address->s6_addr + 12, to, 46);
    return inet_ntop(AF_INET6, address, to, 46);
}

void *backend_host_real(const struct host *host)
{
    return host->real;
}

void backend_set_host_real(struct host *host, void *real)
{
    host->real = real;
}

/* --- the world ---------------------------------------------------------------------------------*/

void kernel_answer(struct kernel *kernel, kernel_answerer *answer, void *context)
{
    kernel->answer = answer;
    kernel->answer_context = context;
}

char *backend_ask(struct kernel *kernel, struct process *process, const char *question, size_t size,
                  size_t *answer_size)
{
    if (!kernel->answer)
        return NULL;
    return kernel->answer(kernel->answer_context, process, question, size, answer_size);
}

char *backend_passwd(const struct host *host)
{
    char *text = NULL;
    size_t size;
    FILE *to = must(open_memstream(&text, &size));
    for (const struct user_record *user = host->users; user; user = user->next)
        fprintf(to, "%s:x:%u:%u::%s:/bin/sh\n", user->name, user->uid, user->gid, user->home);
    fclose(to);
    return text;
}

char *backend_group(const struct host *host)
{
    char *text = NULL;
    size_t size;
    FILE *to = must(open_memstream(&text, &size));
    for (const struct group_record *group = host->groups; group; group = group->next) {
        fprintf(to, "%s:x:%u:", group->name, group->gid);
        for (size_t i = 0; i < group->member_count; i++)
            fprintf(to, "%s%s", i ? "," : "", group->members[i]);
        fputc('\n', to);
    }
    fclose(to);
    return text;
}
