/* SPDX-License-Identifier: ISC */
/*
 * What the fuzz targets share.  A target is tests/fuzz/NAME.c with fuzz_input; adding one is adding
 * a file (the makefile finds it; `make fuzz`).  Seeds are in tests/fuzz/seeds/NAME/.
 *
 * It is linked with libFuzzer (clang), or with driver.c, which makes inputs from the seeds by
 * chance; with AddressSanitizer and UBSan either way.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One input.  Must return 0.  What is not as it should be ends the program: FUZZ_CHECK, or a
 * sanitizer. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
#define fuzz_input LLVMFuzzerTestOneInput

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* Memory of exactly that size, so that a byte beyond is noticed; never NULL. */
static inline void *fuzz_memory(size_t size)
{
    void *memory = malloc(size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static inline char *fuzz_copy(const void *from, size_t size)
{
    char *copy = fuzz_memory(size);
    if (size)
        memcpy(copy, from, size);
    return copy;
}

/* Chance that depends on nothing but the input: cut where pieces end, and the like. */
static inline uint64_t fuzz_next(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

#endif
