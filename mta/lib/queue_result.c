/* SPDX-License-Identifier: ISC */
#include "mta/lib/queue_result.h"

#include <stddef.h>

struct text {
    int result;
    const char *text;
};

static const struct text texts[] = {
    {QUEUE_OK, ""},
    {QUEUE_ADDRESS_LONG, "Denvelope address too long for qq (#5.1.3)"},
    {115, "Denvelope address too long for qq (#5.1.3)"},
    {QUEUE_REFUSED, "Dmail server permanently rejected message (#5.3.0)"},
    {QUEUE_MEMORY, "Zqq out of memory (#4.3.0)"},
    {QUEUE_TIMEOUT, "Zqq timeout (#4.3.0)"},
    {QUEUE_WRITE, "Zqq write error or disk full (#4.3.0)"},
    {QUEUE_READ, "Zqq read error (#4.3.0)"},
    {QUEUE_CONFIG, "Zqq unable to read configuration (#4.3.0)"},
    {QUEUE_NETWORK, "Zqq trouble making network connection (#4.3.0)"},
    {QUEUE_HOME, "Zqq trouble in home directory (#4.3.0)"},
    {QUEUE_DIRECTORY, "Zqq trouble creating files in queue (#4.3.0)"},
    {QUEUE_PID, "Zqq trouble creating files in queue (#4.3.0)"},
    {QUEUE_MESS, "Zqq trouble creating files in queue (#4.3.0)"},
    {QUEUE_INTD, "Zqq trouble creating files in queue (#4.3.0)"},
    {QUEUE_TODO, "Zqq trouble creating files in queue (#4.3.0)"},
    {QUEUE_REFUSED_NOW, "Zmail server temporarily rejected message (#4.3.0)"},
    {QUEUE_CONNECT_TIMEOUT, "Zconnection to mail server timed out (#4.4.1)"},
    {QUEUE_CONNECT_REFUSED, "Zconnection to mail server rejected (#4.4.1)"},
    {QUEUE_COMMUNICATION, "Zcommunication with mail server failed (#4.4.2)"},
    {QUEUE_BUG, "Zqq internal bug (#4.3.0)"},
    {QUEUE_ENVELOPE, "Zqq internal bug (#4.3.0)"},
    {QUEUE_EXEC, "Zunable to exec qq (#4.3.0)"},
    {QUEUE_CRASHED, "Zqq crashed (#4.3.0)"},
};

const char *queue_result_text(int result)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (texts[i].result == result)
            return texts[i].text;
    return queue_result_is_permanent(result) ? "Dqq permanent problem (#5.3.0)"
                                             : "Zqq temporary problem (#4.3.0)";
}

bool queue_result_is_permanent(int result)
{
    return (result >= 11 && result <= 40) || result == 115;
}
