/* refuse: refers to getenv, which is on neither posix.list nor pure.list (use environment_get) */
#include <stdlib.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return getenv("HOME") != 0;
}
