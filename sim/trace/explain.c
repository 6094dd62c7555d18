/* SPDX-License-Identifier: ISC */
#include "sim/trace/explain.h"

#include <stddef.h>
#include <string.h>

/* The first whose words are found counts.  Reports have `_` for blanks and for what is no ASCII. */
static const struct {
    const char *words, *meaning;
} meanings[] = {
    {"been_in_the_queue_too_long",
     "it was in the queue for too long, so this was the last try, and the sender gets a bounce"},
    {"Possible_duplicate",
     "the connection broke after the whole message was sent: the other server "
     "may have it, and may get it again"},
    {"but_connection_died", "the connection broke before the other server said yes or no"},
    {"does_not_like_recipient", "the other server did not take this recipient"},
    {"but_sender_was_rejected", "the other server did not take the sender"},
    {"but_greeting_failed", "the other server did not greet as a mail server does, or did not want "
                            "to talk"},
    {"but_my_name_was_rejected", "the other server did not take the name of this one"},
    {"failed_on_DATA_command", "the other server did not want the message once it knew sender and "
                               "recipients"},
    {"failed_after_I_sent_the_message", "the other server refused the message after it had all of "
                                        "it"},
    {"able_to_establish_an_SMTP_connection",
     "no server that takes mail for this domain could be reached"},
    {"CNAME_lookup_failed", "the DNS gave no answer"},
    {"find_any_host_named", "the DNS knows no such domain"},
    {"does_not_accept_mail", "the domain says in the DNS that it takes no mail"},
    {"find_a_mail_exchanger", "the DNS names no server that takes mail for this domain"},
    {"listed_as_a_best-preference_MX",
     "the DNS says that mail for this domain is for this very "
     "server, which does not know the domain: see control/locals"},
    {"no_mailbox_here_by_that_name", "there is no such user here"},
    {"accepted_message", "the other server took it"},
    {"did_0+0+0", "its .qmail file says to throw it away"},
    {"No_space_left", "the disk is full"},
    {"mail-looping", "the message came here before: it goes round in a circle"},
    {"This_message_is_looping", "the message came here before: it goes round in a circle"},
    {"has_no_program_for_remote", "this server was installed without nixie-rspawn"},
    {"_crashed", "a program that was to take it crashed"},
};

const char *explain(const char *report)
{
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (strstr(report, meanings[i].words))
            return meanings[i].meaning;
    return NULL;
}
