/* The board: console, time, and Ethernet frames. */
#ifndef BOARD_H
#define BOARD_H

#include <stddef.h>
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

/* Milliseconds since the reset. */
uint32_t now(void);
/* Wait for the next tick of 2 ms. */
void rest(void);

void ethernet_start(uint8_t address[6]);
/* Send one frame, without its checksum. */
void ethernet_send(const uint8_t *frame, size_t length);
/* Receive one frame into room for 1536 bytes; returns its length, 0 if there is none. */
size_t ethernet_receive(uint8_t *frame);

#endif
