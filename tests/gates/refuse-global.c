/* refuse: has mutable data: verbosity in .bss */
int verbosity;
int main(void)
{
    return verbosity;
}
