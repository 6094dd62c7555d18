/* SPDX-License-Identifier: ISC */
/* Captures as bytes of a file: read, shown, imported. */
#include "tests/fuzz/pcap.h"

int fuzz_input(const uint8_t *data, size_t size)
{
    char *bytes = fuzz_copy(data, size);
    FILE *file = size ? fmemopen(bytes, size, "rb") : NULL;
    struct capture capture;

    capture_init(&capture);
    if (size > 8)
        capture.flows.budget.left = (size_t) 4096 << (data[size - 1] % 16);
    if (file) {
        capture_read(&capture, file);
        pcap_check(&capture);
    }
    capture_free(&capture);
    free(bytes);
    return 0;
}
