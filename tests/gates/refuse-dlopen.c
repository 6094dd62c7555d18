/* refuse: refers to dlopen, */
#include <dlfcn.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return dlopen(argv[0], 0) != 0;
}
