/* SPDX-License-Identifier: ISC */
/*
 * nixie-local [-nN] [--] USER HOME LOCAL DASH EXT DOMAIN SENDER DEFAULT-DELIVERY
 * nixie-local --stay
 *
 * Delivers the message on descriptor 0 (a file, from its start) to one local user as the user's
 * .qmail file says (qmail-local(8), dot-qmail(5)).  Runs as that user.
 *
 *   -n   only tells what it would do
 *   -N   does it (the default)
 *
 * With --stay it serves nixie-lspawn, delivery after delivery (stay.c).
 *
 * Descriptor 1 gets the report of success ("did 1+0+0": files, forwards, programs), descriptor 2
 * that of failure.
 *
 * Exit status: 0 delivered; 99 is told by programs to this one only; 100 never will be; 111 may be
 * later.
 */
#include "mta/local/local.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mta/lib/home.h"
#include "mta/lib/maildir.h"
#include "mta/lib/mem.h"

static int usage(void)
{
    return local_fail(LOCAL_HARD,
                      "nixie-local: usage: nixie-local [-nN] user homedir local dash ext domain "
                      "sender aliasempty");
}

void local_set_arguments(struct local *local, const char *const arguments[LOCAL_ARGUMENTS])
{
    const char **to[LOCAL_ARGUMENTS] = {&local->user,   &local->home,      &local->local,
                                        &local->dash,   &local->extension, &local->domain,
                                        &local->sender, &local->fallback};
    for (int i = 0; i < LOCAL_ARGUMENTS; i++)
        *to[i] = arguments[i];
}

static int parse_arguments(struct local *local, int argc, char **argv)
{
    int at = 1;
    for (; at < argc && argv[at][0] == '-' && argv[at][1]; at++) {
        if (strcmp(argv[at], "--") == 0) {
            at++;
            break;
        }
        for (const char *flag = argv[at] + 1; *flag; flag++) {
            if (*flag != 'n' && *flag != 'N')
                return usage();
            local->deliver = *flag == 'N';
        }
    }
    if (argc - at != LOCAL_ARGUMENTS)
        return usage();
    local_set_arguments(local, (const char *const *) argv + at);
    return LOCAL_OK;
}

static int enter(struct local *local)
{
    /* before the directory changes; only forwards need it, and they find out */
    if (!local->maildirs_only && home_find(local->environment, &local->server_home) < 0)
        buf_reset(&local->server_home);
    if (chdir(local->home) < 0)
        return local_fail_errno("Unable to switch to ", local->home, errno);
    return recipient_prepare(local);
}

int local_deliver(struct local *local)
{
    int code = enter(local);
    if (code == LOCAL_OK && local->deliver)
        code = recipient_check_loop(local);
    if (code == LOCAL_OK)
        code = find_check_home(local);
    if (code == LOCAL_OK)
        code = find_instructions(local);
    if (code == LOCAL_OK && local->maildirs_only && !deliver_is_plain(local))
        return LOCAL_OTHER;
    if (code == LOCAL_OK)
        code = find_new_sender(local);
    if (code == LOCAL_OK)
        code = deliver_all(local);
    return code;
}

void local_release(struct local *local)
{
    struct buf *all[] = {&local->server_home,  &local->recipient,  &local->delivered_to,
                         &local->return_path,  &local->from_line,  &local->file_part,
                         &local->default_part, &local->new_sender, &local->instructions,
                         &local->recipients};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        buf_free(all[i]);
    if (local->held)
        maildir_abort(local->held);
    mem_free(local->held);
    local->held = NULL;
}

static int set_up(void)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    umask(077);
    if (sigaction(SIGPIPE, &ignore, NULL) < 0)
        return local_fail_errno("Unable to set up signals", "", errno);
    return LOCAL_OK;
}

int main(int argc, char **argv, char **environment)
{
    struct local local = {.environment = environment, .deliver = true};
    bool stays = argc == 2 && strcmp(argv[1], "--stay") == 0;
    int code = stays ? LOCAL_OK : parse_arguments(&local, argc, argv);
    if (code == LOCAL_OK)
        code = set_up();
    if (code == LOCAL_OK)
        code = stays ? stay(environment) : local_deliver(&local);
    local_release(&local);
    return code;
}
