/* SPDX-License-Identifier: ISC */
#include "mta/lib/num.h"

#include <errno.h>

size_t num_format(char to[NUM_DIGITS], uint64_t number)
{
    size_t length = 1;
    for (uint64_t rest = number; rest >= 10; rest /= 10)
        length++;
    to[length] = 0;
    num_format_padded(to, (unsigned) length, number);
    return length;
}

void num_format_padded(char *to, unsigned width, uint64_t number)
{
    for (unsigned i = width; i-- > 0; number /= 10)
        to[i] = (char) ('0' + number % 10);
}

int num_parse(const char *from, size_t size, uint64_t *number)
{
    uint64_t value = 0;
    if (size == 0) {
        errno = EINVAL;
        return -1;
    }
    for (size_t i = 0; i < size; i++) {
        if (from[i] < '0' || from[i] > '9') {
            errno = EINVAL;
            return -1;
        }
        unsigned digit = (unsigned) (from[i] - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            errno = ERANGE;
            return -1;
        }
        value = value * 10 + digit;
    }
    *number = value;
    return 0;
}

void num_format_hex(char to[16], uint64_t number)
{
    for (int i = 15; i >= 0; i--, number >>= 4)
        to[i] = "0123456789abcdef"[number & 15];
}

int num_parse_hex(const char from[16], uint64_t *number)
{
    uint64_t value = 0;
    for (int i = 0; i < 16; i++) {
        char c = from[i];
        if (c >= '0' && c <= '9') {
            value = value << 4 | (uint64_t) (c - '0');
        } else if (c >= 'a' && c <= 'f') {
            value = value << 4 | (uint64_t) (c - 'a' + 10);
        } else {
            errno = EINVAL;
            return -1;
        }
    }
    *number = value;
    return 0;
}

uint64_t num_square_root(uint64_t number)
{
    uint64_t root = 0;
    for (uint64_t bit = (uint64_t) 1 << 31; bit; bit >>= 1) {
        uint64_t trial = root | bit;
        if (trial * trial <= number)
            root = trial;
    }
    return root;
}
