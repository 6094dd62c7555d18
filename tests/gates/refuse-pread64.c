/* refuse: pread */
#include <unistd.h>
int main(int argc, char **argv)
{
    (void) argc, (void) argv;
    return (int) pread(0, argv[0], (size_t) argc, 0);
}
