/* refuse: refers to munmap, which is on neither posix.list nor pure.list */
#include <sys/mman.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return munmap(argv, 1);
}
