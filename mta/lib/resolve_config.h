/* SPDX-License-Identifier: ISC */
/* The machine's own files about names: /etc/resolv.conf and /etc/hosts.  For resolve.c. */
#ifndef MTA_LIB_RESOLVE_CONFIG_H
#define MTA_LIB_RESOLVE_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "mta/lib/buf.h"

#define RESOLVE_SERVERS_MAX 3 /* as resolv.conf(5) */
#define RESOLVE_FILE_LIMIT ((size_t) 4 << 20)

struct resolve_config {
    struct sockaddr_storage servers[RESOLVE_SERVERS_MAX]; /* with their ports */
    size_t server_count;                                  /* at least 1 */
    struct buf hosts;                                     /* the content of /etc/hosts */
};

/* Reads both; `path` is resolv.conf's.  A file that is missing is an empty one; lines that cannot
 * be understood are passed over.  Returns 0, or -1 with errno. */
int resolve_config_read(struct resolve_config *config, const char *path);
void resolve_config_free(struct resolve_config *config);

/* Tells each address that /etc/hosts has for `name`, in the file's order. */
void resolve_config_hosts(const struct resolve_config *config, const char *name,
                          void (*tell)(void *context, const struct sockaddr_storage *address),
                          void *context);

/* Reads "192.0.2.1" or "2001:db8::1" with port 0.  False if it is neither. */
bool resolve_address_parse(const char *text, struct sockaddr_storage *address);

#endif
