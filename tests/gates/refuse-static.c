/* refuse: has mutable data: counter in .bss */
static int counter;
int main(int argc, char **argv, char **environment)
{
    (void) argv, (void) environment;
    return counter += argc;
}
