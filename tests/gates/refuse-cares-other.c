/* refuse: refers to ares_gethostbyname */
void ares_gethostbyname(void *, const char *, int, void *, void *);
int main(void)
{
    ares_gethostbyname(0, 0, 0, 0, 0);
    return 0;
}
