/* refuse: calls malloc; only mta/lib/mem.c may (use mem_alloc) */
#include <stdlib.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    char *volatile p = malloc((size_t) argc);
    return p != 0;
}
