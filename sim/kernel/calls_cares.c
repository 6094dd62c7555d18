/* SPDX-License-Identifier: ISC */
#include "sim/kernel/calls_cares.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "sim/kernel/calls.h"

/* What an open /dev/urandom is told by. */
static const char urandom[1];

FILE *sim_fopen(const char *path, const char *mode)
{
    (void) mode;
    if (strcmp(path, "/dev/urandom") == 0)
        return (FILE *) urandom;
    errno = ENOENT;
    return NULL;
}

int sim_fclose(FILE *file)
{
    (void) file;
    return 0;
}

size_t sim_fread(void *to, size_t size, size_t count, FILE *file)
{
    ssize_t got = file == (FILE *) urandom ? sim_getrandom(to, size * count, 0) : -1;
    return got < 0 ? 0 : (size_t) got / size;
}

char *sim_fgets(char *to, int size, FILE *file)
{
    (void) to;
    (void) size;
    (void) file;
    return NULL;
}

int sim_ferror(FILE *file)
{
    (void) file;
    return 0;
}

int sim_setvbuf(FILE *file, char *buffer, int mode, size_t size)
{
    (void) file;
    (void) buffer;
    (void) mode;
    (void) size;
    return 0;
}

char *sim_getenv(const char *name)
{
    (void) name;
    return NULL;
}

int sim_gettimeofday(struct timeval *now, void *zone)
{
    struct timespec time;
    int result = sim_clock_gettime(CLOCK_REALTIME, &time);

    (void) zone;
    if (result == 0)
        *now = (struct timeval){time.tv_sec, time.tv_nsec / 1000};
    return result;
}

int sim_getservbyport_r(int port, const char *protocol, struct servent *entry, char *buffer,
                        size_t size, struct servent **result)
{
    (void) port;
    (void) protocol;
    (void) entry;
    (void) buffer;
    (void) size;
    *result = NULL;
    return ENOENT;
}

char *sim_if_indextoname(unsigned index, char *name)
{
    (void) index;
    (void) name;
    errno = ENXIO;
    return NULL;
}

int sim_rand(void)
{
    unsigned number = 0;

    if (sim_getrandom(&number, sizeof number, 0) < 0)
        return 0;
    return (int) (number & 0x7fffffff);
}
