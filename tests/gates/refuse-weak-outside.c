/* refuse: refers to tell_someone, */
__attribute__((weak)) void tell_someone(void);
int main(void)
{
    if (tell_someone)
        tell_someone();
    return 0;
}
