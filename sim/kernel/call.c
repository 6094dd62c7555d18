/* SPDX-License-Identifier: ISC */
#include "sim/kernel/call.h"

#include <assert.h>
#include <errno.h>

static const char *const names[CALL_COUNT] = {
#define CALL_NAME(name) #name,
    CALL_LIST(CALL_NAME)
#undef CALL_NAME
};

const char *call_name(enum call_id id)
{
    return names[id];
}

void kernel_watch(struct kernel *kernel, const struct kernel_watch *watch)
{
    assert(kernel->before_count < WATCHES && kernel->after_count < WATCHES);
    if (watch->before)
        kernel->before[kernel->before_count++] = *watch;
    if (watch->after)
        kernel->after[kernel->after_count++] = *watch;
}

void kernel_stop(struct kernel *kernel)
{
    kernel->stop = true;
}

/* After anything that runs code from outside on the process's stack. */
static void settle(struct process *process)
{
    process_check_alive();
    if (process->kernel->stop)
        scheduler_stop_here();
}

static bool watch_before(struct kernel *kernel, struct call *call)
{
    for (unsigned i = 0; i < kernel->before_count; i++) {
        const struct kernel_watch *watch = &kernel->before[i];
        int error = watch->before(watch->context, call);
        settle(call->process);
        if (error) {
            call->result = -error;
            return false;
        }
    }
    return true;
}

size_t call_transfer_size(size_t size)
{
    size_t limit = running->transfer_limit;
    return limit && limit < size ? limit : size;
}

bool call_enter(struct call *call)
{
    struct process *process = running;
    struct kernel *kernel = process->kernel;
    inside_call = true;
    process->kept_errno = errno;
    process->call_id = call->id;
    process->transfer_limit = 0;
    process->discards = false;
    process->slow_ns = 0;
    process->sync_error = 0;
    process->busy_calls++;
    kernel->now_ns += (int64_t) kernel->options.call_ns;
    if (--process->quantum <= 0 || kernel->now_ns >= kernel->yield_ns ||
        process->busy_calls > kernel->options.spin_calls)
        scheduler_at_call(process);
    call->process = process;
    call->number = ++kernel->calls;
    call->time_ns = kernel->now_ns;
    process->changes_seen = process->host->changes;
    return watch_before(kernel, call);
}

static void finish(struct call *call)
{
    struct process *process = call->process;
    struct kernel *kernel = process->kernel;
    call->time_ns = kernel->now_ns;
    hash_call(kernel, call);
    call->changed_disk = process->host->changes != process->changes_seen;
    for (unsigned i = 0; i < kernel->after_count; i++) {
        const struct kernel_watch *watch = &kernel->after[i];
        watch->after(watch->context, call);
        process_check_alive();
    }
    if (kernel->stop)
        scheduler_stop_here();
}

int64_t call_leave(struct call *call)
{
    struct process *process = call->process;
    process_check_alive();
    finish(call);
    errno = call->result < 0 ? (int) -call->result : process->kept_errno;
    inside_call = false;
    return call->result < 0 ? -1 : call->result;
}

int call_leave_error(struct call *call)
{
    struct process *process = call->process;
    process_check_alive();
    finish(call);
    errno = process->kept_errno;
    inside_call = false;
    return call->result < 0 ? (int) -call->result : 0;
}
