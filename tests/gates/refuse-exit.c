/* refuse: refers to exit, */
#include <stdlib.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    exit(argc);
}
