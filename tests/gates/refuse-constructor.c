/* refuse: has code that runs before or after main */
#include <unistd.h>
__attribute__((constructor)) static void early(void)
{
    close(9);
}
int main(void)
{
    return 0;
}
