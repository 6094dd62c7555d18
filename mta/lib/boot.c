/* SPDX-License-Identifier: ISC */
#include "mta/lib/boot.h"

#include <errno.h>

#include "mta/lib/buf.h"
#include "mta/lib/checksum.h"
#include "mta/lib/io.h"

#define BOOT_PATH "/proc/sys/kernel/random/boot_id"

int boot_id(uint64_t *boot)
{
    struct buf id = BUF_INIT(256);
    int result = io_read_file(BOOT_PATH, &id);
    bool known = result == 0 && id.length > 0;
    *boot = known ? checksum_of(id.data, id.length) : 0;
    buf_free(&id);
    if (result < 0 && errno == ENOMEM)
        return -1;
    return known;
}
