/* refuse: which is on neither posix.list nor pure.list (use io_write and snprintf) */
#include <stdio.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    printf("%d\n", argc);
    return 0;
}
