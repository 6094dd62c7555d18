/* SPDX-License-Identifier: ISC */
/* Paths and parameters of MAIL and RCPT: what is taken says again, quoted, the same. */
#include "mta/lib/smtp_address.h"

#include <stdbool.h>

#include "mta/lib/address.h"
#include "tests/fuzz/fuzz.h"

static void read_parameters(const char *argument, size_t size, size_t at)
{
    struct smtp_parameter parameter;
    for (size_t before = at; smtp_parameter_next(argument, size, &at, &parameter) == 1;
         before = at) {
        FUZZ_CHECK(at > before && at <= size && parameter.keyword_size > 0);
        FUZZ_CHECK(parameter.keyword >= argument + before);
        FUZZ_CHECK(parameter.keyword + parameter.keyword_size <= argument + at);
        if (parameter.value)
            FUZZ_CHECK(parameter.value_size &&
                       parameter.value + parameter.value_size <= argument + at);
    }
}

/* As nixie-remote says it. */
static void say_again(const char *address, size_t size)
{
    struct buf line = BUF_INIT(0);
    const char *at = size ? memrchr(address, '@', size) : NULL;
    size_t local = at ? (size_t) (at - address) : size;
    int result = buf_add_text(&line, "FROM:<");
    if (size)
        result |= address_add_local(&line, address, local);
    if (at)
        result |= buf_add(&line, at, size - local);
    result |= buf_add_byte(&line, '>');
    FUZZ_CHECK(result == 0);
    char *again = fuzz_memory(line.length);
    size_t again_size, end;
    FUZZ_CHECK(smtp_path_parse(line.data, line.length, "FROM", again, &again_size, &end) == 0);
    FUZZ_CHECK(again_size == size && (size == 0 || memcmp(again, address, size) == 0));
    FUZZ_CHECK(end == line.length);
    free(again);
    buf_free(&line);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    static const char *const keywords[] = {"FROM", "TO"};
    char *argument = fuzz_copy(data, size), *address = fuzz_memory(size);
    for (int i = 0; i < 2; i++) {
        size_t address_size = 0, at = 0;
        if (smtp_path_parse(argument, size, keywords[i], address, &address_size, &at) < 0)
            continue;
        FUZZ_CHECK(address_size <= size && at <= size);
        for (size_t k = 0; k < address_size; k++)
            FUZZ_CHECK((unsigned char) address[k] >= ' ' && address[k] != 127);
        FUZZ_CHECK(address_size == 0 || address[address_size - 1] != '@');
        read_parameters(argument, size, at);
        say_again(address, address_size);
    }
    read_parameters(argument, size, 0);
    free(argument);
    free(address);
    return 0;
}
