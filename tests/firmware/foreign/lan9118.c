/* The Ethernet controller SMSC LAN9118, polled. */
#include "board.h"
#include <string.h>

#define BASE 0x40200000u
#define RX_DATA REGISTER(BASE + 0x00)
#define TX_DATA REGISTER(BASE + 0x20)
#define RX_STATUS REGISTER(BASE + 0x40)
#define TX_STATUS REGISTER(BASE + 0x48)
#define TX_CFG REGISTER(BASE + 0x70)
#define RX_FIFO_INF REGISTER(BASE + 0x7C)
#define TX_FIFO_INF REGISTER(BASE + 0x80)
#define MAC_COMMAND REGISTER(BASE + 0xA4)
#define MAC_DATA REGISTER(BASE + 0xA8)

enum { MAC_CR = 1, ADDRH = 2, ADDRL = 3 };
enum { LARGEST = 1536 };

static uint32_t mac_read(uint32_t index)
{
    MAC_COMMAND = 0xC0000000u | index;
    return MAC_DATA;
}

static void mac_write(uint32_t index, uint32_t value)
{
    MAC_DATA = value;
    MAC_COMMAND = 0x80000000u | index;
}

void ethernet_start(uint8_t address[6])
{
    uint32_t low = mac_read(ADDRL), high = mac_read(ADDRH);
    for (int i = 0; i < 6; i++)
        address[i] = (uint8_t)(i < 4 ? low >> (8 * i) : high >> (8 * (i - 4)));
    TX_CFG = 2; /* TX_ON */
    mac_write(MAC_CR, 0x0C); /* TXEN, RXEN */
}

void ethernet_send(const uint8_t *frame, size_t length)
{
    TX_DATA = 0x3000u | (uint32_t)length; /* first and last segment */
    TX_DATA = (uint32_t)length;
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = 0;
        memcpy(&word, frame + i, length - i < 4 ? length - i : 4);
        TX_DATA = word;
    }
    while (TX_FIFO_INF >> 16 & 0xFF)
        (void)TX_STATUS;
}

size_t ethernet_receive(uint8_t *frame)
{
    if (!(RX_FIFO_INF >> 16 & 0xFF))
        return 0;
    size_t length = RX_STATUS >> 16 & 0x3FFF; /* with four bytes of checksum */
    for (size_t i = 0; i < length; i += 4) {
        uint32_t word = RX_DATA;
        if (i + 4 <= LARGEST)
            memcpy(frame + i, &word, 4);
    }
    return length >= 4 && length <= LARGEST ? length - 4 : 0;
}
