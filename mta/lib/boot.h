/* SPDX-License-Identifier: ISC */
/* Which life of the machine this is. */
#ifndef MTA_LIB_BOOT_H
#define MTA_LIB_BOOT_H

#include <stdint.h>

/* The checksum of the boot id into *boot.  Returns 1; 0 if there is no boot id (*boot is 0 then);
 * -1 with ENOMEM. */
int boot_id(uint64_t *boot);

#endif
