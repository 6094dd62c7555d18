/* SPDX-License-Identifier: ISC */
/* Reports of failed deliveries taken apart. */
#include "mta/lib/failure.h"

#include <stdbool.h>

#include "tests/fuzz/fuzz.h"

static bool is_within(const char *text, size_t size, const char *report, size_t report_size)
{
    return size == 0 || (text >= report && text + size <= report + report_size);
}

static bool is_status(const char *status)
{
    unsigned class, subject, detail;
    int end = 0;
    return sscanf(status, "%1u.%3u.%3u%n", &class, &subject, &detail, &end) == 3 && !status[end] &&
           (class == 4 || class == 5);
}

int fuzz_input(const uint8_t *data, size_t size)
{
    struct failure failure;
    char *report = fuzz_copy(data, size);
    failure_parse(&failure, report, size);
    FUZZ_CHECK(memchr(failure.status, 0, sizeof failure.status) && is_status(failure.status));
    FUZZ_CHECK(!failure.expired || strcmp(failure.status, "4.4.7") == 0);
    FUZZ_CHECK(is_within(failure.reply, failure.reply_size, report, size));
    FUZZ_CHECK(is_within(failure.mta, failure.mta_size, report, size));
    FUZZ_CHECK(is_within(failure.text, failure.text_size, report, size));
    for (size_t i = 0; i < failure.mta_size; i++)
        FUZZ_CHECK(strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.:-",
                          failure.mta[i]) &&
                   failure.mta[i]);
    free(report);
    return 0;
}
