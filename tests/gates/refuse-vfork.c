/* refuse: refers to vfork, which is on neither posix.list nor pure.list (use posix_spawn) */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return vfork();
}
