/* SPDX-License-Identifier: ISC */
/*
 * honest: everything survives.
 *
 * Rule: every change is durable when the call that makes it returns.  It is what is left after all
 * programs were killed while the machine went on (signal(7), SIGKILL; the page cache outlives the
 * process that wrote).  Files without a name are gone, since no descriptor is left.
 */
#include "sim/kernel/vfs_internal.h"

const struct disk_model disk_honest = {.name = "honest"};
