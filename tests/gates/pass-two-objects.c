/* pass: a global of another object of the same program */
/* with: part-help.c */
int help(int x);
int main(int argc, char **argv)
{
    (void) argv;
    return help(argc);
}
