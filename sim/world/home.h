/* SPDX-License-Identifier: ISC */
/* A Nixie home on a simulated host, laid out as docs/architecture.md says. */
#ifndef SIM_WORLD_HOME_H
#define SIM_WORLD_HOME_H

#include "sim/kernel/kernel.h"
#include "sim/world/spec.h"

#define HOME_DIRECTORY "/var/nixie"
#define HOME_QUEUE HOME_DIRECTORY "/queue"
#define HOME_LOG HOME_DIRECTORY "/log"
#define HOME_OWNER 600 /* of all in single-user mode */

/* Registers all joined programs with the kernel, once before the first home. */
void home_register_programs(struct kernel *kernel);

/* Adds the users and groups that the system knows; before home_build. */
void home_add_accounts(struct host *host, const struct home_spec *spec);

/* Makes directories, control files, homes and programs, and settles the disk.  With a DNS
 * (may be NULL) the host gets its resolv.conf.  Returns 0, or -errno (-ENOSPC: the capacity is too
 * small). */
int home_build(struct host *host, const struct home_spec *spec, const struct dns_spec *dns);

/* Starts nixie-start.  `context` as in process_spec.  NULL with *error = errno. */
struct process *home_start(struct host *host, const struct home_spec *spec,
                           void (*output)(void *context, struct process *process, int fd,
                                          const char *data, size_t size),
                           void (*ended)(void *context, struct process *process, int status),
                           void *context, int *error);

/* The user that programs of `user` (NULL: root) run as on this host. */
uid_t home_uid(const struct home_spec *spec, const struct user_spec *user);

#endif
