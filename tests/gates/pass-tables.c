/* pass: constant tables of functions and of strings, also within functions */
static int one(int x)
{
    return x + 1;
}
static int two(int x)
{
    return x * 2;
}
struct verb {
    const char *name;
    int (*run)(int);
};
static const struct verb verbs[] = {{"one", one}, {"two", two}};
static const char *const names[] = {"red", "green", "blue"};
extern const struct verb *const first;
const struct verb *const first = &verbs[0];
static int pick(int x)
{
    static int (*const inner[])(int) = {two, one};
    static const int numbers[] = {3, 1, 4, 1, 5};
    return inner[x & 1](numbers[x % 5]);
}
int main(int argc, char **argv)
{
    (void) argv;
    return verbs[argc & 1].run(pick(argc)) + names[argc % 3][0] + first->run(argc);
}
