/* SPDX-License-Identifier: ISC */
/* The configuration of smtp-client. */
#include "sim/actors/smtp-client/client.h"

#include "tests/fuzz/config.h"

int fuzz_input(const uint8_t *data, size_t size)
{
    struct client *client = fuzz_memory(sizeof *client);
    memset(client, 0, sizeof *client);
    fuzz_standard_input(data, size);
    int kept = fuzz_quiet();
    int result = client_configure(client);
    fuzz_loud(kept);
    FUZZ_CHECK(result < 0 || !client->config.failed);
    client_free(client);
    free(client);
    return 0;
}
