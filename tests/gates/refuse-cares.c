/* refuse: calls ares_send; only mta/lib/resolve.c may (use resolver_open) */
void ares_send(void *, const unsigned char *, int, void *, void *);
int main(void)
{
    ares_send(0, 0, 0, 0, 0);
    return 0;
}
