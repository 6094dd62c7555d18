/* SPDX-License-Identifier: ISC */
/* Whole sessions of nixie-smtpd, with a queue that takes nothing.  What it says must be lines of
 * replies, whatever the client does. */
#include "mta/smtpd/smtpd.h"

#include "tests/fuzz/config.h"

static struct control_map map_of(const char *name, size_t size, char separator)
{
    struct control_map map;
    struct buf lines = BUF_INIT(0);
    FUZZ_CHECK(buf_add(&lines, name, size) == 0);
    FUZZ_CHECK(control_map_init(&map, &lines, separator) == 0);
    buf_free(&lines);
    return map;
}
#define MAP(names, separator) map_of(names, sizeof(names), separator)

static void make_settings(struct settings *settings, bool odd)
{
    memset(settings, 0, sizeof *settings);
    FUZZ_CHECK(buf_set_text(&settings->me, "me.example") == 0 && buf_text(&settings->me));
    FUZZ_CHECK(buf_set_text(&settings->greeting, "me.example") == 0);
    FUZZ_CHECK(buf_set_text(&settings->localiphost, "example.com") == 0);
    settings->databytes = odd ? 100 : 0;
    settings->timeout_ms = 1000;
    settings->accept_bare_lf = odd;
    settings->has_rcpthosts = odd;
    settings->rcpthosts = MAP("example.com\0.sub.example", 0);
    settings->morercpthosts = MAP("more.example", 0);
    settings->locals = MAP("example.com", 0);
    settings->virtualdomains = MAP("virtual.example:alice", ':');
    settings->badmailfrom = MAP("bad@b.example\0@bad.example", 0);
}

/* Lines "ddd text" or "ddd-text", ended by CR LF, no control bytes in them. */
static void check_replies(int fd)
{
    char replies[65536];
    ssize_t size = pread(fd, replies, sizeof replies, 0);
    FUZZ_CHECK(size > 0);
    const char *line = replies, *end = replies + size;
    while (line < end && size < (ssize_t) sizeof replies) {
        const char *stop = memmem(line, (size_t) (end - line), "\r\n", 2);
        FUZZ_CHECK(stop && stop - line >= 4 && (line[3] == ' ' || line[3] == '-'));
        for (const char *c = line; c < stop; c++)
            FUZZ_CHECK(c < line + 3 ? *c >= '0' && *c <= '9' : (unsigned char) *c >= ' ');
        line = stop + 2;
    }
}

int fuzz_input(const uint8_t *data, size_t size)
{
    char *const environment[] = {NULL};
    struct buf home = BUF_INIT(0);
    struct settings settings;
    int queue = -1;
    if (size == 0)
        return 0;
    make_settings(&settings, data[0] % 2);
    FUZZ_CHECK(buf_set_text(&home, "/nowhere") == 0);
    fuzz_standard_input(data + 1, size - 1);
    struct session session = {.settings = &settings,
                              .home = &home,
                              .environment = environment,
                              .queue = &queue,
                              .in = 0,
                              .out = memfd_create("output", MFD_CLOEXEC),
                              .control = -1,
                              .local_host = "me.example",
                              .relay = data[0] / 2 % 2 ? ".relayed" : NULL,
                              .databytes = settings.databytes,
                              .input = fuzz_memory(INPUT_SIZE)};
    peer_from_environment(&session.peer, environment);
    int kept = fuzz_quiet();
    session_run(&session);
    fuzz_loud(kept);
    FUZZ_CHECK(session.why && session.accepted == 0 && queue == -1);
    check_replies(session.out);
    close(session.out);
    free(session.input);
    settings_free(&settings);
    buf_free(&home);
    return 0;
}
