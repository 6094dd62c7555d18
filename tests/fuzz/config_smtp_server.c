/* SPDX-License-Identifier: ISC */
/* The configuration of smtp-server. */
#include "sim/actors/smtp-server/server.h"

#include "tests/fuzz/config.h"

int fuzz_input(const uint8_t *data, size_t size)
{
    struct server *server = fuzz_memory(sizeof *server);
    memset(server, 0, sizeof *server);
    fuzz_standard_input(data, size);
    int kept = fuzz_quiet();
    int result = server_configure(server);
    fuzz_loud(kept);
    FUZZ_CHECK(result < 0 || !server->config.failed);
    server_free(server);
    free(server);
    return 0;
}
