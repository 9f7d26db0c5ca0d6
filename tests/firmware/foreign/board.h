/* The board: console, time, and Ethernet frames. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

void console_start(void);
void console_put(char character);

/* Milliseconds since the reset. */
uint32_t now(void);
/* Wait for the next tick of 2 ms. */
void rest(void);

/* How often the board was reset since it has power. */
uint32_t resets(void);

void ethernet_start(uint8_t address[6]);
/* Send one frame, without its checksum. */
void ethernet_send(const uint8_t *frame, size_t length);
/* Receive one frame into room for 1536 bytes; returns its length, 0 if there is none. */
size_t ethernet_receive(uint8_t *frame);

#endif
