/* The start of a Cortex-M, SysTick, and what newlib asks of a system. */
#include "board.h"
#include <errno.h>
#include <sys/stat.h>

#define SYSTICK 0xE000E010u
#define TICKS_PER_SECOND 500u

extern uint32_t data_start, data_end, data_stored, bss_start, bss_end, stack_top;
int main(void);

static volatile uint32_t ticks;
static uint32_t starts __attribute__((section(".noinit")));

void reset(void)
{
    uint32_t *from = &data_stored;
    for (uint32_t *to = &data_start; to < &data_end;)
        *to++ = *from++;
    for (uint32_t *to = &bss_start; to < &bss_end;)
        *to++ = 0;
    starts++;
    console_start();
    REGISTER(SYSTICK + 4) = CLOCK / TICKS_PER_SECOND - 1;
    REGISTER(SYSTICK) = 7;
    main();
    for (;;)
        rest();
}

static void stop(void)
{
    for (;;)
        ;
}

static void tick(void)
{
    ticks++;
}

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, reset, stop, stop, stop, stop, stop, [11] = stop, [14] = stop, [15] = tick,
};

uint32_t resets(void) { return starts - 1; }

uint32_t now(void)
{
    return ticks * (1000 / TICKS_PER_SECOND);
}

void rest(void)
{
    __asm__ volatile("wfi");
}

int _write(int file, const char *text, int length)
{
    (void)file;
    for (int i = 0; i < length; i++)
        console_put(text[i]);
    return length;
}

void *_sbrk(ptrdiff_t more)
{
    static uint8_t heap[HEAP] __attribute__((aligned(8)));
    static size_t used;
    if (used + (size_t)more > sizeof heap) {
        errno = ENOMEM;
        return (void *)-1;
    }
    used += (size_t)more;
    return heap + used - (size_t)more;
}

int _close(int file) { (void)file; return -1; }
int _fstat(int file, struct stat *status) { (void)file; status->st_mode = S_IFCHR; return 0; }
int _isatty(int file) { (void)file; return 1; }
int _lseek(int file, int offset, int whence) { (void)file; (void)offset; (void)whence; return 0; }
int _read(int file, char *into, int length) { (void)file; (void)into; (void)length; return 0; }
