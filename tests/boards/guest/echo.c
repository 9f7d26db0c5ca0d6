/* The smallest guest the driver's tests need: says hello on UART1, echoes UART0 back in upper case.
 * Built for mps2-an385 by tests/boards/test_qemu_machine.py; see the CMSDK UART in Arm's DDI 0479. */
#define UART0 ((volatile unsigned *)0x40004000)
#define UART1 ((volatile unsigned *)0x40005000)
#define NVIC_ISER ((volatile unsigned *)0xE000E100)
enum { DATA, STATE, CTRL, INTSTATUS, BAUDDIV };

volatile unsigned marker = 0x5741534D;

static void put(volatile unsigned *uart, unsigned byte) {
    while (uart[STATE] & 1) {
    }
    uart[DATA] = byte;
}

void receive(void) {
    UART0[INTSTATUS] = 2;
    while (UART0[STATE] & 2) {
        unsigned byte = UART0[DATA];
        put(UART0, byte >= 'a' && byte <= 'z' ? byte - 32 : byte);
    }
}

void reset(void) {
    for (int i = 0; i < 2; i++) {
        volatile unsigned *uart = i ? UART1 : UART0;
        uart[BAUDDIV] = 16;
        uart[CTRL] = 3 | (i ? 0 : 8);
        (void)uart[DATA];
    }
    *NVIC_ISER = 1;
    for (const char *text = "hello\n"; *text; text++) put(UART1, *text);
    for (;;) __asm__ volatile("wfi");
}

__attribute__((section(".vectors"), used)) static void *const vectors[17] = {
    (void *)0x20080000, (void *)reset, [16] = (void *)receive,
};
