/* SPDX-License-Identifier: ISC */
/* The clock of the processes: a file that libfaketime reads at each look at the clock. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "sim/reality/reality.h"

void clock_open(struct reality *reality)
{
    char path[PATH_MAX];
    int fd;

    snprintf(path, sizeof path, "%s/shared/page", reality->directory);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd >= 0 && ftruncate(fd, sizeof *reality->page) == 0)
        reality->page =
            mmap(NULL, sizeof *reality->page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (reality->page == MAP_FAILED)
        reality->page = NULL;
    if (reality->page)
        reality->page->takes_time = reality->takes_time;
    reality->clock_ns = -1;
    reality->wall_base_ns = kernel_wall(reality->kernel) - kernel_now(reality->kernel);
    clock_publish(reality);
}

/* A new file in the place of the old one: nobody reads half of a time. */
void clock_publish(struct reality *reality)
{
    int64_t now = kernel_now(reality->kernel), wall = reality->wall_base_ns + now;
    char path[PATH_MAX], new_path[PATH_MAX + 8], text[64];
    time_t seconds = (time_t) (wall / NANOSECONDS);
    struct tm parts;
    size_t used;
    int fd;

    if (reality->page)
        reality->page->wall_step_ns = kernel_wall(reality->kernel) - wall;
    if (now == reality->clock_ns)
        return;
    reality->clock_ns = now;
    gmtime_r(&seconds, &parts);
    used = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
    used += (size_t) snprintf(text + used, sizeof text - used, ".%09lld\n",
                              (long long) (wall % NANOSECONDS));
    snprintf(path, sizeof path, "%s/shared/clock", reality->directory);
    snprintf(new_path, sizeof new_path, "%s.new", path);
    fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, used) != (ssize_t) used || rename(new_path, path) < 0) {
        reality->is_broken = true;
        snprintf(reality->trouble, sizeof reality->trouble, "cannot write the clock's file: %m");
    }
    if (fd >= 0)
        close(fd);
}

int64_t clock_real_ns(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t) time.tv_sec * NANOSECONDS + time.tv_nsec;
}
