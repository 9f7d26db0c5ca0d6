/* The console of the MPS2 board: CMSDK UART 0. */
#include "board.h"

#define UART 0x40004000u

void console_start(void)
{
    REGISTER(UART + 0x10) = 16; /* BAUDDIV */
    REGISTER(UART + 0x08) = 1;  /* CTRL: transmit */
}

void console_put(char character)
{
    while (REGISTER(UART + 0x04) & 1) /* STATE: full */
        ;
    REGISTER(UART) = (uint8_t)character;
}
