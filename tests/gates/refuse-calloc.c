/* refuse: refers to calloc, */
#include <stdlib.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    char *volatile p = calloc(1, (size_t) argc);
    return p != 0;
}
