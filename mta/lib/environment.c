/* SPDX-License-Identifier: ISC */
#include "mta/lib/environment.h"

#include <string.h>

#include "mta/lib/mem.h"

const char *environment_get(char *const *environment, const char *name)
{
    size_t length = strlen(name);
    for (char *const *entry = environment; *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

int environment_with(char *const *environment, const char *name, const char *value,
                     struct buf *variable, char ***copy)
{
    size_t count = 0, kept = 0, length = strlen(name);
    while (environment[count])
        count++;
    buf_reset(variable);
    if (buf_add_text(variable, name) < 0 || buf_add_byte(variable, '=') < 0 ||
        buf_add_text(variable, value) < 0 || !buf_text(variable))
        return -1;
    *copy = mem_alloc((count + 2) * sizeof **copy);
    if (!*copy)
        return -1;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environment[i], name, length) != 0 || environment[i][length] != '=')
            (*copy)[kept++] = environment[i];
    (*copy)[kept++] = variable->data;
    (*copy)[kept] = NULL;
    return 0;
}
