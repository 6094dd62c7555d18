/* SPDX-License-Identifier: ISC */
/*
 * What c-ares calls of libc besides posix.list (`call` lines of cares.list).  It is given its
 * servers and options by mta/lib/resolve.c, so these find nothing: no environment, no services, no
 * files but /dev/urandom, which reads like getrandom.  They may be called by a running simulated
 * process only.
 */
#ifndef SIM_KERNEL_CALLS_CARES_H
#define SIM_KERNEL_CALLS_CARES_H

#include <net/if.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/time.h>

FILE *sim_fopen(const char *path, const char *mode);
int sim_fclose(FILE *file);
size_t sim_fread(void *to, size_t size, size_t count, FILE *file);
char *sim_fgets(char *to, int size, FILE *file);
int sim_ferror(FILE *file);
int sim_setvbuf(FILE *file, char *buffer, int mode, size_t size);
char *sim_getenv(const char *name);
int sim_gettimeofday(struct timeval *now, void *zone);
int sim_getservbyport_r(int port, const char *protocol, struct servent *entry, char *buffer,
                        size_t size, struct servent **result);
char *sim_if_indextoname(unsigned index, char *name);
int sim_rand(void);

#endif
