/* The board with a Stellaris LM3S6965: UART 0 (PL011), and the Ethernet controller of the chip, polled. */
#include "board.h"
#include <string.h>

#define UART 0x4000C000u
#define BASE 0x40048000u
#define RCTL REGISTER(BASE + 0x08)
#define TCTL REGISTER(BASE + 0x0C)
#define DATA REGISTER(BASE + 0x10)
#define ADDRESS_LOW REGISTER(BASE + 0x14)
#define ADDRESS_HIGH REGISTER(BASE + 0x18)
#define PACKETS REGISTER(BASE + 0x34)
#define REQUEST REGISTER(BASE + 0x38)

enum { LARGEST = 1536, HEADER = 14 };

void console_start(void)
{
    REGISTER(UART + 0x24) = 6;     /* IBRD */
    REGISTER(UART + 0x2C) = 0x70;  /* LCRH: eight bits, FIFO */
    REGISTER(UART + 0x30) = 0x101; /* CTL: on, transmit */
}

void console_put(char character)
{
    while (REGISTER(UART + 0x18) & 0x20) /* FR: full */
        ;
    REGISTER(UART) = (uint8_t)character;
}

void ethernet_start(uint8_t address[6])
{
    uint32_t low = ADDRESS_LOW, high = ADDRESS_HIGH;
    for (int i = 0; i < 6; i++)
        address[i] = (uint8_t)(i < 4 ? low >> (8 * i) : high >> (8 * (i - 4)));
    RCTL = 0x11; /* RSTFIFO, RXEN */
    TCTL = 7;    /* CRC, PADEN, TXEN */
}

/* The first two bytes are the length of what follows the header; all is written in words. */
void ethernet_send(const uint8_t *frame, size_t length)
{
    uint32_t word = (uint32_t)(length - HEADER) | (uint32_t)frame[0] << 16 | (uint32_t)frame[1] << 24;
    for (size_t i = 2; i < length; i += 4) {
        DATA = word;
        word = 0;
        memcpy(&word, frame + i, length - i < 4 ? length - i : 4);
    }
    DATA = word;
    REQUEST = 1;
}

size_t ethernet_receive(uint8_t *frame)
{
    if (!PACKETS)
        return 0;
    uint32_t word = DATA;
    size_t length = (word & 0xFFFF) - 2; /* with four bytes of checksum */
    frame[0] = (uint8_t)(word >> 16);
    frame[1] = (uint8_t)(word >> 24);
    for (size_t i = 2; i < length; i += 4) {
        word = DATA;
        if (i + 4 <= LARGEST)
            memcpy(frame + i, &word, 4);
    }
    return length >= 4 && length <= LARGEST ? length - 4 : 0;
}
