/* SPDX-License-Identifier: ISC */
/* For targets that read descriptor 0 and complain on descriptor 2, where nobody wants to read it.
 */
#ifndef TESTS_FUZZ_CONFIG_H
#define TESTS_FUZZ_CONFIG_H

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"

/* Makes descriptor 0 a file with that content. */
static inline void fuzz_standard_input(const uint8_t *data, size_t size)
{
    int fd = memfd_create("input", 0);
    FUZZ_CHECK(fd >= 0 && write(fd, data, size) == (ssize_t) size && lseek(fd, 0, SEEK_SET) == 0);
    if (fd != 0) {
        FUZZ_CHECK(dup2(fd, 0) == 0);
        close(fd);
    }
}

/* Until fuzz_loud descriptor 2 leads nowhere.  (Sanitizers write to another place: tests/fuzz/run.)
 */
static inline int fuzz_quiet(void)
{
    int kept = fcntl(2, F_DUPFD_CLOEXEC, 3), nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    FUZZ_CHECK(kept >= 0 && nowhere >= 0 && dup2(nowhere, 2) == 2);
    close(nowhere);
    return kept;
}

static inline void fuzz_loud(int kept)
{
    dup2(kept, 2);
    close(kept);
}

#endif
